// A device: a real MQTT client that connects to the gateway, subscribes, receives and acknowledges.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "mqtt/connection.h"
#include "sim/connection.h"
#include "sim/network_world.h"

namespace linarite::sim {

class NetworkWorld::MqttDevice final : public Client, private mqtt::Events {
 public:
  struct Login {
    uint32_t device;
    std::string id;
    std::string token;
    WallTime token_end;
    bool clean;
  };

  MqttDevice(NetworkWorld& world, Connection& connection, Login login);

  void start() override {}
  void receive(ByteView bytes, Moment sent) override;
  void tick() override;
  void act() override;
  bool waits() const override;
  void closed() override { engine_.close(); }

  uint32_t device() const { return login_.device; }
  // Whether the hub may still act upon its CONNECT.
  bool unanswered() const { return !answered_; }
  // Acknowledges all that it holds; which messages that were.
  std::vector<uint32_t> acknowledge_all();
  bool subscribed() const { return subscribed_; }

 private:
  struct Held {
    uint16_t packet_id;
    uint32_t message;
  };
  // What was known when CONNECT was sent.
  struct Before {
    ModelDevice device;
    SessionRecord session;
  };

  void on_connack(const mqtt::ConnAck& connack) override;
  void on_suback(uint64_t token, ByteView codes) override;
  void on_unsuback(uint64_t token) override;
  void on_publish(const mqtt::Publish& publish) override;
  void on_puback(uint64_t token) override;
  void on_protocol_error(const Error& error) override;
  void on_timeout(Timeout timeout) override;

  void check_answer(const mqtt::ConnAck& connack);
  void check_session(const mqtt::ConnAck& connack);
  void subscribe();
  void send_events();
  void acknowledge(size_t which);
  void check_window();
  void flush();
  mqtt::Qos qos() const;

  NetworkWorld& world_;
  Connection& connection_;
  const Login login_;
  const std::string filter_;
  mqtt::Connection engine_;
  Before before_;
  Moment sent_;  // When the hub sent what is being received.
  bool answered_ = false;
  bool subscribed_ = false;
  std::vector<Held> held_;
  std::optional<uint64_t> last_acknowledged_;  // Event.
};

}  // namespace linarite::sim
