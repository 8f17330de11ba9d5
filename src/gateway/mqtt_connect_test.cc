// CONNECT, sessions, takeover and the end of MQTT connections (device-protocol 1.1 to 1.7, 1.17).
#include "gateway/mqtt_fixture.h"

namespace linarite::gateway {
namespace {

using namespace std::string_literals;
using std::chrono::minutes;
using std::chrono::seconds;

class MqttConnectTest : public MqttFixture {
 protected:
  std::string answer(const DeviceOptions& options) {
    auto device = open();
    return connect(*device, options);
  }
};

TEST_F(MqttConnectTest, AGoodTokenIsAccepted) {
  auto device = open();
  EXPECT_EQ(connect(*device, dev1()), "CONNACK sp=0 rc=0\n");
  EXPECT_TRUE(device_connected());
  EXPECT_FALSE(device->stream.paused);
  EXPECT_EQ(metric("linarite_mqtt_connections"), 1);
  device->client.disconnect();
  EXPECT_EQ(exchange(*device), "closed\n");
  device->drop();
  EXPECT_FALSE(device_connected());
  EXPECT_EQ(metric("linarite_mqtt_connections"), 0);
  EXPECT_EQ(metric("linarite_mqtt_closed_total", "disconnect"), 1);
}

TEST_F(MqttConnectTest, APolicyTokenStandsInForTheDevice) {
  auto options = dev1();
  options.token = policy_token("device");
  EXPECT_EQ(answer(options), "CONNACK sp=0 rc=0\n");
  options.token = policy_token("service");
  EXPECT_EQ(answer(options), "CONNACK sp=0 rc=5\nclosed\n");
}

TEST_F(MqttConnectTest, BadCredentialsAreRefusedWith5) {
  const auto refused = [this](auto change) {
    auto options = dev1();
    change(options);
    EXPECT_EQ(answer(options), "CONNACK sp=0 rc=5\nclosed\n") << options.user;
  };
  refused([](auto& o) {
    o.user = "";
    o.token = "";
  });
  refused([](auto& o) { o.token = ""; });
  refused([](auto& o) { o.token = "nonsense"; });
  refused([](auto& o) { o.token += "x"; });
  refused([](auto& o) { o.token += Bytes(5000, 'x'); });
  refused([](auto& o) { o.user = "127.0.0.1/other/"; });
  refused([](auto& o) { o.user = "127.0.0.1"; });
  refused([](auto& o) { o.id = "DEV1"; });
  refused([](auto& o) {
    o.id = "dev1/m";
    o.user = "127.0.0.1/dev1/m/";
  });
  refused([](auto& o) {
    o.id = "dev2";
    o.user = "127.0.0.1/dev2/";
  });
  refused([](auto& o) {
    o.id = "";
    o.clean = true;
  });
  EXPECT_EQ(metric("linarite_mqtt_connects_total", "5"), 11);
  EXPECT_EQ(metric("linarite_mqtt_closed_total", "refused"), 11);
  EXPECT_EQ(metric("linarite_mqtt_connections"), 0);
}

TEST_F(MqttConnectTest, AnExpiredTokenIsRefused) {
  const auto options = dev1();
  advance(std::chrono::hours(1) + minutes(6));
  EXPECT_EQ(answer(options), "CONNACK sp=0 rc=5\nclosed\n");
}

TEST_F(MqttConnectTest, ADisabledDeviceIsRefusedWith3) {
  ASSERT_TRUE(update({.device_id = "dev1", .status = hub::DeviceStatus::kDisabled}));
  EXPECT_EQ(answer(dev1()), "CONNACK sp=0 rc=3\nclosed\n");
}

TEST_F(MqttConnectTest, NoClientIdForAPersistentSessionIsRefusedWith2) {
  auto options = dev1();
  options.id = "";
  EXPECT_EQ(answer(options), "CONNACK sp=0 rc=2\nclosed\n");
}

TEST_F(MqttConnectTest, OtherProtocolsAreRefusedWith1) {
  for (const Bytes& bytes : {"\x10\x0E\0\6MQIsdp\3\2\0\0\0\0"s, "\x10\x0C\0\4MQTT\5\2\0\0\0\0"s}) {
    auto device = open();
    device->handler->on_bytes(bytes);
    run();
    EXPECT_EQ(device->stream.sent, "\x20\2\0\1"s);
    EXPECT_TRUE(device->stream.closed);
  }
}

TEST_F(MqttConnectTest, WhatIsNotMqttEndsWithoutAnAnswer) {
  auto device = open();
  device->handler->on_bytes("GET / HTTP/1.1\r\n\r\n");
  run();
  EXPECT_EQ(device->stream.sent, "");
  EXPECT_TRUE(device->stream.closed);
  EXPECT_EQ(metric("linarite_mqtt_closed_total", "protocol_error"), 1);
}

TEST_F(MqttConnectTest, ASilentStreamEnds) {
  auto device = open();
  advance(seconds(9));
  EXPECT_FALSE(device->stream.closed);
  advance(seconds(1));
  EXPECT_TRUE(device->stream.closed);
  EXPECT_EQ(metric("linarite_mqtt_closed_total", "connect_timeout"), 1);
}

TEST_F(MqttConnectTest, TheStreamMovesToTheLoopOfItsDevice) {
  ManualLoop other(clock_);
  Device device(*gateway_, other);
  device.handler->on_bytes("");
  device.client.connect({.client_id = "dev1", .user_name = "127.0.0.1/dev1"}, clock_.now());
  // Without a token nothing moves.
  device.handler->on_bytes(device.client.output());
  EXPECT_TRUE(device.stream.closed);

  Device good(*gateway_, other);
  const std::string token = device_token(device_);
  good.client.connect({.client_id = "dev1", .user_name = "127.0.0.1/dev1", .password = token},
                      clock_.now());
  good.handler->on_bytes(good.client.output());
  EXPECT_EQ(&good.stream.loop(), &other);
  EXPECT_TRUE(good.stream.paused);
  EXPECT_EQ(good.stream.sent, "") << "nothing is decided before the move";
  run();
  EXPECT_EQ(&good.stream.loop(), &loop_);
  EXPECT_EQ(good.stream.sent, "\x20\2\0\0"s);
  EXPECT_FALSE(good.stream.paused);
  EXPECT_FALSE(other.next_timer()) << "no timer stays behind";
}

TEST_F(MqttConnectTest, WhatComesBehindTheConnectIsHandledAfterIt) {
  auto device = open();
  const std::string token = device_token(device_);
  Bytes bytes;
  mqtt::encode(mqtt::Connect{.client_id = "dev1", .user_name = "127.0.0.1/dev1", .password = token},
               bytes);
  mqtt::encode(mqtt::Subscribe{7, {{kC2dFilter, mqtt::Qos::kAtLeastOnce}}}, bytes);
  mqtt::encode(mqtt::PingReq{}, bytes);
  device->handler->on_bytes(bytes);
  run();
  EXPECT_EQ(device->stream.sent, "\x20\2\0\0\xD0\0\x90\3\0\7\1"s);
}

TEST_F(MqttConnectTest, ABrokenConnectionBeforeItsAnswerLeavesNothing) {
  subscribe(*connected(), {{kC2dFilter, 1}});
  ManualLoop other(clock_);
  auto device = std::make_unique<Device>(*gateway_, other);
  auto options = dev1();
  device->client.connect({.client_id = options.id,
                          .user_name = options.user,
                          .password = options.token,
                          .clean_session = true},
                         clock_.now());
  store_.hold_commits(true);
  device->handler->on_bytes(device->client.output());
  run();
  EXPECT_EQ(device->stream.sent, "") << "the old session is not erased yet";
  device.reset();
  store_.hold_commits(false);
  store_.flush();
  run();
  EXPECT_FALSE(device_connected());
}

// ---- Takeover

TEST_F(MqttConnectTest, ASecondConnectionTakesOver) {
  auto first = connected();
  subscribe(*first, {{kC2dFilter, 1}});
  send_bodies({"one"});
  EXPECT_EQ(exchange(*first),
            "PUBLISH devices/dev1/messages/devicebound/%24.to=%2Fdevices%2Fdev1%2Fmessages%2F"
            "deviceBound q1 id=2 one\n");
  auto second = open();
  // The unacknowledged message comes again, with its packet id and DUP.
  EXPECT_EQ(connect(*second, dev1()),
            "CONNACK sp=1 rc=0\n"
            "PUBLISH devices/dev1/messages/devicebound/%24.to=%2Fdevices%2Fdev1%2Fmessages%2F"
            "deviceBound q1 id=2 dup one\n");
  EXPECT_TRUE(first->stream.closed);
  // A late PUBACK of the old connection counts for nothing.
  EXPECT_EQ(puback(*first, 2), "closed\n");
  EXPECT_EQ(pending(), 1U);
  first.reset();
  EXPECT_TRUE(device_connected());
  EXPECT_EQ(puback(*second, 2), "");
  EXPECT_EQ(pending(), 0U);
  EXPECT_EQ(metric("linarite_mqtt_closed_total", "takeover"), 1);
  EXPECT_EQ(metric("linarite_mqtt_connections"), 1);
}

TEST_F(MqttConnectTest, AFailedConnectDoesNotDisturb) {
  auto first = connected();
  auto bad = dev1();
  bad.token += "x";
  EXPECT_EQ(answer(bad), "CONNACK sp=0 rc=5\nclosed\n");
  EXPECT_FALSE(first->stream.closed);
  EXPECT_TRUE(device_connected());
}

TEST_F(MqttConnectTest, ManyTakeoversLeaveOneConnection) {
  std::vector<std::unique_ptr<Device>> devices;
  for (int i = 0; i < 1'000; ++i) devices.push_back(connected());
  for (size_t i = 0; i + 1 < devices.size(); ++i) EXPECT_TRUE(devices[i]->stream.closed);
  EXPECT_FALSE(devices.back()->stream.closed);
  EXPECT_EQ(metric("linarite_mqtt_connections"), 1);
}

// ---- Sessions

TEST_F(MqttConnectTest, ASubscriptionIsAcknowledgedWhenItIsDurable) {
  auto device = connected();
  store_.hold_commits(true);
  EXPECT_EQ(subscribe(*device, {{kC2dFilter, 1}}), "");
  store_.hold_commits(false);
  store_.flush();
  EXPECT_EQ(exchange(*device), "SUBACK 0 0x1\n");
}

TEST_F(MqttConnectTest, SubscriptionsOutliveConnectionAndServer) {
  connected()->client.disconnect();
  auto first = connected();
  EXPECT_EQ(subscribe(*first, {{kC2dFilter, 1}}), "SUBACK 0 0x1\n");
  first.reset();
  send_bodies({"waits"});
  gateway_.reset();
  restart();
  open_gateway({});
  std::string seen;
  auto second = connected(&seen);
  EXPECT_TRUE(seen.starts_with("CONNACK sp=1 rc=0\nPUBLISH devices/dev1/messages/devicebound/"));
  EXPECT_TRUE(seen.ends_with(" q1 id=2 waits\n")) << seen;
}

TEST_F(MqttConnectTest, ACleanSessionForgetsAndIsForgotten) {
  auto first = connected();
  subscribe(*first, {{kC2dFilter, 1}});
  first.reset();
  auto options = dev1();
  options.clean = true;
  auto second = open();
  EXPECT_EQ(connect(*second, options), "CONNACK sp=0 rc=0\n");
  send_bodies({"one"});
  EXPECT_EQ(exchange(*second), "") << "nothing is subscribed";
  EXPECT_EQ(subscribe(*second, {{kC2dFilter, 0}}).substr(0, 13), "SUBACK 0 0x0\n");
  second.reset();
  EXPECT_EQ(answer(dev1()), "CONNACK sp=0 rc=0\n");
}

// A device that is told its session was kept relies on it, so it must not be one that is about to
// go.
TEST_F(MqttConnectTest, ASessionThatIsBeingErasedIsNotToldAsPresent) {
  auto first = connected();
  subscribe(*first, {{kC2dFilter, 1}});
  auto options = dev1();
  options.clean = true;
  store_.hold_commits(true);
  auto second = open();
  EXPECT_EQ(connect(*second, options), "");
  auto third = open();
  EXPECT_EQ(connect(*third, dev1()), "") << "the erasure is not durable yet";
  EXPECT_EQ(exchange(*second), "closed\n");
  store_.hold_commits(false);
  store_.flush();
  EXPECT_EQ(exchange(*third), "CONNACK sp=0 rc=0\n");
  third.reset();
  EXPECT_EQ(answer(dev1()), "CONNACK sp=0 rc=0\n");
}

TEST_F(MqttConnectTest, AFailedSyncEndsTheConnectionWithoutASuback) {
  auto device = connected();
  store_.fail_next_sync({ErrorCode::kIoError, "disk"});
  EXPECT_EQ(subscribe(*device, {{kC2dFilter, 1}}), "closed\n");
  EXPECT_EQ(metric("linarite_mqtt_closed_total", "server_error"), 1);
}

TEST_F(MqttConnectTest, AFailedEraseRefusesACleanSessionWith3) {
  subscribe(*connected(), {{kC2dFilter, 1}});
  store_.fail_next_sync({ErrorCode::kIoError, "disk"});
  auto options = dev1();
  options.clean = true;
  EXPECT_EQ(answer(options), "CONNACK sp=0 rc=3\nclosed\n");
  EXPECT_FALSE(device_connected());
}

// ---- Ends

TEST_F(MqttConnectTest, KeepAliveRunsOut) {
  auto options = dev1();
  options.keep_alive = 10;
  auto device = open();
  connect(*device, options);
  advance(seconds(14));
  device->handler->on_bytes("\xC0\0"s);
  EXPECT_EQ(std::exchange(device->stream.sent, {}), "\xD0\0"s);
  advance(seconds(14));
  EXPECT_FALSE(device->stream.closed);
  advance(seconds(1));
  EXPECT_TRUE(device->stream.closed);
  EXPECT_EQ(device->stream.sent, "") << "a server says nothing at the end";
  EXPECT_FALSE(device_connected());
  EXPECT_EQ(metric("linarite_mqtt_closed_total", "keep_alive"), 1);
}

TEST_F(MqttConnectTest, TheConnectionEndsFiveMinutesAfterItsToken) {
  auto options = dev1();
  options.keep_alive = 0;
  auto device = open();
  connect(*device, options);
  for (int i = 0; i < 13; ++i) {  // 65 minutes with pings.
    EXPECT_FALSE(device->stream.closed) << i;
    advance(minutes(5));
    if (i < 12) device->handler->on_bytes("\xC0\0"s);
  }
  EXPECT_FALSE(device->stream.closed);
  advance(seconds(1));
  EXPECT_TRUE(device->stream.closed);
  EXPECT_EQ(metric("linarite_mqtt_closed_total", "token_expired"), 1);
}

TEST_F(MqttConnectTest, DisablingDeletingOrRekeyingEndsTheConnection) {
  auto first = connected();
  ASSERT_TRUE(update({.device_id = "dev1", .status = hub::DeviceStatus::kDisabled}));
  EXPECT_TRUE(first->stream.closed);
  ASSERT_TRUE(update({.device_id = "dev1", .status = hub::DeviceStatus::kEnabled}));
  auto second = connected();  // By the primary key: the other one is renewed under it.
  ASSERT_TRUE(update({.device_id = "dev1",
                      .primary_key = device_.identity.primary_key,
                      .secondary_key = hub::generate_key(random_)}));
  EXPECT_FALSE(second->stream.closed);
  ASSERT_TRUE(update({.device_id = "dev1",
                      .primary_key = hub::generate_key(random_),
                      .secondary_key = device_.identity.secondary_key}));
  EXPECT_TRUE(second->stream.closed);
  device_ = get("dev1").value();
  auto third = connected();
  ASSERT_TRUE(remove("dev1"));
  EXPECT_TRUE(third->stream.closed);
  EXPECT_EQ(metric("linarite_mqtt_closed_total", "identity_changed"), 3);
}

}  // namespace
}  // namespace linarite::gateway
