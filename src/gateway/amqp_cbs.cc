#include "gateway/amqp_cbs.h"

#include <prometheus/counter.h>

#include <algorithm>

#include "base/text.h"
#include "wire/error_table.h"

namespace linarite::gateway {
namespace {

constexpr std::string_view kSasTokenType = "servicebus.windows.net:sastoken";

// A string of the application properties; nothing if absent or of another type.
std::optional<std::string_view> property(const amqp::MessageView& message, std::string_view name) {
  if (message.application_properties.is_null()) return std::nullopt;
  amqp::MapReader reader(message.application_properties);
  amqp::ValueView key;
  amqp::ValueView value;
  while (reader.next(key, value)) {
    if (key.bytes == name && value.type == amqp::Type::kString) return value.bytes;
  }
  return std::nullopt;
}

std::optional<std::string_view> text_body(const amqp::MessageView& message) {
  ByteView bytes = message.body;
  amqp::ValueView value;
  if (message.body_kind != amqp::BodyKind::kValue || !amqp::read_value(bytes, value) ||
      value.type != amqp::Type::kString) {
    return std::nullopt;
  }
  return value.bytes;
}

// The correlation-id is the request's message-id with its type: uAMQP reads a ulong, others a uuid.
Bytes reply_message(const amqp::Value& correlation_id, const Status& status) {
  amqp::Message reply;
  reply.properties.correlation_id = correlation_id;
  int32_t code = 200;
  std::string description = "OK";
  if (!status) {
    const auto& row = wire::error_row(status.error().code);
    code = row.http_status;
    description = status.error().message.empty() ? std::string(row.text) : status.error().message;
  }
  reply.application_properties = amqp::Value::map(
      {amqp::Value::string("status-code"), amqp::Value::from_int32(code),
       amqp::Value::string("status-description"), amqp::Value::string(std::move(description))});
  reply.body_kind = amqp::BodyKind::kValue;
  Bytes out;
  amqp::write_message(reply, out);
  return out;
}

}  // namespace

bool AmqpCbs::handle(amqp::LinkId link, const amqp::MessageReceived& received) {
  amqp::MessageView request;
  amqp::Value correlation_id;
  std::string reply_to;
  Status status = amqp::read_message(received.payload, request);
  if (status) {
    if (!request.properties.message_id.is_null()) {
      if (auto id = amqp::decode_value(request.properties.message_id))
        correlation_id = *std::move(id);
    }
    reply_to = request.properties.reply_to.value_or("");
    status = put_token(request);
  } else {
    status = fail(ErrorCode::kDeserializationError, status.error().message);
  }
  // Settled first: uAMQP takes a reply to an unsettled request for a failure.
  if (!received.settled) {
    peer_.engine.settle(link, received.delivery_id, amqp::DeliveryState::accepted());
  }
  (status ? peer_.metrics.tokens_accepted : peer_.metrics.tokens_refused).Increment();
  failures_ = status ? 0 : failures_ + 1;
  replies_.push_back({link, std::move(reply_to), reply_message(correlation_id, status)});
  flush();
  if (status) peer_.claims_changed();
  return failures_ >= kCbsFailuresMax;
}

Status AmqpCbs::put_token(const amqp::MessageView& request) {
  if (!equal_ignoring_case(property(request, "operation").value_or(""), "put-token")) {
    return fail(ErrorCode::kArgumentInvalid, "the operation is not put-token");
  }
  const auto type = property(request, "type");
  const auto name = property(request, "name");
  const auto token = text_body(request);
  if (!type || !name || name->empty() || name->size() > kCbsTokenNameSizeMax) {
    return fail(ErrorCode::kArgumentInvalid, "type or name is missing");
  }
  if (!token) return fail(ErrorCode::kArgumentInvalid, "the body is not a string");
  if (equal_ignoring_case(*type, "bearer") || equal_ignoring_case(*type, "jwt")) {
    return fail(ErrorCode::kIotHubUnauthorizedAccess, "no token issuer is configured");
  }
  if (!equal_ignoring_case(*type, kSasTokenType)) {
    return fail(ErrorCode::kArgumentInvalid, "the token type is not supported");
  }
  return peer_.claims.put(std::string(*name), *token);
}

void AmqpCbs::add_reply_link(amqp::LinkId link, std::string name, std::string target) {
  reply_links_.push_back({link, std::move(name), std::move(target)});
}

void AmqpCbs::remove_reply_link(amqp::LinkId link) {
  std::erase_if(reply_links_, [link](const ReplyLink& entry) { return entry.id == link; });
}

void AmqpCbs::remove_request_link(amqp::LinkId link) {
  std::erase_if(replies_, [link](const Reply& reply) { return reply.request_link == link; });
}

// reply-to is the target or the name of the link to answer on; with one link it does not matter.
const AmqpCbs::ReplyLink* AmqpCbs::link_for(const Reply& reply) const {
  for (const ReplyLink& link : reply_links_) {
    if (reply.reply_to.empty()) break;
    if (link.target == reply.reply_to || link.name == reply.reply_to) return &link;
  }
  return reply_links_.empty() ? nullptr : &reply_links_.front();
}

void AmqpCbs::flush() {
  std::deque<Reply> waiting;
  while (!replies_.empty()) {
    Reply reply = std::move(replies_.front());
    replies_.pop_front();
    const ReplyLink* link = link_for(reply);
    Bytes tag;
    ByteWriter(tag).number(++last_tag_);
    if (link == nullptr || !peer_.engine.send(link->id, tag, reply.message)) {
      waiting.push_back(std::move(reply));
      continue;
    }
    top_up(reply.request_link);
  }
  replies_ = std::move(waiting);
}

void AmqpCbs::top_up(amqp::LinkId request_link) {
  const auto waiting =
      static_cast<uint32_t>(std::ranges::count(replies_, request_link, &Reply::request_link));
  const uint32_t now = peer_.engine.credit(request_link);
  const uint32_t wanted = waiting < kCbsCredit ? kCbsCredit - waiting : 0;
  if (now <= kCbsCredit / 2 && wanted > now) peer_.engine.grant_credit(request_link, wanted);
}

void AmqpCbsRequestLink::on_message(const amqp::MessageReceived& message) {
  if (cbs_.handle(id_, message)) give_up_();
}

AmqpCbsReplyLink::AmqpCbsReplyLink(AmqpPeer& peer, amqp::LinkId id, AmqpCbs& cbs,
                                   const amqp::Attach& attach)
    : AmqpLink(peer, id), cbs_(cbs) {
  std::string target;
  if (attach.target && attach.target->address) target = *attach.target->address;
  cbs_.add_reply_link(id, attach.name, std::move(target));
}

void AmqpCbsReplyLink::on_credit(const amqp::CreditChanged& credit) {
  cbs_.flush();
  if (credit.drain) peer_.engine.drained(id_);
}

void AmqpCbsReplyLink::on_updated(const amqp::DeliveryUpdated& update) {
  if (!update.settled) {
    peer_.engine.settle(id_, update.delivery_id, amqp::DeliveryState::accepted());
  }
}

}  // namespace linarite::gateway
