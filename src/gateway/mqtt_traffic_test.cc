// What a connected device sends and receives over MQTT (device-protocol 1.8 to 1.16, 6, 9.4).
#include <algorithm>

#include "gateway/mqtt_connection.h"
#include "gateway/mqtt_fixture.h"

namespace linarite::gateway {
namespace {

using namespace std::string_literals;
using std::chrono::milliseconds;
using std::chrono::seconds;

const std::string kTopic =
    "devices/dev1/messages/devicebound/%24.to=%2Fdevices%2Fdev1%2Fmessages%2FdeviceBound";

class MqttTrafficTest : public MqttFixture {
 protected:
  // dev1 with its C2D filter granted.
  std::unique_ptr<Device> subscribed(int qos = 1) {
    auto device = connected();
    EXPECT_EQ(subscribe(*device, {{kC2dFilter, qos}}), "SUBACK 0 0x" + std::to_string(qos) + "\n");
    return device;
  }
  static std::string line(const std::string& body, int id, bool dup = false) {
    return "PUBLISH " + kTopic + " q1 id=" + std::to_string(id) + (dup ? " dup " : " ") + body +
           "\n";
  }
};

// ---- SUBSCRIBE

TEST_F(MqttTrafficTest, GrantsWhatSdksAskFor) {
  auto device = connected();
  EXPECT_EQ(subscribe(*device, {{kC2dFilter, 1}, {"$iothub/twin/res/#", 0}}), "SUBACK 0 0x1 0x0\n");
  EXPECT_EQ(subscribe(*device, {{"$iothub/methods/POST/#", 2},
                                {"$iothub/twin/PATCH/properties/desired/#", 1},
                                {"devices/+/messages/devicebound/#", 1},
                                {"devices/dev1/messages/#", 1},
                                {"devices/dev1/#", 1}}),
            "SUBACK 0 0x1 0x1 0x1 0x1 0x1\n");
}

TEST_F(MqttTrafficTest, RefusesTheRestAndStays) {
  auto device = connected();
  EXPECT_EQ(subscribe(*device, {{"devices/dev2/messages/devicebound/#", 1},
                                {kC2dFilter, 1},
                                {"#", 0},
                                {"$SYS/#", 0},
                                {"a/#/b", 0}}),
            "SUBACK 0 0x80 0x1 0x80 0x80 0x80\n");
  EXPECT_FALSE(device->stream.closed);
}

TEST_F(MqttTrafficTest, MayCloseOnARefusedFilterAsTheOriginal) {
  open_gateway({.close_on_refused_filter = true});
  auto device = connected();
  EXPECT_EQ(subscribe(*device, {{kC2dFilter, 1}, {"#", 0}}), "closed\n");
  EXPECT_EQ(metric("linarite_mqtt_closed_total", "refused_topic"), 1);
}

TEST_F(MqttTrafficTest, SubscribingAgainNeedsNoCommit) {
  auto device = subscribed();
  store_.hold_commits(true);
  EXPECT_EQ(subscribe(*device, {{kC2dFilter, 1}}), "SUBACK 0 0x1\n");
  EXPECT_EQ(unsubscribe(*device, "never/subscribed"), "UNSUBACK 0\n");
  EXPECT_EQ(store_.held_count(), 0U);
  store_.hold_commits(false);
}

TEST_F(MqttTrafficTest, RequestsWhileASaveIsUnderWayShareTheNextOne) {
  auto device = connected();
  store_.hold_commits(true);
  EXPECT_EQ(subscribe(*device, {{kC2dFilter, 1}}), "");
  EXPECT_EQ(subscribe(*device, {{"$iothub/twin/res/#", 0}}), "");
  EXPECT_EQ(subscribe(*device, {{kC2dFilter, 1}}), "") << "not durable yet";
  EXPECT_EQ(unsubscribe(*device, "$iothub/twin/res/#"), "");
  EXPECT_EQ(store_.held_count(), 1U);
  store_.flush();
  EXPECT_EQ(exchange(*device), "SUBACK 0 0x1\n");
  EXPECT_EQ(store_.held_count(), 1U);
  store_.hold_commits(false);
  store_.flush();
  EXPECT_EQ(exchange(*device), "SUBACK 0 0x0\nSUBACK 0 0x1\nUNSUBACK 0\n");
}

TEST_F(MqttTrafficTest, TooManyUnansweredRequestsEndTheConnection) {
  auto device = connected();
  store_.hold_commits(true);
  for (size_t i = 0; i < kUnansweredMax; ++i) {
    EXPECT_EQ(subscribe(*device, {{kC2dFilter, static_cast<int>(i % 2)}}), "");
  }
  EXPECT_EQ(subscribe(*device, {{kC2dFilter, 1}}), "closed\n");
  store_.hold_commits(false);
  store_.flush();
  run();
}

TEST_F(MqttTrafficTest, UnsubscribingStopsDeliveryAndKeepsTheQueue) {
  auto device = subscribed();
  EXPECT_EQ(unsubscribe(*device, kC2dFilter), "UNSUBACK 0\n");
  send_bodies({"one"});
  EXPECT_EQ(exchange(*device), "");
  EXPECT_EQ(pending(), 1U);
  EXPECT_EQ(subscribe(*device, {{kC2dFilter, 1}}), "SUBACK 0 0x1\n" + line("one", 2));
}

// ---- Messages

TEST_F(MqttTrafficTest, AMessageArrivesWithItsPropertiesAndIsCompleted) {
  auto device = subscribed();
  ASSERT_TRUE(send("dev1", wire::C2dMessage{.message_id = "m1",
                                            .to = "/devices/dev1/messages/devicebound",
                                            .ack = wire::Ack::kFull,
                                            .properties = {{"p", "1"}},
                                            .body = "hello"}));
  EXPECT_EQ(exchange(*device),
            "PUBLISH devices/dev1/messages/devicebound/%24.mid=m1&%24.to=%2Fdevices%2Fdev1%2F"
            "messages%2Fdevicebound&iothub-ack=full&p=1 q1 id=2 hello\n");
  EXPECT_EQ(pending(), 1U);
  puback(*device, 2);
  EXPECT_EQ(pending(), 0U);
  EXPECT_EQ(feedback(), "m1:Success");
  EXPECT_EQ(metric("linarite_mqtt_acknowledged_total"), 1);
}

TEST_F(MqttTrafficTest, MessagesComeInOrderWithinTheWindow) {
  open_gateway({.c2d_window = 2});
  auto device = subscribed();
  send_bodies({"one", "two", "three", "four"});
  EXPECT_EQ(exchange(*device), line("one", 2) + line("two", 3));
  // Acknowledged out of order: each makes room for one.
  EXPECT_EQ(puback(*device, 3), line("three", 4));
  EXPECT_EQ(puback(*device, 2), line("four", 5));
  puback(*device, 4);
  puback(*device, 5);
  EXPECT_EQ(pending(), 0U);
}

TEST_F(MqttTrafficTest, APubackForNothingIsIgnored) {
  auto device = subscribed();
  send_bodies({"one"});
  exchange(*device);
  EXPECT_EQ(puback(*device, 99), "");
  EXPECT_EQ(pending(), 1U);
  puback(*device, 2);
  EXPECT_EQ(puback(*device, 2), "");
  EXPECT_EQ(pending(), 0U);
}

TEST_F(MqttTrafficTest, WhatWasNotAcknowledgedComesAgainWithDup) {
  auto device = subscribed();
  send_bodies({"one", "two", "three"});
  exchange(*device);
  puback(*device, 3);
  device.reset();
  EXPECT_EQ(pending(), 2U);
  std::string seen;
  device = connected(&seen);
  EXPECT_EQ(seen, "CONNACK sp=1 rc=0\n" + line("one", 2, true) + line("three", 4, true));
  // No time makes it come again while the connection stands.
  advance(seconds(80));
  EXPECT_EQ(exchange(*device), "");
}

TEST_F(MqttTrafficTest, APurgedMessageIsNotMissedByItsPuback) {
  auto device = subscribed();
  send_bodies({"one"});
  exchange(*device);
  ASSERT_EQ(purge("dev1").value(), 1U);
  send_bodies({"two"});
  EXPECT_EQ(exchange(*device), line("two", 3));
  puback(*device, 2);
  EXPECT_EQ(pending(), 1U);
  EXPECT_FALSE(device->stream.closed);
}

TEST_F(MqttTrafficTest, ADeviceThatNeverAcknowledgesIsDropped) {
  open_gateway({.connection = {.window = 20}, .c2d_window = 16});
  auto device = subscribed();
  for (int i = 0; i < 20; ++i) {
    send_bodies({"x"});
    ASSERT_EQ(purge("dev1").value(), 1U);
  }
  EXPECT_FALSE(device->stream.closed);
  send_bodies({"x"});
  EXPECT_TRUE(device->stream.closed);
  EXPECT_EQ(metric("linarite_mqtt_closed_total", "not_acknowledging"), 1);
  EXPECT_EQ(pending(), 1U) << "the message stays";
}

TEST_F(MqttTrafficTest, WithQos0AMessageIsCompleteWhenItIsWritten) {
  auto device = subscribed(0);
  device->stream.stuck = true;
  device->stream.sent = "unwritten";
  send_bodies({"one"});
  advance(milliseconds(500));
  EXPECT_EQ(pending(), 1U);
  device->stream.sent = device->stream.sent.substr(9);
  advance(milliseconds(500));
  EXPECT_EQ(pending(), 1U) << "still not written";
  device->stream.stuck = false;
  advance(milliseconds(50));
  EXPECT_EQ(pending(), 0U);
  EXPECT_EQ(exchange(*device), "PUBLISH " + kTopic + " q0 id=0 one\n");
}

TEST_F(MqttTrafficTest, WithQos0TheQueueDrainsWithoutAcknowledgements) {
  for (int i = 0; i < 50; ++i) send_bodies({"x"});
  auto device = connected();
  subscribe(*device, {{kC2dFilter, 0}});
  run();
  EXPECT_EQ(pending(), 0U);
}

TEST_F(MqttTrafficTest, AMessageWhoseTopicIsTooLongIsRejected) {
  auto device = subscribed();
  // 30,000 characters of which each needs three in a topic.
  ASSERT_TRUE(send("dev1", wire::C2dMessage{.message_id = "big",
                                            .ack = wire::Ack::kNegative,
                                            .properties = {{"p", std::string(30'000, ' ')}},
                                            .body = ""}));
  send_bodies({"next"});
  EXPECT_EQ(exchange(*device), line("next", 4)) << "the feedback record has number 3";
  EXPECT_EQ(feedback(), "big:Rejected");
}

TEST_F(MqttTrafficTest, ASlowReaderIsNotFlooded) {
  open_gateway({.c2d_window = 50});
  auto device = subscribed();
  device->stream.stuck = true;
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(send("dev1", wire::C2dMessage{.body = std::string(60'000, 'x')}));
  }
  run();
  EXPECT_LE(device->stream.sent.size(), net::Stream::kUnsentHigh + 61'000);
  EXPECT_TRUE(device->stream.paused) << "it is not read from either";
  // The keep alive does not run while we do not read.
  advance(seconds(300));
  EXPECT_FALSE(device->stream.closed);

  device->stream.stuck = false;
  device->handler->on_writable();
  EXPECT_FALSE(device->stream.paused);
  const std::string seen = exchange(*device);
  EXPECT_EQ(std::ranges::count(seen, '\n'), 50);
}

// ---- What is not part of this version

TEST_F(MqttTrafficTest, TwinRequestsAreAnsweredWith501) {
  auto device = connected();
  subscribe(*device, {{"$iothub/twin/res/#", 0}});
  const std::string get = publish(*device, "$iothub/twin/GET/?$rid=a%2F7", 1);
  EXPECT_TRUE(
      get.starts_with("PUBACK 0\n"
                      "PUBLISH $iothub/twin/res/501/?$rid=a%2F7 q0 id=0 "
                      "{\"errorCode\":501000,\"trackingId\":\""))
      << get;
  EXPECT_NE(get.find("\"message\":\"device twins are not part of this version\""),
            std::string::npos)
      << get;
  const std::string patch =
      publish(*device, "$iothub/twin/PATCH/properties/reported/?$rid=8&$version=3", 0);
  EXPECT_TRUE(patch.starts_with("PUBLISH $iothub/twin/res/501/?$rid=8 q0 id=0 {")) << patch;
  EXPECT_FALSE(device->stream.closed);
}

TEST_F(MqttTrafficTest, ATwinReadNobodyListensForIsDiscarded) {
  auto device = connected();
  EXPECT_EQ(publish(*device, "$iothub/twin/GET/?$rid=1", 1), "PUBACK 0\n");
}

TEST_F(MqttTrafficTest, APatchThatCannotBeRefusedEndsTheConnection) {
  auto deaf = connected();
  EXPECT_EQ(publish(*deaf, "$iothub/twin/PATCH/properties/reported/?$rid=1", 1), "closed\n");
  auto without_rid = connected();
  subscribe(*without_rid, {{"$iothub/twin/res/#", 0}});
  EXPECT_EQ(publish(*without_rid, "$iothub/twin/PATCH/properties/reported/", 1), "closed\n");
}

TEST_F(MqttTrafficTest, ARequestIdThatFitsNoAnswerEndsTheConnection) {
  auto device = connected();
  subscribe(*device, {{"$iothub/twin/res/#", 0}});
  const std::string rid(65'535 - "$iothub/twin/GET/?$rid="s.size(), 'r');
  EXPECT_EQ(publish(*device, "$iothub/twin/GET/?$rid=" + rid, 0), "closed\n");
}

TEST_F(MqttTrafficTest, AMethodResultCanOnlyBeLate) {
  auto device = connected();
  EXPECT_EQ(publish(*device, "$iothub/methods/res/200/?$rid=1", 1), "PUBACK 0\n");
  EXPECT_EQ(publish(*device, "$iothub/methods/res/200/?$rid=1", 0), "");
}

// ---- What ends a connection

TEST_F(MqttTrafficTest, TopicsThatAreNotTheDevicesEndTheConnection) {
  for (const char* topic :
       {"devices/dev2/messages/events/", "devices/DEV1/messages/events/",
        "devices/dev1/modules/m/messages/events/", "devices/dev1/messages/devicebound/",
        "devices%2Fdev1/messages/events/", "devices/dev1/../dev1/messages/events/", "any",
        "$iothub/twin/GET/", "$iothub/twin/other/?$rid=1", "$SYS/x", "a/+", "#"}) {
    auto device = connected();
    EXPECT_EQ(publish(*device, topic, 1), "closed\n") << topic;
    EXPECT_FALSE(device_connected());
  }
  EXPECT_EQ(metric("linarite_mqtt_closed_total", "refused_topic"), 12);
}

TEST_F(MqttTrafficTest, ProtocolErrorsEndTheConnectionWithoutAnAnswer) {
  for (const Bytes& bytes :
       {"\x34\5\0\1a\0\7"s, "\x50\2\0\1"s, "\x62\2\0\1"s, "\x70\2\0\1"s, "\x20\2\0\0"s, "\xF0\0"s,
        "\x00\0"s, "\xC1\0"s, "\x30\xFF\xFF\xFF\x7F"s, "\x40\2\0\0"s}) {
    auto device = connected();
    device->handler->on_bytes(bytes);
    EXPECT_TRUE(device->stream.closed);
    EXPECT_EQ(device->stream.sent, "");
    EXPECT_FALSE(device_connected());
    device->handler->on_bytes("\xC0\0"s);
    EXPECT_EQ(device->stream.sent, "") << "nothing is handled after the end";
  }
  EXPECT_EQ(metric("linarite_mqtt_closed_total", "protocol_error"), 10);
}

TEST_F(MqttTrafficTest, EachDeviceGetsItsOwn) {
  const hub::DeviceView other = create("a+b#c").value();
  auto device = subscribed();
  auto odd = open();
  EXPECT_EQ(
      connect(*odd, {.id = "a+b#c", .user = "127.0.0.1/a+b#c/", .token = policy_token("device")}),
      "CONNACK sp=0 rc=0\n");
  EXPECT_EQ(subscribe(*odd, {{"devices/a+b#c/messages/devicebound/#", 1}}), "SUBACK 0 0x1\n");
  ASSERT_TRUE(send("a+b#c", wire::C2dMessage{.body = "odd"}));
  EXPECT_EQ(exchange(*device), "");
  const std::string seen = exchange(*odd);
  EXPECT_TRUE(seen.starts_with("PUBLISH devices/a+b#c/messages/devicebound/%24.to=")) << seen;
}

}  // namespace
}  // namespace linarite::gateway
