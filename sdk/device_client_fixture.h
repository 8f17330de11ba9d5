// What the tests of device clients stand on: a scripted hub that speaks MQTT.
#pragma once

#include <linarite/device_client.h>

#include <algorithm>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "mqtt/connection.h"
#include "sdk/fake_network.h"

namespace linarite::sdk {

inline constexpr const char* kKey = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
inline constexpr const char* kPrefix = "devices/d1/messages/devicebound/";

// A scripted hub at the other end of one stream.
class FakeMqttHub final : public mqtt::Events {
 public:
  FakeMqttHub(ScriptedStream& stream, ManualLoop& loop)
      : stream_(stream),
        loop_(loop),
        engine_(mqtt::Connection::Role::kServer, {}, loop.clock().now()) {}

  void pump() {
    engine_.receive(stream_.take_sent(), loop_.clock().now(), *this);
    flush();
  }
  void flush() {
    if (engine_.output().empty()) return;
    stream_.deliver(Bytes(engine_.output()));
    engine_.clear_output();
  }
  void answer(mqtt::ConnectReturnCode code) {
    if (code == mqtt::ConnectReturnCode::kAccepted) {
      engine_.accept(false, loop_.clock().now());
    } else {
      engine_.refuse(code);
    }
    flush();
  }
  void publish(const std::string& bag, const std::string& body, uint64_t token, bool dup = false) {
    ASSERT_TRUE(engine_.publish({.topic = kPrefix + bag,
                                 .payload = body,
                                 .packet_id = static_cast<uint16_t>(token),
                                 .qos = mqtt::Qos::kAtLeastOnce,
                                 .dup = dup},
                                token));
    flush();
  }

  void on_connect(const mqtt::Connect& connect) override {
    client_id = connect.client_id;
    user_name = connect.user_name.value_or("");
    password = connect.password.value_or("");
    clean_session = connect.clean_session;
    keep_alive = connect.keep_alive_seconds;
  }
  void on_subscribe(const mqtt::Subscribe& subscribe) override {
    filter = subscribe.subscriptions.at(0).filter;
    engine_.suback(subscribe.packet_id, Bytes(1, suback));
  }
  void on_publish(const mqtt::Publish& publish) override {
    events.push_back({std::string(publish.topic), std::string(publish.payload), publish.packet_id,
                      publish.dup, publish.qos});
  }
  void puback(uint16_t packet_id) {
    engine_.puback(packet_id);
    flush();
  }
  void on_puback(uint64_t token) override { completed.push_back(token); }
  void on_disconnect() override { said_goodbye = true; }
  void on_protocol_error(const Error& error) override { FAIL() << error.message; }
  void on_timeout(Timeout) override {}

  struct Event {
    std::string topic, body;
    uint16_t packet_id = 0;
    bool dup = false;
    mqtt::Qos qos{};
  };
  std::vector<Event> events;  // What the device sent.
  std::string client_id, user_name, password, filter;
  bool clean_session = true;
  bool said_goodbye = false;
  uint16_t keep_alive = 0;
  char suback = 1;
  std::vector<uint64_t> completed;

 private:
  ScriptedStream& stream_;
  ManualLoop& loop_;
  mqtt::Connection engine_;
};

class DeviceClientTest : public ClientTest {
 protected:
  device_options options() {
    device_options out;
    out.network = public_network();
    out.log = [this](log_level, std::string_view line) { log_.emplace_back(line); };
    return out;
  }
  device_client make(device_options options) {
    return {io_.get_executor(),
            std::string("HostName=hub.test;DeviceId=d1;SharedAccessKey=") + kKey,
            std::move(options)};
  }
  // The hub that answers the next connect, up to CONNACK and SUBACK.
  std::unique_ptr<FakeMqttHub> let_in() {
    auto hub = reach();
    hub->answer(mqtt::ConnectReturnCode::kAccepted);
    settle();
    hub->pump();
    settle();
    return hub;
  }
  // The same for a client that has not tried yet.
  std::unique_ptr<FakeMqttHub> let_in(device_client& client) {
    Outcome<> connected;
    client.async_connect(connected.callback());
    auto hub = let_in();
    EXPECT_TRUE(connected.ok());
    return hub;
  }
  // Up to the CONNECT.
  std::unique_ptr<FakeMqttHub> reach() {
    auto hub = std::make_unique<FakeMqttHub>(accept(), *network_->loop);
    hub->pump();
    return hub;
  }
  ScriptedStream& stream() { return *streams_.back(); }
  // Time passes while the hub answers pings.
  void live(FakeMqttHub& hub, std::chrono::seconds time) {
    for (std::chrono::seconds step(30); time > std::chrono::seconds(0); time -= step) {
      pass(std::min(step, time));
      hub.pump();
    }
    settle();
  }
  // Fetches all changes that wait, as "state" or "state: reason".
  std::vector<std::string> states(device_client& client) {
    std::vector<std::string> out;
    while (true) {
      Outcome<connection_change> next;
      boost::asio::cancellation_signal stop;
      client.async_next_state(boost::asio::bind_cancellation_slot(stop.slot(), next.callback()));
      settle();
      if (next.pending()) {
        stop.emit(boost::asio::cancellation_type::terminal);
        settle();
      }
      if (*next.why) return out;
      std::string text = to_string(next.value().state);
      if (next.value().reason) text += ": " + next.value().reason.message();
      out.push_back(text);
    }
  }
};

}  // namespace linarite::sdk
