#include "sdk/feedback_link.h"

#include <algorithm>
#include <utility>

#include "amqp/message.h"
#include "sdk/failure.h"
#include "wire/service_json.h"

namespace linarite::sdk {
namespace {

static_assert(static_cast<int>(feedback_status::purged) ==
              static_cast<int>(wire::FeedbackStatus::kPurged));

feedback_record record_of(wire::FeedbackRecord&& record) {
  return {.message_id = std::move(record.original_message_id),
          .status = static_cast<feedback_status>(record.status),
          .device_id = std::move(record.device_id),
          .device_generation_id = std::move(record.device_generation_id),
          .module_id = std::move(record.module_id),
          .when = record.enqueued};
}

std::string key_of(const feedback_record& record) {
  return record.message_id + '\n' + record.device_id + '\n' +
         std::to_string(record.when.time_since_epoch().count()) + '\n' + to_string(record.status);
}

}  // namespace

FeedbackDelivery::~FeedbackDelivery() {
  if (decided.load()) return;
  const auto link = owner.lock();
  if (!link) return;
  loop->post([link, connection = connection, delivery_id = delivery_id] {
    link->abandon_dropped(connection, delivery_id);
  });
}

FeedbackLink::FeedbackLink(AmqpSession& session, std::shared_ptr<Loop> loop, std::string name,
                           std::chrono::milliseconds timeout)
    : session_(&session),
      loop_(std::move(loop)),
      name_(std::move(name)),
      timeout_(timeout),
      receivers_(*loop_) {}

void FeedbackLink::open() { session_->add(*this); }

// --- What the application asks.

void FeedbackLink::receive(detail::operation_id id, detail::completion<feedback_batch> done) {
  if (session_ == nullptr) return fail_with(std::move(done), errc::closed);
  receivers_.add(id, std::move(done));
  serve();
}

void FeedbackLink::wait_for(detail::operation_id id, std::string message_id,
                            detail::completion<feedback_record> done) {
  if (session_ == nullptr) return fail_with(std::move(done), errc::closed);
  TimerId deadline = 0;
  if (timeout_.count() > 0) {
    deadline = loop_->run_after(timeout_, [weak = weak_from_this(), id] {
      const auto self = weak.lock();
      if (!self) return;
      const auto found = std::ranges::find(self->waiters_, id, &Waiter::id);
      if (found == self->waiters_.end()) return;
      std::string text = "no feedback about '" + found->message_id + "' in time";
      if (self->session_->last_failure()) {
        text += "; the last try to connect: " + self->session_->last_failure().message();
      }
      self->end_waiter(static_cast<size_t>(found - self->waiters_.begin()),
                       {errc::timed_out, std::move(text)});
    });
  }
  waiters_.push_back({id, std::move(message_id), std::move(done), deadline});
  serve();
}

void FeedbackLink::decide(bool accept, FeedbackDelivery& delivery, detail::completion<> done) {
  if (delivery.decided.exchange(true)) {
    return fail_with(std::move(done), errc::message_already_decided);
  }
  if (session_ == nullptr) return fail_with(std::move(done), errc::closed);
  if (delivery.connection != connection_ || !link_) {
    return fail_with(std::move(done), {errc::device_message_lock_lost,
                                       "the connection by which the feedback came has ended; the "
                                       "hub delivers it again"});
  }
  settle(delivery.delivery_id,
         accept ? amqp::DeliveryState::accepted() : amqp::DeliveryState::released());
  finish(std::move(done), error());
}

void FeedbackLink::abandon_dropped(uint64_t connection, uint32_t delivery_id) {
  if (session_ != nullptr && connection == connection_) {
    settle(delivery_id, amqp::DeliveryState::released());
  }
}

void FeedbackLink::cancel(detail::operation_id id) {
  receivers_.fail(id, errc::operation_aborted);
  const auto found = std::ranges::find(waiters_, id, &Waiter::id);
  if (found != waiters_.end()) {
    end_waiter(static_cast<size_t>(found - waiters_.begin()), errc::operation_aborted);
  }
}

void FeedbackLink::shut_down() {
  if (session_ == nullptr) return;
  for (const Held& held : std::exchange(held_, {})) {
    loop_->cancel(held.release);
    settle(held.delivery_id, amqp::DeliveryState::released());
  }
  if (amqp::Connection* const engine = session_->engine(); engine != nullptr && link_) {
    engine->detach(*link_, true, std::nullopt);
    session_->flush();
  }
  on_refused(errc::closed);
  session_->remove(*this);
  session_ = nullptr;
}

// --- The link.

void FeedbackLink::on_ready(amqp::Connection& engine, amqp::SessionId session) {
  amqp::Attach attach;
  attach.name = name_;
  attach.role = amqp::Role::kReceiver;
  attach.source = amqp::Source{.address = "/messages/servicebound/feedback"};
  attach.target = amqp::Target{.address = "linarite-cpp"};
  const auto link = engine.attach(session, std::move(attach));
  if (!link) return session_->fail({errc::protocol_error, "AMQP: no receiver can be attached"});
  link_ = *link;
  ++connection_;
}

void FeedbackLink::on_event(const amqp::Event& event) {
  if (const auto* attached = std::get_if<amqp::LinkAttached>(&event)) {
    if (attached->link == link_) ask_for_more();
  } else if (const auto* received = std::get_if<amqp::MessageReceived>(&event)) {
    if (received->link == link_) take(*received);
  }
}

void FeedbackLink::on_lost() {
  link_.reset();
  ++connection_;
  // The hub offers these again.
  for (const Held& held : std::exchange(held_, {})) loop_->cancel(held.release);
}

void FeedbackLink::on_refused(const error& why) {
  receivers_.fail_all(why);
  while (!waiters_.empty()) end_waiter(0, why);
}

void FeedbackLink::ask_for_more() {
  amqp::Connection* const engine = session_->engine();
  if (!wants_connection()) return;
  if (engine == nullptr) return session_->want();
  if (!link_ || held_.size() >= kHeldMax || engine->credit(*link_) > 0) return;
  engine->grant_credit(*link_, 1);
  session_->flush();
}

void FeedbackLink::settle(uint32_t delivery_id, const amqp::DeliveryState& state) {
  amqp::Connection* const engine = session_->engine();
  if (engine == nullptr || !link_) return;
  engine->settle(*link_, delivery_id, state);
  session_->flush();
}

// --- Batches.

void FeedbackLink::take(const amqp::MessageReceived& received) {
  amqp::MessageView view;
  const Status read = amqp::read_message(received.payload, view);
  auto records = read ? wire::parse_feedback(view.data()) : std::unexpected(read.error());
  if (!records) {
    // It would come again and again.
    settle(received.delivery_id,
           amqp::DeliveryState::rejected(
               {.condition = "amqp:decode-error", .description = "the feedback cannot be read"}));
    return ask_for_more();
  }
  Held held{.delivery_id = received.delivery_id};
  for (wire::FeedbackRecord& one : *records) {
    feedback_record record = record_of(std::move(one));
    if (!consumed_.contains(key_of(record))) held.records.push_back(std::move(record));
  }
  held.release = loop_->run_after(kHoldTime, [weak = weak_from_this(), id = held.delivery_id] {
    if (const auto self = weak.lock()) self->release(id);
  });
  held_.push_back(std::move(held));
  serve();
}

void FeedbackLink::release(uint32_t delivery_id) {
  const auto found = std::ranges::find(held_, delivery_id, &Held::delivery_id);
  if (found == held_.end() || session_ == nullptr) return;
  held_.erase(found);
  settle(delivery_id, amqp::DeliveryState::released());
  ask_for_more();
}

void FeedbackLink::serve() {
  for (size_t i = 0; i < held_.size();) {
    while (serve_waiter(held_[i])) {
    }
    if (!held_[i].records.empty()) {
      ++i;
      continue;
    }
    // Every record has found its reader.
    loop_->cancel(held_[i].release);
    settle(held_[i].delivery_id, amqp::DeliveryState::accepted());
    held_.erase(held_.begin() + static_cast<ptrdiff_t>(i));
  }
  serve_receivers();
  ask_for_more();
}

// Hands one record of `held` to who waits for it; false if nobody does.
bool FeedbackLink::serve_waiter(Held& held) {
  for (size_t i = 0; i < waiters_.size(); ++i) {
    const auto found =
        std::ranges::find(held.records, waiters_[i].message_id, &feedback_record::message_id);
    if (found == held.records.end()) continue;
    feedback_record record = std::move(*found);
    held.records.erase(found);
    if (consumed_.size() >= kConsumedMax) consumed_.clear();
    consumed_.insert(key_of(record));
    end_waiter(i, error(), std::move(record));
    return true;
  }
  return false;
}

void FeedbackLink::serve_receivers() {
  while (!held_.empty() && !receivers_.empty()) {
    Held first = std::move(held_.front());
    held_.erase(held_.begin());
    loop_->cancel(first.release);
    auto delivery = std::make_shared<FeedbackDelivery>();
    delivery->records = std::move(first.records);
    delivery->owner = weak_from_this();
    delivery->loop = loop_;
    delivery->connection = connection_;
    delivery->delivery_id = first.delivery_id;
    finish(receivers_.take_first(), error(), feedback_batch(std::move(delivery)));
  }
}

void FeedbackLink::end_waiter(size_t index, error why, feedback_record record) {
  Waiter waiter = std::move(waiters_[index]);
  waiters_.erase(waiters_.begin() + static_cast<ptrdiff_t>(index));
  loop_->cancel(waiter.deadline);
  finish(std::move(waiter.done), std::move(why), std::move(record));
}

}  // namespace linarite::sdk
