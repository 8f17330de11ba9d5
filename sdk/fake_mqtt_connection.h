// A hub at the other end of a real stream, for one device over MQTT. For tests.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>

#include "mqtt/connection.h"
#include "net/stream.h"

namespace linarite::sdk {

// Serves one device; what it sends is acknowledged unless the script says otherwise.
class FakeMqttConnection final : public net::StreamHandler, private mqtt::Events {
 public:
  struct Event {
    std::string topic, body;
  };
  struct Script {
    mqtt::ConnectReturnCode answer = mqtt::ConnectReturnCode::kAccepted;
    std::string c2d;  // Sent to whoever subscribes, if not empty.
    bool acknowledges = true;
  };
  struct Report {
    std::function<void(Event)> sent;
    std::function<void(std::string password)> connected;
    std::function<void()> completed;  // A message to the device.
  };
  FakeMqttConnection(net::Stream& stream, Script script, Report report)
      : script_(std::move(script)),
        report_(std::move(report)),
        stream_(stream),
        engine_(mqtt::Connection::Role::kServer, {.window = 10}, stream.loop().clock().now()) {}

  void on_bytes(ByteView bytes) override {
    const Instant now = stream_.loop().clock().now();
    engine_.receive(bytes, now, *this);
    if (std::exchange(connecting_, false)) {
      if (script_.answer == mqtt::ConnectReturnCode::kAccepted) {
        engine_.accept(false, now);
        engine_.receive({}, now, *this);
      } else {
        engine_.refuse(script_.answer);
      }
    }
    stream_.send(engine_.output());
    engine_.clear_output();
  }
  void on_closed(net::CloseReason) override {}

 private:
  void on_connect(const mqtt::Connect& connect) override {
    connecting_ = true;
    report_.connected(std::string(connect.password.value_or("")));
  }
  void on_subscribe(const mqtt::Subscribe& subscribe) override {
    engine_.suback(subscribe.packet_id, Bytes(1, 1));
    if (script_.c2d.empty()) return;
    EXPECT_TRUE(engine_.publish({.topic = "devices/d1/messages/devicebound/%24.mid=m1&color=red",
                                 .payload = script_.c2d,
                                 .packet_id = 7,
                                 .qos = mqtt::Qos::kAtLeastOnce},
                                7));
  }
  void on_publish(const mqtt::Publish& publish) override {
    report_.sent({std::string(publish.topic), std::string(publish.payload)});
    if (script_.acknowledges) engine_.puback(publish.packet_id);
  }
  void on_puback(uint64_t) override { report_.completed(); }
  void on_disconnect() override { stream_.close(); }
  void on_protocol_error(const Error&) override { stream_.close(); }
  void on_timeout(Timeout) override { stream_.close(); }

  const Script script_;
  const Report report_;
  net::Stream& stream_;
  mqtt::Connection engine_;
  bool connecting_ = false;
};

}  // namespace linarite::sdk
