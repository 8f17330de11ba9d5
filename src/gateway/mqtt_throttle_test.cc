// What a device meets that does too much (device-protocol 1.4, 1.16).
#include <algorithm>

#include "gateway/mqtt_fixture.h"

namespace linarite::gateway {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr const char* kRefused = "CONNACK sp=0 rc=5\nclosed\n";
constexpr const char* kAccepted = "CONNACK sp=0 rc=0\n";

class MqttThrottleTest : public MqttFixture {
 protected:
  MqttThrottleTest()
      : MqttFixture({.throttle = {.authentication_failures_per_minute = 5,
                                  .device_connects_per_minute = 10,
                                  .device_messages_per_second = 10,
                                  .device_bytes_per_second = 10'000}}) {}

  DeviceOptions wrong() {
    auto options = dev1();
    options.token += "x";
    return options;
  }
  void spend_the_allowance() {
    for (int i = 0; i < 5; ++i) {
      auto device = open();
      ASSERT_EQ(connect(*device, wrong()), kRefused);
    }
  }
  std::string after(Device& device, Duration by) {
    advance(by);
    return exchange(device);
  }
  const std::string kEvents = "devices/dev1/messages/events/";
};

TEST_F(MqttThrottleTest, RefusalsOfOneAddressAreHeldBack) {
  spend_the_allowance();
  auto sixth = open();
  EXPECT_EQ(connect(*sixth, wrong()), "");
  EXPECT_TRUE(sixth->stream.paused);
  EXPECT_EQ(after(*sixth, milliseconds(99)), "");
  EXPECT_EQ(after(*sixth, milliseconds(1)), kRefused);
  auto seventh = open();
  EXPECT_EQ(connect(*seventh, wrong()), "");
  EXPECT_EQ(after(*seventh, milliseconds(199)), "");
  EXPECT_EQ(after(*seventh, milliseconds(1)), kRefused);
}

// A thousand devices behind one address, 999 of them with a wrong key.
TEST_F(MqttThrottleTest, AGoodCredentialFromTheSameAddressGetsInAtOnce) {
  spend_the_allowance();
  std::vector<std::unique_ptr<Device>> bad;
  for (int i = 0; i < 999; ++i) {
    bad.push_back(open());
    EXPECT_EQ(connect(*bad.back(), wrong()), "");
  }
  auto good = open();
  EXPECT_EQ(connect(*good, dev1()), kAccepted);
  EXPECT_EQ(publish(*good, kEvents, 1), "PUBACK 0\n");
  advance(hub::kRefusalDelayMax);
  EXPECT_TRUE(std::ranges::all_of(bad, [this](auto& d) { return exchange(*d) == kRefused; }));
}

TEST_F(MqttThrottleTest, RefusalsOfAnotherAddressAreNot) {
  spend_the_allowance();
  auto device = open();
  device->stream.peer_info.address = "2001:db8::1";
  EXPECT_EQ(connect(*device, wrong()), kRefused);
}

TEST_F(MqttThrottleTest, AnAddressOfVersion6IsCountedByItsNetwork) {
  for (int i = 0; i < 5; ++i) {
    auto device = open();
    device->stream.peer_info.address = "2001:db8:0:1::" + std::to_string(i);
    EXPECT_EQ(connect(*device, wrong()), kRefused);
  }
  auto sixth = open();
  sixth->stream.peer_info.address = "2001:db8:0:1:ffff::1";
  EXPECT_EQ(connect(*sixth, wrong()), "");
}

TEST_F(MqttThrottleTest, WhoLeavesWhileItsRefusalIsHeldBackLeavesNothing) {
  spend_the_allowance();
  auto device = open();
  connect(*device, wrong());
  device->drop();
  advance(seconds(10));
  EXPECT_EQ(metric("linarite_mqtt_closed_total", "peer_gone"), 1);
}

TEST_F(MqttThrottleTest, ADeviceThatConnectsAgainAndAgainIsUnavailableForAWhile) {
  auto device = connected();
  for (int i = 0; i < 9; ++i) device = connected();
  auto eleventh = open();
  EXPECT_EQ(connect(*eleventh, dev1()), "CONNACK sp=0 rc=3\nclosed\n");
  EXPECT_EQ(publish(*device, kEvents, 1), "PUBACK 0\n") << "the connection before it stays";
  advance(seconds(6));
  auto twelfth = open();
  EXPECT_EQ(connect(*twelfth, dev1()), kAccepted);
}

TEST_F(MqttThrottleTest, TelemetryIsNotReadUntilItIsWithinTheRate) {
  auto device = connected();
  for (int i = 0; i < 10; ++i) EXPECT_EQ(publish(*device, kEvents, 1), "PUBACK 0\n");
  EXPECT_FALSE(device->stream.paused);
  EXPECT_EQ(publish(*device, kEvents, 1), "PUBACK 0\n") << "what was read is taken";
  EXPECT_TRUE(device->stream.paused);
  advance(milliseconds(99));
  EXPECT_TRUE(device->stream.paused);
  advance(milliseconds(1));
  EXPECT_FALSE(device->stream.paused);
  EXPECT_FALSE(device->stream.closed);
}

TEST_F(MqttThrottleTest, BytesCountAsWell) {
  auto device = connected();
  EXPECT_EQ(publish(*device, kEvents, 1, Bytes(30'000 - kEvents.size(), 'x')), "PUBACK 0\n");
  advance(milliseconds(1'999));
  EXPECT_TRUE(device->stream.paused);
  advance(milliseconds(1));
  EXPECT_FALSE(device->stream.paused);
}

TEST_F(MqttThrottleTest, ANewConnectionDoesNotForgetWhatIsOwed) {
  auto device = connected();
  publish(*device, kEvents, 0, Bytes(100'000 - kEvents.size(), 'x'));
  device = connected();
  EXPECT_FALSE(device->stream.paused);
  publish(*device, kEvents, 0);
  EXPECT_TRUE(device->stream.paused);
  advance(seconds(8));
  EXPECT_TRUE(device->stream.paused);
  advance(seconds(2));
  EXPECT_FALSE(device->stream.paused);
}

// Back-pressure is no silence of the device's.
TEST_F(MqttThrottleTest, AThrottledDeviceIsNotTakenForDead) {
  auto device = connected();
  publish(*device, kEvents, 0, Bytes(260'000, 'x'));
  publish(*device, kEvents, 0, Bytes(260'000, 'x'));
  publish(*device, kEvents, 0, Bytes(260'000, 'x'));
  publish(*device, kEvents, 0, Bytes(260'000, 'x'));
  advance(seconds(100));  // The keep-alive is a minute.
  EXPECT_TRUE(device->stream.paused);
  EXPECT_FALSE(device->stream.closed);
}

}  // namespace
}  // namespace linarite::gateway
