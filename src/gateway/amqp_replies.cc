#include "gateway/amqp_replies.h"

#include <algorithm>
#include <utility>

#include "wire/error_table.h"

namespace linarite::gateway {
namespace {

// The correlation-id is the request's message-id with its type: uAMQP reads a ulong, others a uuid.
Bytes reply_message(const amqp::Value& correlation_id, const AmqpReply& reply) {
  amqp::Message message;
  message.properties.correlation_id = correlation_id;
  std::vector<amqp::Value> properties = {
      amqp::Value::string("status-code"), amqp::Value::from_int32(reply.code),
      amqp::Value::string("status-description"), amqp::Value::string(reply.description)};
  if (!reply.condition.empty()) {
    properties.push_back(amqp::Value::string("error-condition"));
    properties.push_back(amqp::Value::symbol(reply.condition));
  }
  message.application_properties = amqp::Value::map(std::move(properties));
  message.body_kind = amqp::BodyKind::kValue;
  message.value = reply.body;
  Bytes out;
  amqp::write_message(message, out);
  return out;
}

}  // namespace

AmqpReply AmqpReply::failure(const Error& error, bool with_condition) {
  const auto& row = wire::error_row(error.code);
  AmqpReply reply{.code = row.http_status,
                  .description = error.message.empty() ? std::string(row.text) : error.message};
  if (with_condition) reply.condition = row.amqp_condition;
  return reply;
}

std::optional<std::string_view> string_property(const amqp::MessageView& message,
                                                std::string_view name) {
  if (message.application_properties.is_null()) return std::nullopt;
  amqp::MapReader reader(message.application_properties);
  amqp::ValueView key;
  amqp::ValueView value;
  while (reader.next(key, value)) {
    if (key.bytes == name && value.type == amqp::Type::kString) return value.bytes;
  }
  return std::nullopt;
}

void AmqpReplies::add_request_link(amqp::LinkId link, Place place) {
  request_links_.emplace(link, RequestLink{std::move(place)});
}

void AmqpReplies::remove_request_link(amqp::LinkId link) {
  request_links_.erase(link);
  std::erase_if(waiting_, [link](const Waiting& reply) { return reply.request_link == link; });
}

void AmqpReplies::add_reply_link(amqp::LinkId link, Place place, std::string name,
                                 std::string target) {
  reply_links_.push_back({link, std::move(place), std::move(name), std::move(target)});
}

void AmqpReplies::remove_reply_link(amqp::LinkId link) {
  std::erase_if(reply_links_, [link](const ReplyLink& entry) { return entry.id == link; });
}

AmqpRequest AmqpReplies::take(amqp::LinkId link, const amqp::MessageReceived& received,
                              Result<amqp::MessageView>& view) {
  AmqpRequest request{.link = link};
  view.emplace();
  if (const Status read = amqp::read_message(received.payload, *view); !read) {
    view = fail(ErrorCode::kDeserializationError, read.error().message);
  } else {
    const amqp::PropertiesView& properties = view->properties;
    if (!properties.message_id.is_null()) {
      if (auto id = amqp::decode_value(properties.message_id)) request.message_id = *std::move(id);
    }
    request.reply_to = properties.reply_to.value_or("");
  }
  // Settled first: uAMQP takes a reply to an unsettled request for a failure.
  if (!received.settled) {
    peer_.engine.settle(link, received.delivery_id, amqp::DeliveryState::accepted());
  }
  ++request_links_[link].taken;
  return request;
}

void AmqpReplies::reply(const AmqpRequest& request, const AmqpReply& reply) {
  if (!request_links_.contains(request.link)) return;
  waiting_.push_back({request.link, request.reply_to, reply_message(request.message_id, reply)});
  flush();
}

// reply-to is the target or the name of the link to answer on. Without it the answer goes to the
// link that lies where the request's does: az has another receiver on $management, which it does
// not read.
const AmqpReplies::ReplyLink* AmqpReplies::link_for(const Waiting& reply) const {
  for (const ReplyLink& link : reply_links_) {
    if (reply.reply_to.empty()) break;
    if (link.target == reply.reply_to || link.name == reply.reply_to) return &link;
  }
  const Place& wanted = request_links_.at(reply.request_link).place;
  const auto score = [&wanted](const ReplyLink& link) {
    return (link.place.entity == wanted.entity ? 2 : 0) +
           (link.place.session == wanted.session ? 1 : 0);
  };
  const auto best = std::ranges::max_element(reply_links_, {}, score);
  return best == reply_links_.end() ? nullptr : &*best;
}

void AmqpReplies::flush() {
  std::deque<Waiting> waiting;
  while (!waiting_.empty()) {
    Waiting reply = std::move(waiting_.front());
    waiting_.pop_front();
    const ReplyLink* link = link_for(reply);
    Bytes tag;
    ByteWriter(tag).number(++last_tag_);
    if (link == nullptr || !peer_.engine.send(link->id, tag, reply.message)) {
      waiting.push_back(std::move(reply));
      continue;
    }
    left(reply.request_link);
  }
  waiting_ = std::move(waiting);
}

// Tops the credit up.
void AmqpReplies::left(amqp::LinkId request_link) {
  uint32_t& taken = request_links_.at(request_link).taken;
  if (taken > 0) --taken;
  const uint32_t now = peer_.engine.credit(request_link);
  const uint32_t wanted = taken < kRequestCredit ? kRequestCredit - taken : 0;
  if (now <= kRequestCredit / 2 && wanted > now) peer_.engine.grant_credit(request_link, wanted);
}

AmqpReplyLink::AmqpReplyLink(AmqpPeer& peer, const amqp::LinkRequested& request,
                             AmqpReplies& replies, std::string entity,
                             std::optional<AmqpRight> right)
    : AmqpLink(peer, request.link), replies_(replies), right_(std::move(right)) {
  const amqp::Attach& attach = *request.attach;
  std::string target;
  if (attach.target && attach.target->address) target = *attach.target->address;
  replies_.add_reply_link(id_, {request.session, std::move(entity)}, attach.name,
                          std::move(target));
}

void AmqpReplyLink::on_credit(const amqp::CreditChanged& credit) {
  replies_.flush();
  if (credit.drain) peer_.engine.drained(id_);
}

void AmqpReplyLink::on_updated(const amqp::DeliveryUpdated& update) {
  if (!update.settled) {
    peer_.engine.settle(id_, update.delivery_id, amqp::DeliveryState::accepted());
  }
}

}  // namespace linarite::gateway
