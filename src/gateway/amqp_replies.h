// Requests and replies on links: the form of $cbs and $management. Requests come on one link,
// replies leave on another that the peer attached to receive them (service-protocol 1.5, 4.4).
#pragma once

#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "amqp/message.h"
#include "gateway/amqp_link.h"

namespace linarite::gateway {

inline constexpr uint32_t kRequestCredit = 100;
// Of one request. A token and its name are less than half of it, and who sends them is not yet
// known.
inline constexpr uint64_t kRequestSizeMax = uint64_t{16} << 10U;

// What identifies a request until it is answered.
struct AmqpRequest {
  amqp::LinkId link;
  std::string reply_to;
  amqp::Value message_id;
};

struct AmqpReply {
  int32_t code = 200;
  std::string description = "OK";
  std::string condition{};  // Left out when empty.
  amqp::Value body{};

  static AmqpReply failure(const Error& error, bool with_condition);
};

// A string of a message's application properties; nothing if absent or of another type.
std::optional<std::string_view> string_property(const amqp::MessageView& message,
                                                std::string_view name);

// The replies of one node of one connection. They wait here until the link they are for has credit.
// A request takes a place of the credit until its reply has left, so no more than kRequestCredit
// replies wait for each request link.
class AmqpReplies {
 public:
  explicit AmqpReplies(AmqpPeer& peer) : peer_(peer) {}

  // A link's session and the entity that it named, by which requests and replies find together
  // when the request names no address to reply to.
  struct Place {
    amqp::SessionId session{};
    std::string entity{};
    bool operator==(const Place&) const = default;
  };

  void add_request_link(amqp::LinkId link, Place place);
  void remove_request_link(amqp::LinkId link);
  void add_reply_link(amqp::LinkId link, Place place, std::string name, std::string target);
  void remove_reply_link(amqp::LinkId link);

  // Grants the first credit of a request link.
  void open(amqp::LinkId link) { peer_.engine.grant_credit(link, kRequestCredit); }
  // Settles a request and reads it. `view` is the message, kDeserializationError if it is none; in
  // both cases the request must be answered, now or later.
  AmqpRequest take(amqp::LinkId link, const amqp::MessageReceived& received,
                   Result<amqp::MessageView>& view);
  // A no-op if the request's link is gone.
  void reply(const AmqpRequest& request, const AmqpReply& reply);
  // Sends what waits, as far as there are links with credit.
  void flush();

 private:
  struct RequestLink {
    Place place;
    uint32_t taken = 0;  // Requests whose reply has not left.
  };
  struct ReplyLink {
    amqp::LinkId id;
    Place place;
    std::string name;
    std::string target;
  };
  struct Waiting {
    amqp::LinkId request_link;
    std::string reply_to;
    Bytes message;
  };
  const ReplyLink* link_for(const Waiting& reply) const;
  void left(amqp::LinkId request_link);

  AmqpPeer& peer_;
  std::map<amqp::LinkId, RequestLink> request_links_;
  std::vector<ReplyLink> reply_links_;
  std::deque<Waiting> waiting_;
  uint64_t last_tag_ = 0;
};

// A link on which replies leave.
class AmqpReplyLink final : public AmqpLink {
 public:
  AmqpReplyLink(AmqpPeer& peer, const amqp::LinkRequested& request, AmqpReplies& replies,
                std::string entity, std::optional<AmqpRight> right);
  ~AmqpReplyLink() override { replies_.remove_reply_link(id_); }

  std::optional<AmqpRight> right() const override { return right_; }
  void on_attached() override { replies_.flush(); }
  void on_credit(const amqp::CreditChanged& credit) override;
  void on_updated(const amqp::DeliveryUpdated& update) override;

 private:
  AmqpReplies& replies_;
  const std::optional<AmqpRight> right_;
};

}  // namespace linarite::gateway
