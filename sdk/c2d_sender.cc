#include "sdk/c2d_sender.h"

#include <algorithm>
#include <utility>

#include "amqp/message.h"
#include "sdk/failure.h"
#include "sdk/message.h"
#include "wire/address.h"

namespace linarite::sdk {
namespace {

Bytes encode(const wire::C2dMessage& message) {
  amqp::Message out;
  amqp::Properties& properties = out.properties;
  if (message.message_id) properties.message_id = amqp::Value::string(*message.message_id);
  if (message.correlation_id) {
    properties.correlation_id = amqp::Value::string(*message.correlation_id);
  }
  properties.user_id = message.user_id;
  properties.to = message.to;
  properties.content_type = message.content_type;
  properties.content_encoding = message.content_encoding;
  if (message.expiry) {
    properties.absolute_expiry_time_ms = message.expiry->time_since_epoch().count();
  }
  std::vector<amqp::Value> items;
  const auto add = [&items](std::string_view name, std::string_view value) {
    items.push_back(amqp::Value::string(std::string(name)));
    items.push_back(amqp::Value::string(std::string(value)));
  };
  for (const auto& [name, value] : message.properties) add(name, value);
  if (message.ack) add("iothub-ack", wire::ack_word(*message.ack));
  if (!items.empty()) out.application_properties = amqp::Value::map(std::move(items));
  out.body_kind = amqp::BodyKind::kData;
  out.data = {message.body};
  Bytes encoded;
  amqp::write_message(out, encoded);
  return encoded;
}

}  // namespace

C2dSender::C2dSender(AmqpSession& session, const service_options& options)
    : session_(session),
      options_(options),
      connects_(session.loop()),
      deadlines_(session.loop(), [this](Instant now) { return end_overdue(now); }) {
  session_.add(*this);
}

C2dSender::~C2dSender() { session_.remove(*this); }

void C2dSender::send(detail::operation_id id, const std::string& device_id, message message,
                     detail::completion<send_result> done) {
  if (!wire::is_valid_device_id(device_id)) {
    return fail_with(std::move(done),
                     {errc::invalid_argument, "'" + device_id + "' is no device id"});
  }
  if (has_duplicate_names(message.properties)) {
    return fail_with(std::move(done), {errc::invalid_argument, "a property is there twice"});
  }
  message.to = wire::c2d_to({.device_id = device_id, .module_id = {}});
  const wire::C2dMessage checked = c2d_message(message);
  if (const Status status = wire::check_c2d_message(checked); !status) {
    return fail_with(std::move(done), error_of(status.error()));
  }
  if (queue_.size() >= std::max<size_t>(options_.offline_queue.limit, 1)) {
    if (options_.offline_queue.when_full == offline_queue_options::policy::reject_newest) {
      return fail_with(std::move(done), errc::offline_queue_full);
    }
    SendPointer oldest = std::move(queue_.front());
    queue_.pop_front();
    finish_send(std::move(oldest), errc::dropped_from_queue);
  }
  auto made = std::make_unique<Send>();
  made->id = id;
  made->encoded = encode(checked);
  made->done = std::move(done);
  if (options_.operation_timeout.count() > 0) {
    made->deadline = session_.loop().clock().now() + options_.operation_timeout;
    deadlines_.watch(made->deadline);
  }
  queue_.push_back(std::move(made));
  session_.want();
  pump();
}

void C2dSender::connect(detail::operation_id id, detail::completion<> done) {
  connects_.add(id, std::move(done), options_.operation_timeout,
                [this, weak = std::weak_ptr(alive_), id] {
                  if (weak.lock()) connects_.fail(id, too_late("no connection was made in time"));
                });
  session_.want();
  pump();
}

void C2dSender::on_ready(amqp::Connection& engine, amqp::SessionId session) {
  amqp::Attach attach;
  attach.name = "c2d-sender";
  attach.role = amqp::Role::kSender;
  attach.source = amqp::Source{.address = "linarite-cpp"};
  attach.target = amqp::Target{.address = "/messages/devicebound"};
  const auto link = engine.attach(session, std::move(attach));
  if (!link) return session_.fail({errc::protocol_error, "AMQP: no sender can be attached"});
  link_ = *link;
}

void C2dSender::on_event(const amqp::Event& event) {
  if (const auto* update = std::get_if<amqp::DeliveryUpdated>(&event)) {
    if (update->link == link_) on_outcome(*update);
  } else if (std::holds_alternative<amqp::CreditChanged>(event)) {
    pump();
  }
}

void C2dSender::pump() {
  amqp::Connection* const engine = session_.engine();
  if (engine == nullptr || !link_) return;
  // Credit is the hub's first word after it accepted the link.
  if (engine->credit(*link_) > 0) connects_.succeed_all();
  while (!queue_.empty() && engine->credit(*link_) > 0) {
    Send& next = *queue_.front();
    const auto delivery = engine->send(*link_, std::to_string(++tags_), next.encoded);
    if (!delivery && delivery.error().code == ErrorCode::kLimitExceeded) break;
    SendPointer sent = std::move(queue_.front());
    queue_.pop_front();
    if (!delivery) {
      finish_send(std::move(sent), error_of(delivery.error()));
      continue;
    }
    ++sent->result.attempts;
    unsettled_[*delivery] = std::move(sent);
  }
  session_.flush();
}

void C2dSender::on_outcome(const amqp::DeliveryUpdated& update) {
  if (!update.state.is_terminal()) return;
  if (!update.settled) {
    session_.engine()->settle(*link_, update.delivery_id, update.state);
  }
  auto found = unsettled_.extract(update.delivery_id);
  if (found.empty()) return;  // Its deadline passed before.
  error why;
  if (update.state.kind == amqp::StateKind::kRejected) {
    why = amqp_failure(update.state.error.get(), errc::server_error);
  } else if (update.state.kind != amqp::StateKind::kAccepted) {
    why = error(errc::service_unavailable, "the hub gave the message back");
  }
  finish_send(std::move(found.mapped()), std::move(why));
}

void C2dSender::finish_send(SendPointer send, error why) {
  finish(std::move(send->done), std::move(why), send->result);
}

void C2dSender::finish_unknown(SendPointer send, const std::string& why) {
  finish_send(std::move(send),
              {errc::outcome_unknown, "the message was sent, and " + why +
                                          " before the hub answered: it is queued, or it is not"});
}

// --- What has no outcome.

void C2dSender::on_lost() {
  link_.reset();
  std::vector<std::pair<uint32_t, SendPointer>> lost;
  lost.reserve(unsettled_.size());
  for (auto& [delivery, send] : unsettled_) lost.emplace_back(delivery, std::move(send));
  unsettled_.clear();
  // Backwards, so that the first sent is the first in the queue again.
  std::ranges::sort(lost, std::greater(), [](const auto& one) { return one.second->id; });
  const bool again = options_.when_outcome_is_lost == service_options::lost_outcome::send_again;
  for (auto& [delivery, send] : lost) {
    if (again) {
      send->result.possibly_duplicated = true;
      queue_.push_front(std::move(send));
    } else {
      finish_unknown(std::move(send), "the connection broke");
    }
  }
}

void C2dSender::on_refused(const error& why) {
  connects_.fail_all(why);
  while (!queue_.empty()) {
    SendPointer first = std::move(queue_.front());
    queue_.pop_front();
    if (first->result.attempts > 0) {
      finish_unknown(std::move(first), "the connection broke");
    } else {
      finish_send(std::move(first), why);
    }
  }
}

C2dSender::SendPointer C2dSender::take_waiting(detail::operation_id id) {
  const auto found =
      std::ranges::find(queue_, id, [](const SendPointer& send) { return send->id; });
  if (found == queue_.end()) return nullptr;
  SendPointer out = std::move(*found);
  queue_.erase(found);
  return out;
}

C2dSender::SendPointer C2dSender::take_sent(detail::operation_id id) {
  const auto found =
      std::ranges::find_if(unsettled_, [id](const auto& entry) { return entry.second->id == id; });
  if (found == unsettled_.end()) return nullptr;
  SendPointer out = std::move(found->second);
  unsettled_.erase(found);
  return out;
}

error C2dSender::too_late(std::string text) const {
  if (session_.last_failure()) text += "; the last try: " + session_.last_failure().message();
  return {errc::timed_out, std::move(text)};
}

std::optional<Instant> C2dSender::end_overdue(Instant now) {
  std::vector<detail::operation_id> late;
  std::optional<Instant> next;
  const auto look = [&](const Send& send) {
    if (send.deadline <= now) {
      late.push_back(send.id);
    } else if (!next || send.deadline < *next) {
      next = send.deadline;
    }
  };
  for (const SendPointer& send : queue_) look(*send);
  for (const auto& [delivery, send] : unsettled_) look(*send);
  std::ranges::sort(late);
  for (const detail::operation_id id : late) overdue(id);
  return next;
}

void C2dSender::overdue(detail::operation_id id) {
  if (SendPointer waiting = take_waiting(id)) {
    if (waiting->result.attempts > 0) return finish_unknown(std::move(waiting), "time ran out");
    return finish_send(std::move(waiting), too_late("the message was not sent in time"));
  }
  if (SendPointer sent = take_sent(id)) finish_unknown(std::move(sent), "time ran out");
}

void C2dSender::cancel(detail::operation_id id) {
  connects_.fail(id, errc::operation_aborted);
  if (SendPointer waiting = take_waiting(id)) {
    if (waiting->result.attempts > 0) return finish_unknown(std::move(waiting), "it was cancelled");
    return finish_send(std::move(waiting), errc::operation_aborted);
  }
  if (SendPointer sent = take_sent(id)) finish_unknown(std::move(sent), "it was cancelled");
}

void C2dSender::shut_down() {
  while (!unsettled_.empty()) {
    finish_unknown(take_sent(unsettled_.begin()->second->id), "the client was closed");
  }
  on_refused(errc::closed);
}

}  // namespace linarite::sdk
