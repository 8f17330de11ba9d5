// The publisher of a plain MQTT broker.
#pragma once

#include "load/mqtt_client.h"
#include "load/sender.h"

namespace linarite::load {

class MqttSender final : public Sender, private MqttSink {
 public:
  MqttSender(Session& session, SenderSink& sink);

  bool ready() const override { return client_ != nullptr; }
  size_t room() const override { return client_->room(); }
  // To the topic that the hub would deliver on.
  void send(size_t device, ByteView payload, uint64_t token) override;
  void flush() override { client_->flush(); }

 private:
  void on_ready(MqttClient& client) override { client_ = &client; }
  void on_puback(MqttClient& client, uint64_t token) override;

  SenderSink& sink_;
  MqttClient* client_ = nullptr;
};

}  // namespace linarite::load
