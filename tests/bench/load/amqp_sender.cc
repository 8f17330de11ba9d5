#include "load/amqp_sender.h"

#include <algorithm>

#include "amqp/message.h"

namespace linarite::load {
namespace {

// More than a link's credit; the engine allows no more unsettled deliveries than this anyway.
constexpr size_t kUnsettledMax = 32'768;

}  // namespace

AmqpSender::AmqpSender(Session& session, SenderSink& sink)
    : AmqpClient(session), sink_(sink), tokens_(kUnsettledMax) {}

void AmqpSender::on_link_event(const amqp::Event& event) {
  if (const auto* update = std::get_if<amqp::DeliveryUpdated>(&event)) {
    handle_outcome(*update);
  } else if (std::holds_alternative<amqp::CreditChanged>(event)) {
    sink_.on_room();
  }
}

void AmqpSender::on_session(amqp::SessionId session) {
  amqp::Attach attach;
  attach.name = "c2d";
  attach.role = amqp::Role::kSender;
  attach.source = amqp::Source{.address = "hub_load"};
  attach.target = amqp::Target{.address = "/messages/devicebound"};
  const auto link = engine()->attach(session, std::move(attach));
  if (!link) give_up("AMQP: " + link.error().message);
  link_ = *link;
}

void AmqpSender::handle_outcome(const amqp::DeliveryUpdated& update) {
  if (!update.state.is_terminal()) return;
  if (!update.settled) engine()->settle(link_, update.delivery_id, update.state);
  --unsettled_;
  const uint64_t token = tokens_[update.delivery_id % kUnsettledMax];
  if (update.state.kind == amqp::StateKind::kAccepted) {
    sink_.on_accepted(token);
  } else {
    const bool says_why = update.state.error != nullptr;
    sink_.on_refused(token, says_why ? update.state.error->description : "no reason given");
  }
  sink_.on_room();
}

size_t AmqpSender::room() const {
  return std::min<size_t>(engine()->credit(link_), kUnsettledMax - unsettled_);
}

void AmqpSender::send(size_t device, ByteView payload, uint64_t token) {
  amqp::Properties properties;
  properties.message_id = amqp::Value::string(fmt::format("m{}", token));
  properties.to = "/devices/" + Session::device_id(device) + "/messages/devicebound";
  message_.clear();
  amqp::write_properties(properties, message_);
  amqp::write_data(payload, message_);
  const auto delivery = engine()->send(link_, fmt::format("{}", token), message_);
  if (!delivery) give_up("AMQP: " + delivery.error().message);
  tokens_[*delivery % kUnsettledMax] = token;
  ++unsettled_;
}

}  // namespace linarite::load
