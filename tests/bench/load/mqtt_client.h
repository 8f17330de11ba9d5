// One MQTT connection of the load: a device, or the publisher of a plain broker.
#pragma once

#include <string>
#include <vector>

#include "load/session.h"
#include "mqtt/connection.h"

namespace linarite::load {

class MqttClient;

// What the clients of a run tell it. Loop only.
class MqttSink {
 public:
  virtual ~MqttSink() = default;
  // Connected, and subscribed if a filter was given.
  virtual void on_ready(MqttClient& /*client*/) {}
  // The PUBACK for it is on its way already.
  virtual void on_message(MqttClient& /*client*/, const mqtt::Publish& /*publish*/) {}
  virtual void on_puback(MqttClient& /*client*/, uint64_t /*token*/) {}
  // After disconnect(); the client is gone when this returns. Any other end gives up.
  virtual void on_disconnected(size_t /*number*/) {}
};

struct MqttLogin {
  size_t number = 0;  // Of the device.
  std::string client_id;
  std::string user_name;
  std::string password;
  std::string filter;  // Subscribed to with QoS 1; empty: no subscription.
  bool clean_session = false;
};

// Owned by its stream.
class MqttClient final : public net::StreamHandler, private mqtt::Events {
 public:
  MqttClient(Session& session, net::Stream& stream, MqttLogin login, MqttSink& sink);

  size_t number() const { return login_.number; }
  size_t room() const { return engine_.window_free(); }
  // QoS 1; bytes leave with the next flush().
  void publish(const std::string& topic, ByteView payload, uint64_t token);
  void flush();
  // Says goodbye and closes. Only from a call of the sink.
  void disconnect() { engine_.disconnect(); }

  void on_bytes(ByteView bytes) override;
  void on_closed(net::CloseReason reason) override;

 private:
  void on_connack(const mqtt::ConnAck& connack) override;
  void on_suback(uint64_t token, ByteView codes) override;
  void on_publish(const mqtt::Publish& publish) override;
  void on_puback(uint64_t token) override { sink_.on_puback(*this, token); }
  void on_protocol_error(const Error& error) override;
  void on_timeout(Timeout /*timeout*/) override { give_up("an MQTT time-out"); }

  Session& session_;
  net::Stream& stream_;
  MqttLogin login_;
  MqttSink& sink_;
  mqtt::Connection engine_;
};

// The login of device `number`. A plain broker gets the same packet and does not check it.
MqttLogin device_login(const Session& session, size_t number);

// The devices of a run, each with a kept session and, unless told otherwise, its cloud-to-device
// subscription. They tell `sink` what happens, which must outlive the loop's last turn.
class Fleet final : private MqttSink {
 public:
  enum class Subscriptions { kCloudToDevice, kNone };
  Fleet(Session& session, MqttSink& sink,
        Subscriptions subscriptions = Subscriptions::kCloudToDevice)
      : session_(session), sink_(sink), subscriptions_(subscriptions) {}

  // Connects until there are `count`, with options.parallel handshakes under way.
  void grow_to(size_t count);
  MqttClient& operator[](size_t number) { return *clients_[number]; }
  size_t size() const { return clients_.size(); }

 private:
  void open_next();
  void on_ready(MqttClient& client) override;
  void on_message(MqttClient& client, const mqtt::Publish& publish) override {
    sink_.on_message(client, publish);
  }
  void on_puback(MqttClient& client, uint64_t token) override { sink_.on_puback(client, token); }

  Session& session_;
  MqttSink& sink_;
  const Subscriptions subscriptions_;
  std::vector<MqttClient*> clients_;
  size_t opened_ = 0;
  size_t ready_ = 0;
};

}  // namespace linarite::load
