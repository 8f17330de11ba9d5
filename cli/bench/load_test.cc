// Loads on a clock that the test moves.
#include "cli/bench/load.h"

#include <gtest/gtest.h>

#include "base/clock.h"
#include "cli/bench/message_load.h"

namespace linarite::cli {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

// Operations begin and end as the test says.
class ManualLoad final : public Load {
 public:
  using Load::Load;
  bool begin(uint64_t number, Instant due) override {
    if (!has_room) return false;
    begun.emplace_back(number, due);
    return true;
  }
  // The oldest ends well.
  void end() {
    time(0, begun.at(ended++).second);
    finish();
  }
  void end_badly() {
    ++ended;
    keep_refusal(Failure("refused"));
    count_mistake(&Mistakes::refused);
    finish();
  }
  bool has_room = true;
  size_t ended = 0;
  std::vector<std::pair<uint64_t, Instant>> begun;
};

class LoadTest : public ::testing::Test {
 protected:
  ManualLoad closed(uint64_t window, uint64_t operations = 0) {
    return ManualLoad(
        clock_,
        {.name = "test", .window = window, .operations = operations, .latencies = {"done"}});
  }
  ManualLoad open(double rate, uint64_t operations = 0) {
    return ManualLoad(
        clock_, {.name = "test", .rate = rate, .operations = operations, .latencies = {"done"}});
  }
  ManualClock clock_{WallTime{}};
};

TEST_F(LoadTest, AClosedLoopKeepsItsWindowFull) {
  ManualLoad load = closed(3);
  EXPECT_TRUE(load.is_over());
  load.start();
  EXPECT_EQ(load.begun.size(), 3U);
  EXPECT_FALSE(load.next_due());
  load.end();
  EXPECT_EQ(load.begun.size(), 4U);
  EXPECT_EQ(load.under_way(), 3U);
  load.stop();
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(load.is_over());
    load.end();
  }
  EXPECT_EQ(load.begun.size(), 4U);
  EXPECT_TRUE(load.is_over());
}

TEST_F(LoadTest, ALimitOfOperationsEndsIt) {
  ManualLoad load = closed(2, 3);
  int over = 0;
  load.on_over([&over] { ++over; });
  load.start();
  for (int i = 0; i < 3; ++i) load.end();
  EXPECT_EQ(load.begun.size(), 3U);
  EXPECT_TRUE(load.is_over());
  EXPECT_EQ(over, 1);
}

TEST_F(LoadTest, WithoutRoomItWaits) {
  ManualLoad load = closed(2);
  load.has_room = false;
  load.start();
  EXPECT_EQ(load.under_way(), 0U);
  load.has_room = true;
  load.pump();
  EXPECT_EQ(load.under_way(), 2U);
}

TEST_F(LoadTest, AnOpenLoopFollowsTheClock) {
  ManualLoad load = open(1000);
  load.start();
  EXPECT_EQ(load.begun.size(), 1U);
  EXPECT_EQ(load.next_due(), clock_.now() + milliseconds(1));
  clock_.advance(milliseconds(10));
  load.pump();
  EXPECT_EQ(load.begun.size(), 11U);
  EXPECT_EQ(load.begun[10].second - load.begun[0].second, milliseconds(10));
  load.stop();
  EXPECT_FALSE(load.next_due());
}

// The hub stood still for a second: each of the operations that were due then has waited for its
// own time, although all were begun at the end.
TEST_F(LoadTest, WaitingIsNotLeftOutOfTheLatency) {
  ManualLoad load = open(100);
  load.open_window();
  load.has_room = false;
  load.start();
  clock_.advance(seconds(1));
  load.has_room = true;
  load.pump();
  ASSERT_EQ(load.begun.size(), 101U);
  while (load.under_way() > 0) load.end();
  const Latencies all = load.figures().latencies.at(0).second;
  EXPECT_EQ(all.max(), seconds(1));
  EXPECT_NEAR(static_cast<double>(all.percentile(50).count()), 500'000, 20'000);
}

TEST_F(LoadTest, WhatCouldNotBeBegunIsTold) {
  ManualLoad load = open(10);
  load.open_window();
  load.start();
  load.has_room = false;
  clock_.advance(seconds(2));
  load.pump();
  load.close_window();
  EXPECT_EQ(load.figures().begun, 1U);
  EXPECT_EQ(load.figures().behind, 19U);
}

