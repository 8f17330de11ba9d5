#include "hub/throttles.h"

#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <string>

namespace linarite::hub {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr Duration kNone = Duration::zero();

class ThrottlesTest : public ::testing::Test {
 protected:
  void set(const ThrottleOptions& options) {
    metrics_ = std::make_unique<prometheus::Registry>();
    throttles_ = std::make_unique<Throttles>(options, *metrics_);
  }
  Duration refuse(const std::string& address) {
    return throttles_->refuse_credential(address, now_);
  }
  double throttled(const std::string& limit) {
    for (const auto& family : metrics_->Collect()) {
      for (const auto& row : family.metric) {
        if (row.label.at(0).value == limit) return row.counter.value;
      }
    }
    return -1;
  }

  Instant now_{std::chrono::hours(1)};
  std::unique_ptr<prometheus::Registry> metrics_;
  std::unique_ptr<Throttles> throttles_;
};

TEST_F(ThrottlesTest, AllButTheOneOnRefusedCredentialsAreOff) {
  set({});
  for (int i = 0; i < 100'000; ++i) {
    ASSERT_EQ(throttles_->connect_from("192.0.2.1", now_), kNone);
    ASSERT_EQ(throttles_->connect_device("dev1", now_), kNone);
    ASSERT_EQ(throttles_->send("service", now_), kNone);
    ASSERT_EQ(throttles_->call_registry("iothubowner", now_), kNone);
    ASSERT_EQ(throttles_->telemetry("dev1", 262'144, now_), kNone);
  }
}

TEST_F(ThrottlesTest, RefusalsBeyondTheAllowanceAreHeldBackTwiceAsLongEachTime) {
  set({.authentication_failures_per_minute = 60});
  for (int i = 0; i < 60; ++i) EXPECT_EQ(refuse("192.0.2.1"), kNone);
  for (const int wait : {100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000}) {
    EXPECT_EQ(refuse("192.0.2.1"), milliseconds(wait));
  }
  EXPECT_EQ(refuse("192.0.2.2"), kNone) << "another address";
  EXPECT_EQ(throttled("authentication_failures_per_minute"), 9);
}

TEST_F(ThrottlesTest, RefusalsAreForgivenInTime) {
  set({.authentication_failures_per_minute = 60});
  for (int i = 0; i < 100'000; ++i) refuse("192.0.2.1");
  EXPECT_EQ(refuse("192.0.2.1"), kRefusalDelayMax);
  now_ += seconds(17);
  EXPECT_EQ(refuse("192.0.2.1"), kNone);
  EXPECT_EQ(refuse("192.0.2.1"), milliseconds(100));
  now_ += minutes(2);
  for (int i = 0; i < 60; ++i) EXPECT_EQ(refuse("192.0.2.1"), kNone);
}

TEST_F(ThrottlesTest, AnyAllowanceOfRefusalsWorks) {
  for (const uint32_t allowed : {1U, 7U, 4'294'967'295U}) {
    set({.authentication_failures_per_minute = allowed});
    for (uint32_t i = 0; i < std::min(allowed, 100U); ++i) EXPECT_EQ(refuse("a"), kNone);
    if (allowed > 100) continue;
    EXPECT_EQ(refuse("a"), milliseconds(100)) << allowed;
  }
}

TEST_F(ThrottlesTest, ADeviceAndAllDevicesTogether) {
  set({.connects_per_second = 10, .device_connects_per_minute = 3});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(throttles_->connect_device("dev1", now_), kNone);
  EXPECT_EQ(throttles_->connect_device("dev1", now_), seconds(20));
  for (int i = 0; i < 7; ++i) {
    EXPECT_EQ(throttles_->connect_device("other" + std::to_string(i), now_), kNone);
  }
  EXPECT_EQ(throttles_->connect_device("last", now_), milliseconds(100));
  EXPECT_EQ(throttled("device_connects_per_minute"), 1);
  EXPECT_EQ(throttled("connects_per_second"), 1);
}

TEST_F(ThrottlesTest, APolicyAndAllPoliciesTogether) {
  set({.c2d_sends_per_minute = 5,
       .policy_c2d_sends_per_minute = 3,
       .policy_registry_calls_per_minute = 1});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(throttles_->send("service", now_), kNone);
  EXPECT_EQ(throttles_->send("service", now_), seconds(20));
  for (int i = 0; i < 2; ++i) EXPECT_EQ(throttles_->send("iothubowner", now_), kNone);
  EXPECT_EQ(throttles_->send("iothubowner", now_), seconds(12));
  EXPECT_EQ(throttles_->call_registry("iothubowner", now_), kNone);
  EXPECT_EQ(throttles_->call_registry("iothubowner", now_), minutes(1));
}

TEST_F(ThrottlesTest, TelemetryWaitsForTheSlowerOfItsTwoLimits) {
  set({.device_messages_per_second = 10, .device_bytes_per_second = 1'000});
  EXPECT_EQ(throttles_->telemetry("dev1", 1'000, now_), kNone);
  EXPECT_EQ(throttles_->telemetry("dev1", 2'000, now_), seconds(2));
  now_ += seconds(10);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(throttles_->telemetry("dev1", 1, now_), kNone);
  EXPECT_EQ(throttles_->telemetry("dev1", 1, now_), milliseconds(100));
}

}  // namespace
}  // namespace linarite::hub
