// The $cbs node of one connection: put-token requests come on its receiving link, replies leave on
// the links that the peer attached to receive them (service-protocol 1.5).
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "amqp/message.h"
#include "gateway/amqp_link.h"

namespace linarite::gateway {

inline constexpr uint32_t kCbsCredit = 100;
// A connection with this many refused tokens in a row is closed.
inline constexpr uint32_t kCbsFailuresMax = 10;

// Replies wait here until the link they are for has credit. Requests take a place of the credit
// until their reply has left, so no more than kCbsCredit replies wait for each request link.
class AmqpCbs {
 public:
  explicit AmqpCbs(AmqpPeer& peer) : peer_(peer) {}

  // One put-token request. True if the connection has had too many refusals.
  bool handle(amqp::LinkId link, const amqp::MessageReceived& message);

  // A link on which the peer receives replies came or went.
  void add_reply_link(amqp::LinkId link, std::string name, std::string target);
  void remove_reply_link(amqp::LinkId link);
  void remove_request_link(amqp::LinkId link);

  // Sends what waits, as far as there are links with credit.
  void flush();

 private:
  struct ReplyLink {
    amqp::LinkId id;
    std::string name;
    std::string target;
  };
  struct Reply {
    amqp::LinkId request_link;
    std::string reply_to;
    Bytes message;
  };
  Status put_token(const amqp::MessageView& request);
  const ReplyLink* link_for(const Reply& reply) const;
  void top_up(amqp::LinkId request_link);

  AmqpPeer& peer_;
  std::vector<ReplyLink> reply_links_;
  std::deque<Reply> replies_;
  uint64_t last_tag_ = 0;
  uint32_t failures_ = 0;
};

// The link on which put-token requests come.
class AmqpCbsRequestLink final : public AmqpLink {
 public:
  // `give_up` ends the connection after too many refusals.
  AmqpCbsRequestLink(AmqpPeer& peer, amqp::LinkId id, AmqpCbs& cbs, std::function<void()> give_up)
      : AmqpLink(peer, id), cbs_(cbs), give_up_(std::move(give_up)) {}
  ~AmqpCbsRequestLink() override { cbs_.remove_request_link(id_); }

  void on_attached() override { peer_.engine.grant_credit(id_, kCbsCredit); }
  void on_message(const amqp::MessageReceived& message) override;

 private:
  AmqpCbs& cbs_;
  std::function<void()> give_up_;
};

// A link on which replies leave.
class AmqpCbsReplyLink final : public AmqpLink {
 public:
  AmqpCbsReplyLink(AmqpPeer& peer, amqp::LinkId id, AmqpCbs& cbs, const amqp::Attach& attach);
  ~AmqpCbsReplyLink() override { cbs_.remove_reply_link(id_); }

  void on_attached() override { cbs_.flush(); }
  void on_credit(const amqp::CreditChanged& credit) override;
  void on_updated(const amqp::DeliveryUpdated& update) override;

 private:
  AmqpCbs& cbs_;
};

}  // namespace linarite::gateway
