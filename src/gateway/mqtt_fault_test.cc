// Faults that a device asks for (device-protocol 9.3).
#include "gateway/fault_injection.h"

#include <gtest/gtest.h>

#include "gateway/mqtt_fixture.h"

namespace linarite::gateway {
namespace {

using std::chrono::seconds;

class MqttFaultTest : public MqttFixture {
 protected:
  void SetUp() override {
    MqttFixture::SetUp();
    open_gateway({.fault_injection = true});
  }
  // A message that asks for a fault; what the device then sees at once.
  std::string ask(Device& device, const std::string& type, const std::string& more = {},
                  int qos = 1) {
    return publish(device, kEvents + "AzIoTHub_FaultOperationType=" + type + more, qos);
  }
  std::string after(Device& device, Duration time) {
    advance(time);
    return exchange(device);
  }
  bool has_events() {
    const auto block = partition("dev1").events().read(0);
    EXPECT_TRUE(block);
    return block && *block != nullptr;
  }

  const std::string kEvents = "devices/dev1/messages/events/";
  const std::string kDelay = "&AzIoTHub_FaultOperationDelayInSecs=";
  const std::string kDuration = "&AzIoTHub_FaultOperationDurationInSecs=";
};

TEST_F(MqttFaultTest, KillTcpBreaksTheConnectionAfterItsTime) {
  auto device = connected();
  EXPECT_EQ(ask(*device, "KillTcp", "&AzIoTHub_FaultOperationCloseReason=boom" + kDelay + "5"),
            "PUBACK 0\n");
  EXPECT_EQ(after(*device, seconds(4)), "");
  EXPECT_TRUE(device_connected());
  EXPECT_EQ(after(*device, seconds(1)), "closed\n");
  EXPECT_TRUE(device->stream.aborted);
  EXPECT_FALSE(device_connected());
  EXPECT_EQ(metric("linarite_mqtt_closed_total", "fault"), 1);
  EXPECT_FALSE(has_events());
  connected();
}

TEST_F(MqttFaultTest, ShutDownMqttIsOrderly) {
  auto device = connected();
  EXPECT_EQ(ask(*device, "ShutDownMqtt", kDelay + "1", 0), "");
  EXPECT_EQ(after(*device, seconds(1)), "closed\n");
  EXPECT_FALSE(device->stream.aborted);
  auto again = connected();
  EXPECT_EQ(ask(*again, "InvokeAuthError", kDuration + "60"), "PUBACK 0\nclosed\n");
  EXPECT_EQ(metric("linarite_mqtt_closed_total", "fault"), 2);
}

TEST_F(MqttFaultTest, TheWillOfAKilledConnectionIsSent) {
  auto options = dev1();
  options.will_topic = kEvents;
  auto device = open();
  connect(*device, options);
  ask(*device, "KillTcp");
  after(*device, seconds(0));
  EXPECT_TRUE(has_events());
}

TEST_F(MqttFaultTest, TheDelayBeginsWithThePuback) {
  auto device = connected();
  store_.hold_commits(true);
  publish(*device, kEvents, 1);
  EXPECT_EQ(ask(*device, "KillTcp", kDelay + "5"), "") << "PUBACKs keep their order";
  EXPECT_EQ(after(*device, seconds(30)), "");
  store_.hold_commits(false);
  EXPECT_EQ(exchange(*device), "PUBACK 0\nPUBACK 0\n");
  EXPECT_EQ(after(*device, seconds(4)), "");
  EXPECT_EQ(after(*device, seconds(1)), "closed\n");
}

TEST_F(MqttFaultTest, ThrottlingIsBackPressureForItsTime) {
  auto device = connected();
  ask(*device, "InvokeThrottling", kDuration + "300");
  after(*device, seconds(0));
  EXPECT_TRUE(device->stream.paused);
  advance(seconds(200));
  EXPECT_FALSE(device->stream.closed) << "silence is not the device's while nobody reads";
  EXPECT_TRUE(device->stream.paused);
  advance(seconds(100));
  EXPECT_FALSE(device->stream.paused);
  EXPECT_EQ(publish(*device, kEvents, 1), "PUBACK 0\n");
}

TEST_F(MqttFaultTest, WhatIsNoFaultOfMqttIsAcknowledgedOnly) {
  auto device = connected();
  EXPECT_EQ(ask(*device, "KillAmqpConnection"), "PUBACK 0\n");
  EXPECT_EQ(ask(*device, "InvokeMaxMessageQuota"), "PUBACK 0\n");
  EXPECT_EQ(ask(*device, "KillTcp", kDelay + "-1"), "PUBACK 0\n");
  EXPECT_EQ(ask(*device, "KillTcp", kDelay + "3601"), "PUBACK 0\n");
  EXPECT_EQ(ask(*device, "KillTcp", kDuration + "soon"), "PUBACK 0\n");
  EXPECT_EQ(after(*device, seconds(1)), "");
  EXPECT_FALSE(has_events());
}

TEST_F(MqttFaultTest, ABoundedNumberWaits) {
  auto device = connected();
  for (size_t i = 0; i < kPendingFaultsMax; ++i) {
    EXPECT_EQ(ask(*device, "InvokeThrottling", kDelay + "60"), "PUBACK 0\n");
  }
  EXPECT_EQ(ask(*device, "KillTcp"), "PUBACK 0\n");
  EXPECT_EQ(after(*device, seconds(1)), "") << "it is not done";
}

TEST_F(MqttFaultTest, AConnectionThatIsGoneTakesItsFaultsAlong) {
  auto device = connected();
  ask(*device, "KillTcp", kDelay + "5");
  ask(*device, "InvokeThrottling", kDuration + "60");
  after(*device, seconds(0));
  device->drop();
  auto again = connected();
  EXPECT_EQ(after(*again, seconds(60)), "");
  EXPECT_FALSE(again->stream.closed);
}

TEST_F(MqttFaultTest, WithoutTheSettingItIsTelemetry) {
  open_gateway({});
  auto device = connected();
  EXPECT_EQ(ask(*device, "KillTcp"), "PUBACK 0\n");
  EXPECT_EQ(after(*device, seconds(1)), "");
  EXPECT_TRUE(has_events());
}

}  // namespace
}  // namespace linarite::gateway
