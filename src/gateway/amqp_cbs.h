// The $cbs node of one connection: put-token requests and their replies (service-protocol 1.5).
#pragma once

#include "gateway/amqp_replies.h"

namespace linarite::gateway {

class AmqpCbs {
 public:
  explicit AmqpCbs(AmqpPeer& peer) : peer_(peer), replies_(peer) {}

  // One put-token request.
  void handle(amqp::LinkId link, const amqp::MessageReceived& message);
  AmqpReplies& replies() { return replies_; }

 private:
  Status put_token(const amqp::MessageView& request);

  AmqpPeer& peer_;
  AmqpReplies replies_;
};

// The link on which put-token requests come.
class AmqpCbsRequestLink final : public AmqpLink {
 public:
  AmqpCbsRequestLink(AmqpPeer& peer, const amqp::LinkRequested& request, AmqpCbs& cbs)
      : AmqpLink(peer, request.link), cbs_(cbs) {
    cbs_.replies().add_request_link(id_, {request.session, {}});
  }
  ~AmqpCbsRequestLink() override { cbs_.replies().remove_request_link(id_); }

  void shape(amqp::Connection::Acceptance& acceptance) const override {
    acceptance.max_message_size = kRequestSizeMax;
  }
  void on_attached() override { cbs_.replies().open(id_); }
  void on_message(const amqp::MessageReceived& message) override { cbs_.handle(id_, message); }

 private:
  AmqpCbs& cbs_;
};

}  // namespace linarite::gateway
