#include "cli/bench/ledger.h"

#include <gtest/gtest.h>

namespace linarite::cli {
namespace {

Instant at(int64_t us) { return Instant(Duration(us)); }

Ledger two_devices(size_t entries_max = Ledger::kEntriesMax) {
  return Ledger({.devices = 2, .body_bytes = 40, .run = 7, .entries_max = entries_max});
}

TEST(LedgerTest, AMessageIsCompleteWhenBothEndsHaveSeenIt) {
  Ledger books = two_devices();
  books.begin(1, at(5));
  const auto accepted = books.accepted(0);
  ASSERT_TRUE(accepted);
  EXPECT_FALSE(accepted->complete);
  const auto received = books.received(1, books.body(0), false);
  ASSERT_TRUE(received);
  EXPECT_TRUE(received->complete);
  EXPECT_EQ(received->device, 1U);
  EXPECT_EQ(received->due, at(5));
  EXPECT_EQ(books.mistakes(), Mistakes());
}

TEST(LedgerTest, TheDeviceMayBeFaster) {
  Ledger books = two_devices();
  books.begin(0, at(0));
  EXPECT_FALSE(books.received(0, books.body(0), false)->complete);
  EXPECT_TRUE(books.accepted(0)->complete);
}

TEST(LedgerTest, WithoutAReaderAcceptanceCompletes) {
  Ledger books({.devices = 1, .awaits_receipt = false});
  books.begin(0, at(0));
  EXPECT_TRUE(books.accepted(0)->complete);
  books.close();
  EXPECT_EQ(books.mistakes(), Mistakes());
}

TEST(LedgerTest, BodiesDifferAndAreRecognized) {
  Ledger books = two_devices();
  EXPECT_EQ(books.body(3).size(), 40U);
  EXPECT_NE(books.body(3).substr(16), books.body(4).substr(16));
  books.begin(0, at(0));
  std::string body = books.body(0);
  body.back() = static_cast<char>(body.back() + 1);
  EXPECT_FALSE(books.received(0, body, false));
  EXPECT_FALSE(books.received(0, books.body(0).substr(1), false));
  EXPECT_FALSE(books.received(0, "", false));
  EXPECT_FALSE(books.received(0, books.body(1), false)) << "it was never sent";
  const Ledger another({.devices = 2, .body_bytes = 40, .run = 8});
  EXPECT_FALSE(books.received(0, another.body(0), false)) << "of another run";
  EXPECT_EQ(books.mistakes(), Mistakes{.changed = 5});
  EXPECT_TRUE(books.received(0, books.body(0), false));
}

TEST(LedgerTest, ASecondTimeIsAMistakeUnlessItIsMarked) {
  Ledger books = two_devices();
  books.begin(0, at(0));
  books.begin(0, at(0));
  books.accepted(0);
  EXPECT_TRUE(books.received(0, books.body(0), false));
  EXPECT_FALSE(books.received(0, books.body(0), true));
  EXPECT_EQ(books.mistakes(), Mistakes());
  EXPECT_EQ(books.repeated(), 1U);
  EXPECT_FALSE(books.received(0, books.body(0), false));
  EXPECT_EQ(books.mistakes(), Mistakes{.doubled = 1});
}

TEST(LedgerTest, AnotherDevicesMessage) {
  Ledger books = two_devices();
  books.begin(0, at(0));
  EXPECT_FALSE(books.received(1, books.body(0), false));
  EXPECT_EQ(books.mistakes(), Mistakes{.misdirected = 1});
}

TEST(LedgerTest, OrderIsThatOfADevice) {
  Ledger books = two_devices();
  for (const size_t device : {0U, 1U, 0U}) books.begin(device, at(0));
  EXPECT_TRUE(books.received(0, books.body(2), false));
  EXPECT_TRUE(books.received(1, books.body(1), false));
  EXPECT_EQ(books.mistakes(), Mistakes());
  EXPECT_TRUE(books.received(0, books.body(0), false));
  EXPECT_EQ(books.mistakes(), Mistakes{.disordered = 1});
}

TEST(LedgerTest, WhatIsLeftAtTheEnd) {
  Ledger books = two_devices();
  for (int i = 0; i < 4; ++i) books.begin(0, at(0));
  books.accepted(0);
  EXPECT_TRUE(books.refused(1)->complete);
  books.received(0, books.body(3), false);
  books.close();
  EXPECT_EQ(books.mistakes(), (Mistakes{.refused = 3, .lost = 1}))
      << "0 was accepted and is lost; 1 was refused; 2 and 3 have no outcome";
  EXPECT_FALSE(books.accepted(2));
}

TEST(LedgerTest, TheBooksAreBounded) {
  Ledger books = two_devices(2);
  books.begin(0, at(0));
  books.accepted(0);
  books.begin(0, at(0));
  books.begin(0, at(0));
  EXPECT_EQ(books.mistakes(), Mistakes{.lost = 1});
  EXPECT_EQ(books.begun(), 3U);
  EXPECT_FALSE(books.received(0, books.body(0), false)) << "given up before";
  EXPECT_TRUE(books.received(0, books.body(1), false));
}

}  // namespace
}  // namespace linarite::cli
