// The $cbs node of one connection: put-token requests and their replies (service-protocol 1.5).
#pragma once

#include <functional>
#include <utility>

#include "gateway/amqp_replies.h"

namespace linarite::gateway {

// A connection with this many refused tokens in a row is closed.
inline constexpr uint32_t kCbsFailuresMax = 10;

class AmqpCbs {
 public:
  explicit AmqpCbs(AmqpPeer& peer) : peer_(peer), replies_(peer) {}

  // One put-token request. True if the connection has had too many refusals.
  bool handle(amqp::LinkId link, const amqp::MessageReceived& message);
  AmqpReplies& replies() { return replies_; }

 private:
  Status put_token(const amqp::MessageView& request);

  AmqpPeer& peer_;
  AmqpReplies replies_;
  uint32_t failures_ = 0;
};

// The link on which put-token requests come.
class AmqpCbsRequestLink final : public AmqpLink {
 public:
  // `give_up` ends the connection after too many refusals.
  AmqpCbsRequestLink(AmqpPeer& peer, const amqp::LinkRequested& request, AmqpCbs& cbs,
                     std::function<void()> give_up)
      : AmqpLink(peer, request.link), cbs_(cbs), give_up_(std::move(give_up)) {
    cbs_.replies().add_request_link(id_, {request.session, {}});
  }
  ~AmqpCbsRequestLink() override { cbs_.replies().remove_request_link(id_); }

  void on_attached() override { cbs_.replies().open(id_); }
  void on_message(const amqp::MessageReceived& message) override;

 private:
  AmqpCbs& cbs_;
  std::function<void()> give_up_;
};

}  // namespace linarite::gateway
