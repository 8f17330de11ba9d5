#include "sim/amqp_back_end.h"

#include <fmt/format.h>

#include "amqp/client_attach.h"
#include "amqp/message.h"
#include "base/text.h"
#include "sim/amqp_rules.h"
#include "sim/feedback_text.h"

namespace linarite::sim {
namespace {

using amqp::Value;

constexpr uint32_t kFeedbackCredit = 3;

std::shared_ptr<const amqp::ConnectionOptions> options_for(const std::string& token, bool cbs) {
  amqp::ConnectionOptions options{.server = false, .container_id = "backend"};
  if (cbs) {
    options.sasl_mechanism = "MSSBCBS";
  } else {
    options.sasl_mechanism = "PLAIN";
    options.sasl_initial_response = Bytes(1, '\0') + "service@sas.root.127" + '\0' + token;
  }
  return std::make_shared<const amqp::ConnectionOptions>(std::move(options));
}

Bytes message_bytes(const std::string& to, const std::string& id, wire::Ack ack, WallTime expiry,
                    Bytes body) {
  amqp::Message message;
  message.properties.message_id = Value::string(id);
  message.properties.to = to;
  message.properties.absolute_expiry_time_ms = expiry.time_since_epoch().count();
  if (ack != wire::Ack::kNone) {
    message.application_properties =
        Value::map({Value::string("iothub-ack"), Value::string(std::string(wire::ack_word(ack)))});
  }
  message.body_kind = amqp::BodyKind::kData;
  message.data.push_back(std::move(body));
  Bytes out;
  amqp::write_message(message, out);
  return out;
}

// The number of Azure's error in the description; 0 if there is none.
int32_t error_number(const amqp::DeliveryState& state) {
  if (!state.error) return 0;
  const std::string& text = state.error->description;
  const std::string_view name = "\"errorCode\":";
  const auto at = text.find(name);
  if (at == std::string::npos) return 0;
  return whole_number<int32_t>(std::string_view(text).substr(at + name.size(), 6)).value_or(0);
}

}  // namespace

NetworkWorld::AmqpBackEnd::AmqpBackEnd(NetworkWorld& world, Connection& connection, Login login)
    : world_(world), connection_(connection), login_(std::move(login)) {
  engine_.emplace(options_for(login_.token, login_.cbs), world.clock_.now());
  flush();
}

void NetworkWorld::AmqpBackEnd::flush() {
  connection_.send(engine_->output());
  engine_->clear_output();
}

void NetworkWorld::AmqpBackEnd::receive(ByteView bytes, Moment sent) {
  sent_ = sent;
  amqp::Events events;
  engine_->receive(bytes, world_.clock_.now(), events);
  handle(events);
}

void NetworkWorld::AmqpBackEnd::tick() {
  const auto deadline = engine_->deadline();
  if (!deadline || *deadline > world_.clock_.now()) return;
  amqp::Events events;
  engine_->tick(world_.clock_.now(), events);
  handle(events);
}

void NetworkWorld::AmqpBackEnd::handle(amqp::Events& events) {
  for (const amqp::Event& event : events) {
    std::visit([this](const auto& e) { on(e); }, event);
  }
  flush();
  if (engine_->closed()) connection_.close();
}

void NetworkWorld::AmqpBackEnd::on(const amqp::Closed& event) {
  world_.trace("amqp closed", connection_.number(), static_cast<uint64_t>(event.cause));
  if (event.cause == amqp::Closed::Cause::kProtocol && !login_.hostile) {
    world_.fail("the gateway broke AMQP: " +
                (event.error ? event.error->description : std::string()));
  }
}

void NetworkWorld::AmqpBackEnd::on(const amqp::Opened& /*event*/) {
  if (const auto begun = engine_->begin_session()) session_ = *begun;
}

void NetworkWorld::AmqpBackEnd::on(const amqp::SessionBegun& /*event*/) {
  if (!login_.cbs) return logged_in();
  cbs_requests_ = attach(amqp::Role::kSender, "$cbs");
  cbs_replies_ = attach(amqp::Role::kReceiver, "$cbs");
  if (cbs_replies_) engine_->grant_credit(*cbs_replies_, 10);
}

void NetworkWorld::AmqpBackEnd::on(const amqp::SessionEnded& event) {
  ready_ = false;
  judge_end(event.error);
}

void NetworkWorld::AmqpBackEnd::judge_end(const std::shared_ptr<const amqp::Error>& error) {
  const auto rule = broken_rule(error);
  if (rule && !login_.hostile) world_.fail(*rule);
}

std::optional<amqp::LinkId> NetworkWorld::AmqpBackEnd::attach(amqp::Role role,
                                                              const std::string& address) {
  amqp::Attach body = amqp::client_attach(fmt::format("link{}", ++last_link_), role, address);
  if (second_mode_) body.rcv_settle_mode = amqp::ReceiverSettleMode::kSecond;
  const auto link = engine_->attach(session_, body);
  return link ? std::optional(*link) : std::nullopt;
}

void NetworkWorld::AmqpBackEnd::on(const amqp::LinkAttached& event) {
  if (event.link == feedback_) engine_->grant_credit(*feedback_, kFeedbackCredit);
}

// By the end of the token, mostly.
void NetworkWorld::AmqpBackEnd::on(const amqp::LinkDetached& event) {
  judge_end(event.error);
  if (event.link == sender_) sender_.reset();
  if (event.link == feedback_) {
    feedback_.reset();
    held_.clear();
    accepting_.clear();
  }
}

void NetworkWorld::AmqpBackEnd::put_token() {
  amqp::Message message;
  message.properties.message_id = Value::string("request");
  message.properties.to = "$cbs";
  message.application_properties =
      Value::map({Value::string("operation"), Value::string("put-token"), Value::string("type"),
                  Value::string("servicebus.windows.net:sastoken"), Value::string("name"),
                  Value::string("127.0.0.1")});
  message.body_kind = amqp::BodyKind::kValue;
  message.value = Value::string(login_.token);
  Bytes bytes;
  amqp::write_message(message, bytes);
  token_put_ = engine_->send(*cbs_requests_, "token", bytes).has_value();
}

void NetworkWorld::AmqpBackEnd::logged_in() {
  ready_ = true;
  sender_ = attach(amqp::Role::kSender, "/messages/devicebound");
  if (login_.hostile || world_.chance(3)) return;
  second_mode_ = world_.chance(2);
  feedback_ = attach(amqp::Role::kReceiver, "/messages/serviceBound/feedback");
}

void NetworkWorld::AmqpBackEnd::on(const amqp::MessageReceived& event) {
  if (event.link == feedback_) return take_feedback(event);
  if (event.link != cbs_replies_) return;
  if (!event.settled) {
    engine_->settle(event.link, event.delivery_id, amqp::DeliveryState::accepted());
  }
  if (!ready_) logged_in();
}

// Sending.

void NetworkWorld::AmqpBackEnd::send() {
  if (!sender_ || engine_->credit(*sender_) == 0) return;
  const auto message = world_.new_message(connection_.number());
  const Bytes bytes = message_bytes(
      "/devices/" + device_name(message.device) + "/messages/devicebound",
      std::to_string(message.index), message.ack, message.expiry, world_.body_of(message.index));
  const auto sent = engine_->send(*sender_, "tag", bytes);
  if (!sent) return world_.fail("a message could not be sent: " + sent.error().message);
  unanswered_.emplace(*sent, message.index);
}

void NetworkWorld::AmqpBackEnd::send_hostile() {
  if (!sender_ || engine_->credit(*sender_) == 0) return;
  const std::string text = fmt::format("hostile {}", ++last_hostile_);
  (void)engine_->send(*sender_, "tag",
                      message_bytes("/devices/hostile/messages/devicebound", text, wire::Ack::kNone,
                                    world_.wall() + std::chrono::hours(1), text));
}

void NetworkWorld::AmqpBackEnd::on(const amqp::DeliveryUpdated& event) {
  if (event.link == sender_) answered(event.delivery_id, event.state);
  if (!event.settled) engine_->settle(event.link, event.delivery_id, event.state);
}

void NetworkWorld::AmqpBackEnd::answered(uint32_t delivery_id, const amqp::DeliveryState& state) {
  const auto found = unanswered_.find(delivery_id);
  if (found == unanswered_.end()) return;
  const uint32_t index = found->second;
  unanswered_.erase(found);
  if (state.kind == amqp::StateKind::kAccepted) {
    check_passed_over(delivery_id, world_.model_.message(index).device);
    world_.send_answered(index, std::nullopt, sent_);
  } else if (state.kind == amqp::StateKind::kRejected) {
    world_.send_answered(index, static_cast<ErrorCode>(error_number(state)), sent_);
  } else {
    world_.fail(fmt::format("message {} was neither accepted nor rejected", index));
  }
}

// The messages of a link to one device are taken in their order, and so they are answered: whoever
// was passed over is never answered.
void NetworkWorld::AmqpBackEnd::check_passed_over(uint32_t delivery_id, uint32_t device) const {
  for (const auto& [id, message] : unanswered_) {
    if (id > delivery_id) return;
    if (world_.model_.message(message).device != device) continue;
    world_.fail(fmt::format("message {} was passed over when one behind it was accepted", message));
  }
}

// Feedback.

void NetworkWorld::AmqpBackEnd::take_feedback(const amqp::MessageReceived& event) {
  const auto message = amqp::decode_message(event.payload);
  auto batch =
      message && message->data.size() == 1 ? parse_feedback(message->data.front()) : std::nullopt;
  if (!batch) return world_.fail("feedback that cannot be read");
  if (event.settled) return world_.fail("feedback came settled");
  world_.note_feedback(*batch, sent_);
  Batch held{.delivery_id = event.delivery_id, .messages = {}};
  for (const hub::FeedbackRecord& record : batch->records) {
    held.messages.push_back(whole_number<uint32_t>(record.original_message_id).value_or(0));
  }
  held_.push_back(std::move(held));
}

void NetworkWorld::AmqpBackEnd::settle_feedback() {
  if (!feedback_ || held_.empty()) return;
  // A release raises the delivery count: releases are kept rare.
  const bool accept = !world_.chance(10);
  // Those that came one after the other, now and then: their outcomes share a frame.
  if (accept && world_.chance(3)) {
    while (!held_.empty()) settle_batch(0, accept);
  } else {
    settle_batch(world_.random_.below(held_.size()), accept);
  }
  engine_->grant_credit(*feedback_, kFeedbackCredit);
}

void NetworkWorld::AmqpBackEnd::settle_batch(size_t which, bool accept) {
  Batch batch = std::move(held_[which]);
  held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(which));
  world_.trace("settle feedback", connection_.number(), accept);
  const auto state = accept ? amqp::DeliveryState::accepted() : amqp::DeliveryState::released();
  engine_->settle(*feedback_, batch.delivery_id, state, /*settled=*/!second_mode_);
  if (second_mode_ && accept) accepting_.emplace(batch.delivery_id, std::move(batch));
}

void NetworkWorld::AmqpBackEnd::on(const amqp::DeliverySettled& event) {
  const auto found = accepting_.find(event.delivery_id);
  if (found == accepting_.end()) return;
  if (event.state.kind == amqp::StateKind::kAccepted) {
    for (const uint32_t index : found->second.messages) {
      world_.model_.feedback_accepted(index, sent_.step);
    }
  }
  accepting_.erase(found);
}

void NetworkWorld::AmqpBackEnd::act() {
  if (connection_.client_over() || engine_->closed()) return;
  if (cbs_requests_ && !token_put_ && engine_->credit(*cbs_requests_) > 0) put_token();
  const uint64_t what = world_.random_.below(100);
  if (login_.hostile) {
    if (ready_) send_hostile();
  } else if (!ready_) {
    return flush();
  } else if (what < 20) {
    for (uint64_t i = 1 + world_.random_.below(3); i > 0; --i) send();
  } else if (what < 90) {
    settle_feedback();
  } else if (what < 91) {
    ready_ = false;
    token_put_ = true;
    sender_.reset();
    engine_->close(std::nullopt, world_.clock_.now());
  } else if (what < 92) {
    connection_.close();
  }
  flush();
}

}  // namespace linarite::sim
