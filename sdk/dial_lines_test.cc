#include "sdk/dial_lines.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/manual_loop.h"

namespace linarite::sdk {
namespace {

class DialLinesTest : public ::testing::Test {
 protected:
  void wait(const std::string& server, int number) {
    lines_->wait(server, [this, number](std::shared_ptr<void> place) {
      started_.push_back(number);
      places_.push_back(std::move(place));
    });
  }
  void fill(const std::string& server) {
    for (size_t i = 0; i < kDialsMax; ++i) wait(server, 0);
    started_.clear();
  }

  ManualClock clock_{WallTime{}};
  ManualLoop loop_{clock_};
  std::unique_ptr<DialLines> lines_ = std::make_unique<DialLines>(loop_);
  std::vector<int> started_;
  std::vector<std::shared_ptr<void>> places_;
};

TEST_F(DialLinesTest, WhoFindsNoPlaceWaitsInLine) {
  fill("a");
  wait("a", 1);
  wait("a", 2);
  EXPECT_TRUE(started_.empty());
  places_[0] = nullptr;
  loop_.run_until_idle();
  EXPECT_EQ(started_, std::vector<int>({1}));
  places_[1] = nullptr;
  loop_.run_until_idle();
  EXPECT_EQ(started_, std::vector<int>({1, 2}));
}

TEST_F(DialLinesTest, OneServerDoesNotHoldUpAnother) {
  fill("a");
  wait("b", 1);
  EXPECT_EQ(started_, std::vector<int>({1}));
}

TEST_F(DialLinesTest, AllPlacesComeBack) {
  for (int round = 0; round < 3; ++round) {
    fill("a");
    places_.clear();
  }
  wait("a", 1);
  EXPECT_EQ(started_, std::vector<int>({1}));
}

// As a client does that was closed while it waited.
TEST_F(DialLinesTest, WhoDoesNotWantItsPlaceGivesItToTheNext) {
  fill("a");
  for (int i = 0; i < 1000; ++i) lines_->wait("a", [](const std::shared_ptr<void>&) {});
  wait("a", 1);
  places_[0] = nullptr;
  loop_.run_until_idle();
  EXPECT_EQ(started_, std::vector<int>({1}));
}

TEST_F(DialLinesTest, PlacesMayOutliveTheLines) {
  fill("a");
  wait("a", 1);
  lines_.reset();
  places_.clear();
  loop_.run_until_idle();
  EXPECT_TRUE(started_.empty());
}

}  // namespace
}  // namespace linarite::sdk