TEST_F(LoadTest, TheWindowCountsEndsAndTimesWhatWasDueInIt) {
  ManualLoad load = closed(1);
  load.start();
  load.end();  // Before the window.
  clock_.advance(milliseconds(1));
  load.open_window();
  load.end();  // Due before it: it is counted, and not timed.
  clock_.advance(milliseconds(3));
  load.end();
  clock_.advance(milliseconds(1));
  load.close_window();
  clock_.advance(milliseconds(7));
  load.end();  // Due in it: it is timed, and not counted.
  load.end();
  const LoadFigures figures = load.figures();
  EXPECT_EQ(figures.count, 2U);
  EXPECT_EQ(figures.latencies.at(0).second.count(), 2U);
  EXPECT_EQ(figures.latencies.at(0).second.max(), milliseconds(8));
}

TEST_F(LoadTest, TooManyMistakesEndIt) {
  ManualLoad load = closed(1);
  load.start();
  while (!load.is_over()) load.end_badly();
  EXPECT_EQ(load.begun.size(), Load::kMistakesMax);
  EXPECT_EQ(load.figures().mistakes.refused, Load::kMistakesMax);
  EXPECT_EQ(load.figures().first_refusal->message, "refused");
}

TEST_F(LoadTest, WhatNeverEndsIsAMistake) {
  ManualLoad load = closed(4);
  load.start();
  load.stop();
  load.give_up();
  EXPECT_TRUE(load.is_over());
  EXPECT_EQ(load.figures().mistakes.refused, 4U);
}

// --- Messages.

struct Sent {
  size_t device;
  uint64_t number;
  std::string body;
};

class MessageLoadTest : public LoadTest {
 protected:
  MessageLoad load(MessageLoad::Options options) {
    options.load.name = "c2d";
    if (options.load.latencies.empty()) options.load.latencies = {"accepted", "delivered"};
    options.ledger.devices = 2;
    options.ledger.run = 1;
    return MessageLoad(
        clock_, options,
        [this](MessageLoad&, size_t device, uint64_t number, const std::string& body) {
          sent_.push_back({device, number, body});
        });
  }
  std::vector<Sent> sent_;
};

TEST_F(MessageLoadTest, DevicesTakeTurnsAsFarAsTheyHaveRoom) {
  MessageLoad all = load({.load = {.window = 100}, .depth = 2});
  all.start();
  ASSERT_EQ(sent_.size(), 4U);
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(sent_[i].device, i % 2);
  all.accepted(1);
  EXPECT_EQ(sent_.size(), 4U) << "it was not received yet";
  all.received(1, sent_[1].body, false);
  ASSERT_EQ(sent_.size(), 5U);
  EXPECT_EQ(sent_[4].device, 1U);
  EXPECT_EQ(sent_[4].number, 4U);
}

TEST_F(MessageLoadTest, BothEndsAreTimed) {
  MessageLoad all = load({.load = {.window = 1, .operations = 1}});
  all.open_window();
  all.start();
  clock_.advance(milliseconds(2));
  all.accepted(0);
  clock_.advance(milliseconds(2));
  all.received(0, sent_[0].body, false);
  const auto latencies = all.figures().latencies;
  EXPECT_EQ(latencies.at(0).second.max(), milliseconds(2));
  EXPECT_EQ(latencies.at(1).second.max(), milliseconds(4));
  EXPECT_EQ(all.figures().count, 1U);
}

TEST_F(MessageLoadTest, DevicesThatAreAwayFillUp) {
  MessageLoad all = load({.load = {.window = 1, .operations = 4, .latencies = {"accepted"}},
                          .depth = 2,
                          .ends_accepted = true});
  all.start();
  for (uint64_t i = 0; i < 4; ++i) all.accepted(i);
  EXPECT_TRUE(all.is_over());
  EXPECT_EQ(all.unread(), 4U);
  for (const Sent& one : sent_) all.received(one.device, one.body, false);
  EXPECT_EQ(all.unread(), 0U);
  all.give_up();
  EXPECT_EQ(all.figures().mistakes, Mistakes());
}

TEST_F(MessageLoadTest, ARefusalGivesItsRoomBack) {
  MessageLoad all = load({.load = {.window = 1}, .depth = 1});
  all.start();
  all.refused(0, Failure("no such device"));
  EXPECT_EQ(sent_.size(), 2U);
  EXPECT_EQ(all.figures().mistakes, Mistakes{.refused = 1});
  EXPECT_EQ(all.figures().first_refusal->message, "no such device");
}

TEST_F(MessageLoadTest, WithoutItsReaderItEnds) {
  MessageLoad all = load({.load = {.window = 1}});
  all.start();
  all.fail(Failure("no reader"));
  all.accepted(0);
  EXPECT_FALSE(all.is_over());
  all.give_up();
  EXPECT_TRUE(all.is_over());
  EXPECT_EQ(all.figures().mistakes, Mistakes{.lost = 1});
}

}  // namespace
}  // namespace linarite::cli
