// An MQTT gateway on a real hub in memory, and devices that talk to it through our own MQTT client:
// tests read as what a device does and sees.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gateway/fake_stream.h"
#include "gateway/mqtt_gateway.h"
#include "hub/hub_fixture.h"
#include "mqtt/transcript.h"

namespace linarite::gateway {

// What a device is and says in its CONNECT.
struct DeviceOptions {
  std::string id = "dev1";
  std::string user = "127.0.0.1/dev1/?api-version=2021-04-12";
  std::string token;
  bool clean = false;
  uint16_t keep_alive = 60;
  std::optional<std::string> will_topic;
};

// A device with its own connection. Transcript lines are those of the client engine.
class Device {
 public:
  Device(MqttGateway& gateway, Loop& loop) : stream(loop), handler(gateway.accept(stream)) {}
  ~Device() { drop(); }

  // The connection breaks or, after the gateway closed it, ends.
  void drop() {
    if (!handler) return;
    handler->on_closed(stream.closed ? net::CloseReason::kClosedHere : net::CloseReason::kReset);
    handler.reset();
  }

  FakeStream stream;
  std::unique_ptr<net::StreamHandler> handler;
  mqtt::Connection client{mqtt::Connection::Role::kClient, {.window = 100}, Instant{}};
  mqtt::Transcript seen;
};

class MqttFixture : public hub::HubFixture {
 protected:
  explicit MqttFixture(hub::HubOptions options = {}) : HubFixture(std::move(options)) {}

  void SetUp() override {
    device_ = create("dev1").value();
    open_gateway({});
  }
  void open_gateway(MqttOptions options) {
    gateway_metrics_ = std::make_unique<prometheus::Registry>();
    gateway_ =
        std::make_unique<MqttGateway>(options, MqttGateway::Parts{*hub_, log_, *gateway_metrics_});
  }

  std::unique_ptr<Device> open() { return std::make_unique<Device>(*gateway_, loop_); }

  // A valid CONNECT of dev1.
  DeviceOptions dev1() { return {.token = device_token(device_)}; }

  // Carries bytes both ways until nothing moves. Returns what the device saw, and "closed" when
  // the gateway closed the stream.
  std::string exchange(Device& device) {
    for (bool moved = true; moved;) {
      run();
      const Bytes out(device.client.output());
      device.client.clear_output();
      if (!out.empty() && device.handler) device.handler->on_bytes(out);
      run();
      moved = !out.empty();
      if (!device.stream.stuck && !device.stream.sent.empty()) {
        device.client.receive(std::exchange(device.stream.sent, {}), clock_.now(), device.seen);
        moved = true;
      }
    }
    return device.seen.take() + (device.stream.closed ? "closed\n" : "");
  }

  std::string connect(Device& device, const DeviceOptions& options) {
    mqtt::Connect packet;
    packet.client_id = options.id;
    if (!options.user.empty()) packet.user_name = options.user;
    if (!options.token.empty()) packet.password = options.token;
    packet.clean_session = options.clean;
    packet.keep_alive_seconds = options.keep_alive;
    if (options.will_topic) {
      packet.will = mqtt::Will{*options.will_topic, "gone", mqtt::Qos::kAtLeastOnce, false};
    }
    device.client.connect(packet, clock_.now());
    return exchange(device);
  }
  // A device that is connected, with what it saw since (queued messages).
  std::unique_ptr<Device> connected(std::string* seen = nullptr) {
    auto device = open();
    const std::string lines = connect(*device, dev1());
    EXPECT_TRUE(lines.starts_with("CONNACK")) << lines;
    if (seen != nullptr) *seen = lines;
    return device;
  }

  std::string subscribe(Device& device, std::vector<std::pair<std::string, int>> filters) {
    std::vector<mqtt::Subscription> all;
    for (const auto& [filter, qos] : filters) all.push_back({filter, static_cast<mqtt::Qos>(qos)});
    EXPECT_TRUE(device.client.subscribe(all, 0));
    return exchange(device);
  }
  std::string unsubscribe(Device& device, const std::string& filter) {
    const ByteView all[] = {filter};
    EXPECT_TRUE(device.client.unsubscribe(all, 0));
    return exchange(device);
  }
  std::string publish(Device& device, const std::string& topic, int qos, ByteView body = "{}") {
    EXPECT_TRUE(device.client.publish({topic, body, 0, static_cast<mqtt::Qos>(qos)}, 0));
    return exchange(device);
  }
  std::string puback(Device& device, uint16_t packet_id) {
    device.client.puback(packet_id);
    return exchange(device);
  }

  uint32_t pending() { return get("dev1")->pending_messages; }
  bool device_connected() { return get("dev1")->connected; }
  // Messages with a body only; their bag is the same for all.
  void send_bodies(std::initializer_list<const char*> bodies) {
    for (const char* body : bodies) ASSERT_TRUE(send("dev1", wire::C2dMessage{.body = body}));
  }
  // The value of a counter or gauge of the gateway, of the row with this label value if given.
  double metric(std::string_view name, std::string_view label = {}) {
    for (const auto& family : gateway_metrics_->Collect()) {
      if (family.name != name) continue;
      for (const auto& row : family.metric) {
        if (!label.empty() && row.label.at(0).value != label) continue;
        return row.counter.value + row.gauge.value;
      }
    }
    ADD_FAILURE() << "no metric " << name;
    return -1;
  }

  const std::string kC2dFilter = "devices/dev1/messages/devicebound/#";
  hub::DeviceView device_;
  std::unique_ptr<prometheus::Registry> gateway_metrics_;
  std::unique_ptr<MqttGateway> gateway_;
};

}  // namespace linarite::gateway
