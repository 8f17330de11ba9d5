// A back end: one AMQP connection, authenticated by SASL PLAIN with the policy's token, with one
// sender link to /messages/devicebound.
#pragma once

#include <string>
#include <vector>

#include "amqp/connection.h"
#include "load/sender.h"

namespace linarite::load {

class AmqpSender final : public Sender {
 public:
  AmqpSender(Session& session, SenderSink& sink);

  bool ready() const override { return engine_ != nullptr && engine_->credit(link_) > 0; }
  size_t room() const override;
  void send(size_t device, ByteView payload, uint64_t token) override;
  void flush() override;

 private:
  class Handler;

  void on_stream(net::Stream& stream);
  void on_bytes(ByteView bytes);
  void handle_events();
  void handle(const amqp::Event& event);
  void handle_outcome(const amqp::DeliveryUpdated& update);
  void attach(amqp::SessionId session);
  void keep_alive();

  Session& session_;
  SenderSink& sink_;
  net::Stream* stream_ = nullptr;
  std::unique_ptr<amqp::Connection> engine_;
  amqp::Events events_;
  amqp::LinkId link_{};
  size_t unsettled_ = 0;
  std::vector<uint64_t> tokens_;  // By the low bits of the delivery id.
  Bytes message_;
};

}  // namespace linarite::load
