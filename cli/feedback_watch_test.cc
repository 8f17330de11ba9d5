#include "cli/feedback_watch.h"

#include <gtest/gtest.h>

#include <boost/json/array.hpp>

namespace linarite::cli {
namespace {

// A record as "device/message".
boost::json::object record(const std::string& name) {
  const size_t slash = name.find('/');
  return {{"deviceId", name.substr(0, slash)}, {"originalMessageId", name.substr(slash + 1)}};
}

// What the watch does with a batch, as "show ... complete ... back ... pause ... done".
class FeedbackWatchTest : public ::testing::Test {
 protected:
  std::string batch(const std::string& token, std::initializer_list<const char*> names) {
    boost::json::array records;
    for (const char* name : names) records.push_back(record(name));
    return text(watch_.on_batch(token, records));
  }
  static std::string text(const FeedbackWatch::Actions& actions) {
    std::string out;
    for (const auto& one : actions.show) {
      out += "show " + std::string(one.at("deviceId").as_string()) + "/" +
             std::string(one.at("originalMessageId").as_string()) + " ";
    }
    for (const auto& token : actions.complete) out += "complete " + token + " ";
    for (const auto& token : actions.give_back) out += "back " + token + " ";
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
  EXPECT_EQ(batch("t1", {"d1/m1", "d2/m2"}), "show d1/m1 show d2/m2 complete t1");
  EXPECT_EQ(batch("t2", {"d1/m1"}), "show d1/m1 complete t2");
}

TEST_F(FeedbackWatchTest, WithoutFeedbackItAsksLessAndLessOften) {
  EXPECT_EQ(text(watch_.on_nothing()), "pause 100");
  EXPECT_EQ(text(watch_.on_nothing()), "pause 150");
  for (int i = 0; i < 20; ++i) watch_.on_nothing();
  EXPECT_EQ(text(watch_.on_nothing()), "pause 1000");
  batch("t1", {"d1/m1"});
  EXPECT_EQ(text(watch_.on_nothing()), "pause 100");
}

TEST_F(FeedbackWatchTest, TheMessageWaitedForIsFound) {
  look_for({.message_id = "m1"});
  EXPECT_EQ(batch("t1", {"d1/m1"}), "show d1/m1 complete t1 done");
}

TEST_F(FeedbackWatchTest, OthersAreHeldDuringTheSearchAndThenGivenBack) {
  look_for({.device_id = "d1", .message_id = "m1"});
  EXPECT_EQ(batch("t1", {"d2/m1"}), "");
  EXPECT_EQ(batch("t2", {"d1/m2", "d3/m3"}), "");
  EXPECT_EQ(watch_.held(), (std::vector<std::string>{"t1", "t2"}));
  EXPECT_EQ(batch("t3", {"d1/m1"}), "show d1/m1 complete t3 back t1 back t2 done");
  EXPECT_TRUE(watch_.held().empty());
}

TEST_F(FeedbackWatchTest, WhatIsFoundAmongOthersIsGivenBackWithThem) {
  look_for({.message_id = "m1"});
  EXPECT_EQ(batch("t1", {"d2/m2", "d1/m1"}), "show d1/m1 back t1 done");
}

TEST_F(FeedbackWatchTest, OneDeviceAmongOthersIsShownOnce) {
  look_for({.device_id = "d1"});
  EXPECT_EQ(batch("t1", {"d1/m1", "d2/m2"}), "show d1/m1");
  EXPECT_EQ(batch("t2", {"d1/m3"}), "show d1/m3 complete t2");
  // The lock of t1 has ended.
  EXPECT_EQ(batch("t3", {"d1/m1", "d2/m2"}), "");
  EXPECT_EQ(batch("t4", {"d1/m1"}), "complete t4");
}

TEST_F(FeedbackWatchTest, NoRecordOfOthersIsTakenTooOften) {
  look_for({.message_id = "m1"});
  for (int take = 1; take <= FeedbackWatch::kTakesMax; ++take) {
    EXPECT_EQ(batch("t" + std::to_string(take), {"d2/m2"}), "") << take;
  }
  EXPECT_EQ(batch("t5", {"d2/m2"}), "back t1 back t2 back t3 back t4 back t5 pause 60000");
  EXPECT_EQ(batch("t6", {"d2/m2"}), "back t6 pause 120000");
  Duration slept(0);
  for (int take = 7; take <= 10; ++take) {
    slept += watch_.on_batch("t", {record("d2/m2")}).pause;
  }
  // Ten takes, where the hub drops it, are spread over more than half an hour.
  EXPECT_GT(slept, std::chrono::minutes(30));
  EXPECT_EQ(batch("t11", {"d1/m1"}), "show d1/m1 complete t11 done");
}

TEST_F(FeedbackWatchTest, WhatIsHeldIsBounded) {
  look_for({.device_id = "d1"});
  for (size_t i = 0; i < FeedbackWatch::kHeldMax; ++i) {
    watch_.on_batch("t" + std::to_string(i), {record("d2/" + std::to_string(i))});
  }
  EXPECT_EQ(batch("last", {"d2/last"}), "back t0");
  EXPECT_EQ(watch_.held().size(), FeedbackWatch::kHeldMax);
}

}  // namespace
}  // namespace linarite::cli
