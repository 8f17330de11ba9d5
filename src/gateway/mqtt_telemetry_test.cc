// Messages of devices: from PUBLISH to the event that readers get (device-protocol 1.8 to 1.11,
// service-protocol 4.7).
#include <gmock/gmock.h>

#include "amqp/message.h"
#include "gateway/mqtt_fixture.h"

namespace linarite::gateway {
namespace {

using std::chrono::seconds;

// "key=value key=value" of the entries of a map with texts and times.
std::string entries(ByteView bytes) {
  std::string text;
  while (!bytes.empty()) {
    amqp::ValueView key;
    amqp::ValueView value;
    if (!amqp::read_value(bytes, key) || !amqp::read_value(bytes, value)) return text + "damaged";
    text += std::string(key.bytes) + '=';
    text += value.type == amqp::Type::kTimestamp ? "(time)" : std::string(value.bytes);
    text += '\n';
  }
  return text;
}

class MqttTelemetryTest : public MqttFixture {
 protected:
  // Events of the device's partition from `sequence` on.
  std::vector<hub::Event> events(uint64_t sequence = 0) {
    std::vector<hub::Event> all;
    while (true) {
      const auto block = partition("dev1").events().read(sequence);
      EXPECT_TRUE(block) << block.error().message;
      if (!block || *block == nullptr) return all;
      kept_.push_back(*block);
      for (; sequence < (*block)->next(); ++sequence) {
        all.push_back((*block)->at(sequence - (*block)->first()));
      }
    }
  }
  amqp::Message message(const hub::Event& event) {
    auto decoded = amqp::decode_message(event.sections);
    EXPECT_TRUE(decoded);
    return decoded ? *std::move(decoded) : amqp::Message{};
  }
  std::string bodies() {
    std::string text;
    for (const hub::Event& event : events()) text += message(event).data.at(0) + ' ';
    return text;
  }
  std::string application_properties(const hub::Event& event) {
    const amqp::Message decoded = message(event);
    const auto& items = decoded.application_properties.items();
    std::string text;
    for (size_t i = 0; i + 1 < items.size(); i += 2) {
      text += std::string(items[i].bytes()) + '=' + std::string(items[i + 1].bytes()) + '\n';
    }
    return text;
  }

