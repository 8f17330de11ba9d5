// A back end with one sender link to /messages/devicebound.
#pragma once

#include <string>
#include <vector>

#include "load/amqp_client.h"
#include "load/sender.h"

namespace linarite::load {

class AmqpSender final : public Sender, private AmqpClient {
 public:
  AmqpSender(Session& session, SenderSink& sink);

  bool ready() const override { return engine() != nullptr && engine()->credit(link_) > 0; }
  size_t room() const override;
  void send(size_t device, ByteView payload, uint64_t token) override;
  void flush() override { flush_output(); }

 private:
  void on_session(amqp::SessionId session) override;
  void on_link_event(const amqp::Event& event) override;
  void handle_outcome(const amqp::DeliveryUpdated& update);

  SenderSink& sink_;
  amqp::LinkId link_{};
  size_t unsettled_ = 0;
  std::vector<uint64_t> tokens_;  // By the low bits of the delivery id.
  Bytes message_;
};

}  // namespace linarite::load
