#include "cli/bench/plan.h"

#include <gmock/gmock.h>

namespace linarite::cli {
namespace {

using ::testing::StartsWith;

std::string complaint(Scenario scenario, const Arguments& given) {
  const auto plan = bench_plan(scenario, given);
  return plan ? "" : plan.error().message;
}

TEST(BenchPlanTest, EachScenarioHasItsDefaults) {
  const auto plan = bench_plan(Scenario::kC2d, {});
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->devices, 100U);
  EXPECT_EQ(plan->window, 500U);
  EXPECT_EQ(plan->rate, 0);
  EXPECT_EQ(plan->body_bytes, 128U);
  EXPECT_EQ(plan->time, std::chrono::seconds(10));
  EXPECT_EQ(plan->messages, 0U);
  EXPECT_FALSE(plan->json_file);
  EXPECT_EQ(bench_plan(Scenario::kIdle, {})->devices, 1000U);
  EXPECT_STREQ(scenario_name(Scenario::kC2dOffline), "c2d-offline");
}

TEST(BenchPlanTest, DevicesThatAreAwayHaveRoomForFifty) {
  EXPECT_EQ(bench_plan(Scenario::kC2dOffline, {})->messages, 20'000U);
  Arguments given;
  given.devices = 2;
  given.message_count = 100;
  EXPECT_EQ(bench_plan(Scenario::kC2dOffline, given)->messages, 100U);
  given.message_count = 101;
  EXPECT_THAT(complaint(Scenario::kC2dOffline, given), StartsWith("--messages: a device"));
}

TEST(BenchPlanTest, WhatMakesNoSense) {
  const auto with = [](auto member, auto value) {
    Arguments out;
    out.*member = value;
    return complaint(Scenario::kC2d, out);
  };
  EXPECT_THAT(with(&Arguments::devices, 0), StartsWith("--devices: must be 1 to "));
  EXPECT_THAT(with(&Arguments::window, 100'001), StartsWith("--window: must be 1 to 100000"));
  EXPECT_THAT(with(&Arguments::size, 15), StartsWith("--size: must be 16 to "));
  EXPECT_THAT(with(&Arguments::message_count, 0), StartsWith("--messages: must be 1 to "));
  EXPECT_THAT(with(&Arguments::senders, 0), StartsWith("--senders: "));
  EXPECT_THAT(with(&Arguments::readers, 2), StartsWith("--readers: "));
  EXPECT_THAT(with(&Arguments::threads, 0), StartsWith("--threads: "));
  EXPECT_THAT(with(&Arguments::server_pid, 0), StartsWith("--server-pid: "));
  for (const char* text : {"", "fast", "0", "-1", "nan", "1e9", "1 "}) {
    EXPECT_THAT(with(&Arguments::rate, text), StartsWith("--rate: must be a number")) << text;
  }
  EXPECT_THAT(with(&Arguments::seconds, "0"), StartsWith("--seconds: "));
  EXPECT_EQ(with(&Arguments::warm_up, "0"), "");
  EXPECT_THAT(with(&Arguments::warm_up, "-0.5"), StartsWith("--warm-up: "));
}

}  // namespace
}  // namespace linarite::cli
