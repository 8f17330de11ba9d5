#include "cli/feedback_watch.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace linarite::cli {
namespace {

// A record as "device/message".
feedback_record record(const std::string& name) {
  const size_t slash = name.find('/');
  return {.message_id = name.substr(slash + 1), .device_id = name.substr(0, slash)};
}

// What the watch does with a batch, as "show ... complete ... back ... pause ... done".
class FeedbackWatchTest : public ::testing::Test {
 protected:
  std::string batch(FeedbackWatch::BatchNumber number, std::initializer_list<const char*> names) {
    std::vector<feedback_record> records;
    for (const char* name : names) records.push_back(record(name));
    return text(watch_.on_batch(number, records));
  }
  static std::string text(const FeedbackWatch::Actions& actions) {
    std::string out;
    for (const auto& one : actions.show) {
      out += "show " + one.device_id + "/" + one.message_id + " ";
    }
    for (const auto token : actions.complete) out += "complete " + std::to_string(token) + " ";
    for (const auto token : actions.give_back) out += "back " + std::to_string(token) + " ";
    if (actions.pause > Duration(0)) {
      out += "pause " + std::to_string(actions.pause / std::chrono::milliseconds(1)) + " ";
    }
    if (actions.done) out += "done ";
    if (!out.empty()) out.pop_back();
    return out;
  }
  void look_for(FeedbackWatch::Filter filter) {
    std::destroy_at(&watch_);
    std::construct_at(&watch_, std::move(filter));
  }

  FeedbackWatch watch_{{}};
};

TEST_F(FeedbackWatchTest, EverythingIsShownAndCompleted) {
  EXPECT_EQ(batch(1, {"d1/m1", "d2/m2"}), "show d1/m1 show d2/m2 complete 1");
  EXPECT_EQ(batch(2, {"d1/m1"}), "show d1/m1 complete 2");
}

TEST_F(FeedbackWatchTest, TheMessageWaitedForIsFound) {
  look_for({.message_id = "m1"});
  EXPECT_EQ(batch(1, {"d1/m1"}), "show d1/m1 complete 1 done");
}

TEST_F(FeedbackWatchTest, OthersAreHeldDuringTheSearchAndThenGivenBack) {
  look_for({.device_id = "d1", .message_id = "m1"});
  EXPECT_EQ(batch(1, {"d2/m1"}), "");
  EXPECT_EQ(batch(2, {"d1/m2", "d3/m3"}), "");
  EXPECT_EQ(watch_.held(), (std::vector<FeedbackWatch::BatchNumber>{1, 2}));
  EXPECT_EQ(batch(3, {"d1/m1"}), "show d1/m1 complete 3 back 1 back 2 done");
  EXPECT_TRUE(watch_.held().empty());
}

TEST_F(FeedbackWatchTest, WhatIsFoundAmongOthersIsGivenBackWithThem) {
  look_for({.message_id = "m1"});
  EXPECT_EQ(batch(1, {"d2/m2", "d1/m1"}), "show d1/m1 back 1 done");
}

TEST_F(FeedbackWatchTest, OneDeviceAmongOthersIsShownOnce) {
  look_for({.device_id = "d1"});
  EXPECT_EQ(batch(1, {"d1/m1", "d2/m2"}), "show d1/m1");
  EXPECT_EQ(batch(2, {"d1/m3"}), "show d1/m3 complete 2");
  // The lock of t1 has ended.
  EXPECT_EQ(batch(3, {"d1/m1", "d2/m2"}), "");
  EXPECT_EQ(batch(4, {"d1/m1"}), "complete 4");
}

TEST_F(FeedbackWatchTest, NoRecordOfOthersIsTakenTooOften) {
  look_for({.message_id = "m1"});
  for (unsigned take = 1; take <= FeedbackWatch::kTakesMax; ++take) {
    EXPECT_EQ(batch(take, {"d2/m2"}), "") << take;
  }
  EXPECT_EQ(batch(5, {"d2/m2"}), "back 1 back 2 back 3 back 4 back 5 pause 60000");
  EXPECT_EQ(batch(6, {"d2/m2"}), "back 6 pause 120000");
  Duration slept(0);
  for (unsigned take = 7; take <= 10; ++take) {
    slept += watch_.on_batch(take, {record("d2/m2")}).pause;
  }
  // Ten takes, where the hub drops it, are spread over more than half an hour.
  EXPECT_GT(slept, std::chrono::minutes(30));
  EXPECT_EQ(batch(11, {"d1/m1"}), "show d1/m1 complete 11 done");
}

TEST_F(FeedbackWatchTest, WhatIsHeldIsBounded) {
  look_for({.device_id = "d1"});
  for (size_t i = 0; i < FeedbackWatch::kHeldMax; ++i) {
    watch_.on_batch(i, {record("d2/" + std::to_string(i))});
  }
  EXPECT_EQ(batch(1000, {"d2/last"}), "back 0");
  EXPECT_EQ(watch_.held().size(), FeedbackWatch::kHeldMax);
}

}  // namespace
}  // namespace linarite::cli
