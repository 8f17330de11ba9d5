#include "gateway/mqtt_session.h"

#include <gtest/gtest.h>

namespace linarite::gateway {
namespace {

using mqtt::Qos;
constexpr uint8_t kRefused = mqtt::kSubscribeRefused;

WallTime at(int seconds) { return WallTime(std::chrono::seconds(seconds)); }

class MqttSessionTest : public ::testing::Test {
 protected:
  uint8_t subscribe(std::string_view filter, Qos qos = Qos::kAtLeastOnce, int when = 1) {
    return session_.subscribe(filter, qos, at(when));
  }
  MqttSession session_{{"a+b", ""}};
};

TEST_F(MqttSessionTest, GrantsWhatIsTheDevices) {
  EXPECT_EQ(subscribe("devices/a+b/messages/devicebound/#"), 1);
  EXPECT_EQ(subscribe("devices/+/messages/devicebound/#", Qos::kExactlyOnce), 1);
  EXPECT_EQ(subscribe("$iothub/methods/POST/#", Qos::kAtMostOnce), 0);
  EXPECT_EQ(subscribe("$iothub/twin/PATCH/properties/desired/#"), 1);
  EXPECT_FALSE(session_.twin_responses());
  EXPECT_EQ(subscribe("$iothub/twin/res/#"), 1);
  EXPECT_TRUE(session_.twin_responses());
  EXPECT_EQ(session_.record().subscriptions.size(), 5U);
}

TEST_F(MqttSessionTest, RefusesTheRest) {
  EXPECT_EQ(subscribe("devices/other/messages/devicebound/#"), kRefused);
  EXPECT_EQ(subscribe("#"), kRefused);
  EXPECT_EQ(subscribe("some/topic"), kRefused);
  EXPECT_EQ(subscribe("devices/a+b/messages/#/devicebound"), kRefused);
  EXPECT_EQ(subscribe(std::string(kFilterSizeMax + 1, 'x')), kRefused);
  EXPECT_EQ(subscribe(std::string(65'535, '/')), kRefused);
  EXPECT_FALSE(session_.take_changed());
  EXPECT_TRUE(session_.record().subscriptions.empty());
}

TEST_F(MqttSessionTest, DeliversWithTheHighestQosSinceTheEarliestTime) {
  EXPECT_FALSE(session_.c2d());
  subscribe("devices/+/messages/devicebound/#", Qos::kAtMostOnce, 5);
  EXPECT_EQ(session_.c2d()->qos, Qos::kAtMostOnce);
  subscribe("devices/a+b/messages/devicebound/#", Qos::kAtLeastOnce, 9);
  EXPECT_EQ(session_.c2d()->qos, Qos::kAtLeastOnce);
  EXPECT_EQ(session_.c2d()->since, at(5));
  session_.unsubscribe("devices/+/messages/devicebound/#");
  EXPECT_EQ(session_.c2d()->since, at(9));
  session_.unsubscribe("devices/a+b/messages/devicebound/#");
  EXPECT_FALSE(session_.c2d());
}

TEST_F(MqttSessionTest, SubscribingAgainReplacesTheQosAndKeepsTheTime) {
  subscribe("devices/a+b/messages/devicebound/#", Qos::kAtLeastOnce, 5);
  EXPECT_TRUE(session_.take_changed());
  subscribe("devices/a+b/messages/devicebound/#", Qos::kAtLeastOnce, 9);
  EXPECT_FALSE(session_.take_changed()) << "nothing is to be written again";
  subscribe("devices/a+b/messages/devicebound/#", Qos::kAtMostOnce, 9);
  EXPECT_TRUE(session_.take_changed());
  ASSERT_EQ(session_.record().subscriptions.size(), 1U);
  EXPECT_EQ(session_.record().subscriptions[0].since, at(5));
  EXPECT_EQ(session_.record().subscriptions[0].qos, 0);
  session_.unsubscribe("not/there");
  EXPECT_FALSE(session_.take_changed());
}

TEST_F(MqttSessionTest, TheNumberOfFiltersIsBounded) {
  // All spellings of one family: each of three levels literal or '+'.
  hub::Session full;
  for (size_t i = 0; i < hub::kSessionSubscriptionsMax; ++i) {
    full.subscriptions.push_back({"$iothub/methods/POST/" + std::to_string(i), 0, at(1)});
  }
  MqttSession session({"d", ""}, full);
  EXPECT_EQ(session.subscribe("$iothub/twin/res/#", Qos::kAtLeastOnce, at(2)), kRefused);
  session.unsubscribe("$iothub/methods/POST/7");
  EXPECT_EQ(session.subscribe("$iothub/twin/res/#", Qos::kAtLeastOnce, at(2)), 1);
}

TEST_F(MqttSessionTest, AStoredRecordIsTakenUp) {
  const hub::Session stored{
      {{"devices/d/messages/devicebound/#", 1, at(3)}, {"$iothub/twin/res/#", 0, at(4)}}};
  const MqttSession session({"d", ""}, stored);
  EXPECT_EQ(session.c2d()->qos, Qos::kAtLeastOnce);
  EXPECT_EQ(session.c2d()->since, at(3));
  EXPECT_TRUE(session.twin_responses());
  EXPECT_EQ(session.record(), stored);
}

}  // namespace
}  // namespace linarite::gateway