  std::vector<hub::EventBlockPtr> kept_;
  const std::string kEvents = "devices/dev1/messages/events/";
};

TEST_F(MqttTelemetryTest, IsAnEventAndAcknowledged) {
  auto device = connected();
  EXPECT_EQ(publish(*device, kEvents, 1, "one"), "PUBACK 0\n");
  EXPECT_EQ(publish(*device, kEvents, 0, "two"), "");
  EXPECT_EQ(publish(*device, "devices/dev1/messages/events", 1, ""), "PUBACK 0\n");
  EXPECT_EQ(bodies(), "one two  ");
  const auto all = events();
  EXPECT_EQ(entries(all[0].annotations),
            "iothub-connection-device-id=dev1\n"
            "iothub-connection-auth-method={\"scope\":\"device\",\"type\":\"sas\","
            "\"issuer\":\"iothub\",\"acceptingIpFilterRule\":null}\n"
            "iothub-connection-auth-generation-id=" +
                device_.identity.generation_id +
                "\n"
                "iothub-message-source=Telemetry\n"
                "iothub-enqueuedtime=(time)\n");
  EXPECT_EQ(all[0].annotation_count, 5);
  EXPECT_EQ(all[0].enqueued, wall());
  EXPECT_TRUE(message(all[0]).properties.empty()) << "no section without a field";
  EXPECT_EQ(metric("linarite_mqtt_telemetry_total"), 3);
}

// A PUBLISH with QoS 1 as it stands on the wire.
Bytes publish_packet(char first_byte, const std::string& topic, char packet_id,
                     const std::string& body) {
  Bytes packet = {first_byte, static_cast<char>(2 + topic.size() + 2 + body.size()), 0,
                  static_cast<char>(topic.size())};
  return packet + topic + '\0' + packet_id + body;
}
constexpr char kPublish = '\x32';
constexpr char kPublishWithDup = '\x3A';

// DUP is the sender's word: it neither hides a message nor makes two one.
TEST_F(MqttTelemetryTest, ADupThatLiesIsAMessageLikeAnyOther) {
  auto device = connected();
  for (int i = 0; i < 2; ++i) {
    device->handler->on_bytes(publish_packet(kPublishWithDup, kEvents, 7, "one"));
    run();
    EXPECT_EQ(std::exchange(device->stream.sent, {}), Bytes("\x40\2\0\7", 4));
  }
  EXPECT_EQ(bodies(), "one one ");
}

TEST_F(MqttTelemetryTest, APacketIdThatIsStillInUseIsAcknowledgedAsOftenAsItCame) {
  auto device = connected();
  store_.hold_commits(true);
  device->handler->on_bytes(publish_packet(kPublish, kEvents, 7, "one"));
  device->handler->on_bytes(publish_packet(kPublish, kEvents, 7, "two"));
  run();
  EXPECT_EQ(device->stream.sent, "");
  store_.hold_commits(false);
  store_.flush();
  run();
  EXPECT_EQ(std::exchange(device->stream.sent, {}), Bytes("\x40\2\0\7\x40\2\0\7", 8));
  EXPECT_EQ(bodies(), "one two ");
}

TEST_F(MqttTelemetryTest, PropertiesOfTheBag) {
  auto device = connected();
  publish(*device,
          kEvents +
              "%24.mid=m%201&$.cid=c&$.uid=u&$.ct=application%2Fjson&$.ce=utf-8&"
              "$.exp=2026-01-02T04%3A00%3A00Z&$.sub=thermostat&$.ctime=2026-01-01T00%3A00"
              "%3A00Z&color=red&empty=&bare&$.cdid=dev2/",
          1);
  const auto all = events();
  ASSERT_EQ(all.size(), 1U);
  const amqp::Properties properties = message(all[0]).properties;
  EXPECT_EQ(properties.message_id, amqp::Value::string("m 1"));
  EXPECT_EQ(properties.correlation_id, amqp::Value::string("c"));
  EXPECT_EQ(properties.user_id, "u");
  EXPECT_EQ(properties.content_type, "application/json");
  EXPECT_EQ(properties.content_encoding, "utf-8");
  EXPECT_EQ(properties.absolute_expiry_time_ms,
            parse_iso8601("2026-01-02T04:00:00Z")->time_since_epoch().count());
  EXPECT_EQ(application_properties(all[0]), "color=red\nempty=\nbare=\n");
  EXPECT_THAT(entries(all[0].annotations),
              testing::EndsWith("iothub-enqueuedtime=(time)\ndt-subject=thermostat\n"
                                "iothub-creation-time-utc=2026-01-01T00:00:00Z\n"));
  EXPECT_EQ(all[0].annotation_count, 7);
}

TEST_F(MqttTelemetryTest, TheModelAndThePolicyOfTheConnection) {
  auto options = dev1();
  options.user += "&model-id=dtmi%3Acom%3Aexample%3BX";
  options.token = policy_token("device", "127.0.0.1/devices/dev1");
  auto device = open();
  connect(*device, options);
  publish(*device, kEvents, 1);
  EXPECT_THAT(entries(events().at(0).annotations),
              testing::AllOf(testing::HasSubstr("\"scope\":\"hub\""),
                             testing::HasSubstr("dt-dataschema=dtmi:com:example;X\n")));
}

TEST_F(MqttTelemetryTest, NothingIsAcknowledgedBeforeItIsDurable) {
  auto device = connected();
  store_.hold_commits(true);
  EXPECT_EQ(publish(*device, kEvents, 1, "a"), "");
  EXPECT_EQ(publish(*device, kEvents, 1, "b"), "");
  // PUBACKs keep the order of the PUBLISHes, also of those that need no disk.
  EXPECT_EQ(publish(*device, "$iothub/methods/res/200/?$rid=1", 1), "");
  EXPECT_EQ(bodies(), "");
  store_.flush();
  EXPECT_EQ(exchange(*device), "PUBACK 0\n") << "the first block held one event";
  store_.hold_commits(false);
  EXPECT_EQ(exchange(*device), "PUBACK 0\nPUBACK 0\n");
  EXPECT_EQ(bodies(), "a b ");
}

TEST_F(MqttTelemetryTest, AFailedSyncAcknowledgesNothing) {
  auto device = connected();
  store_.fail_next_sync({ErrorCode::kIoError, "the disk is gone"});
  EXPECT_EQ(publish(*device, kEvents, 1), "closed\n");
  EXPECT_EQ(bodies(), "");
  EXPECT_EQ(metric("linarite_mqtt_closed_total", "server_error"), 1);
}

TEST_F(MqttTelemetryTest, AFastSenderIsNotRead) {
  auto device = connected();
  store_.hold_commits(true);
  const std::string body(100'000, 'x');
  for (int i = 0; i < 5; ++i) publish(*device, kEvents, 1, body);
  EXPECT_FALSE(device->stream.paused);
  publish(*device, kEvents, 1, body);
  EXPECT_TRUE(device->stream.paused);
  // Silence is not the device's while nobody reads.
  advance(seconds(298));
  EXPECT_FALSE(device->stream.closed);
  store_.hold_commits(false);
  exchange(*device);
  EXPECT_FALSE(device->stream.paused);
  advance(seconds(4));
  EXPECT_FALSE(device->stream.closed) << "and it has time to be read again";
  EXPECT_EQ(events().size(), 6U);
}

TEST_F(MqttTelemetryTest, ADeletedOrDisabledDeviceIsNotAnswered) {
  auto device = connected();
  store_.hold_commits(true);
  publish(*device, kEvents, 1);
  std::optional<Status> removed;
  hub_->delete_device("dev1", {}, {loop_, [&](Status status) { removed = std::move(status); }});
  store_.hold_commits(false);
  // Both become durable at once; the event was first, and its acknowledgement may have left.
  exchange(*device);
  EXPECT_TRUE(removed && removed->has_value());
  EXPECT_TRUE(device->stream.closed);
  EXPECT_EQ(publish(*device, kEvents, 1), "closed\n");
  EXPECT_EQ(events().size(), 1U);
}

TEST_F(MqttTelemetryTest, TooLargeClosesTheConnection) {
  auto device = connected();
  EXPECT_EQ(publish(*device, kEvents + "a=b", 1, std::string(262'142, 'x')), "PUBACK 0\n");
  EXPECT_EQ(publish(*device, kEvents + "a=b", 1, std::string(262'143, 'x')), "closed\n");
  EXPECT_EQ(events().size(), 1U);
}

TEST_F(MqttTelemetryTest, ABagThatCannotBeReadClosesTheConnection) {
  auto device = connected();
  EXPECT_EQ(publish(*device, kEvents + "a=%FF", 1), "closed\n");
  EXPECT_EQ(events().size(), 0U);
}

TEST_F(MqttTelemetryTest, RetainIsToldAndNotDone) {
  auto device = connected();
  ASSERT_TRUE(device->client.publish(
      {.topic = kEvents, .payload = "r", .qos = mqtt::Qos::kAtLeastOnce, .retain = true}));
  EXPECT_EQ(exchange(*device), "PUBACK 0\n");
  EXPECT_EQ(application_properties(events().at(0)), "mqtt-retain=true\n");
}

// ---- Wills

TEST_F(MqttTelemetryTest, TheWillOfABrokenConnectionIsAnEvent) {
  auto options = dev1();
  options.will_topic = kEvents + "why=lost";
  {
    auto device = open();
    EXPECT_EQ(connect(*device, options), "CONNACK sp=0 rc=0\n");
    device->client.disconnect();
    exchange(*device);
  }
  EXPECT_EQ(bodies(), "") << "DISCONNECT discards the will";
  {
    auto device = open();
    connect(*device, options);
  }
  run();
  EXPECT_EQ(bodies(), "gone ");
  EXPECT_EQ(application_properties(events().at(0)), "why=lost\niothub-MessageType=Will\n");
  EXPECT_EQ(metric("linarite_mqtt_wills_total"), 1);
}

TEST_F(MqttTelemetryTest, TheWillOfATakenOverConnectionIsAnEvent) {
  auto options = dev1();
  options.will_topic = kEvents;
  auto first = open();
  connect(*first, options);
  auto second = connected();
  EXPECT_TRUE(first->stream.closed);
  EXPECT_EQ(bodies(), "gone ");
}

TEST_F(MqttTelemetryTest, NoWillToAnotherTopicOrOfADisabledDevice) {
  auto options = dev1();
  options.will_topic = "devices/dev2/messages/events/";
  {
    auto device = open();
    EXPECT_EQ(connect(*device, options), "CONNACK sp=0 rc=0\n");
  }
  options.will_topic = kEvents;
  auto device = open();
  connect(*device, options);
  ASSERT_TRUE(update({.device_id = "dev1", .status = hub::DeviceStatus::kDisabled}));
  EXPECT_TRUE(device->stream.closed);
  run();
  EXPECT_EQ(bodies(), "");
}

}  // namespace
}  // namespace linarite::gateway
