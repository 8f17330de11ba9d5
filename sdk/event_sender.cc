#include "sdk/event_sender.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "sdk/failure.h"
#include "sdk/message.h"
#include "wire/topic.h"

namespace linarite::sdk {
namespace {

constexpr size_t kEventSizeMax = 262'144;  // As event_size() counts.

// Body and properties as the hub counts them (device protocol, 1.16).
size_t event_size(const message& message) {
  size_t size = message.body.size();
  for (const auto* text : {&message.message_id, &message.correlation_id, &message.user_id,
                           &message.content_type, &message.content_encoding}) {
    if (*text) size += (*text)->size();
  }
  for (const auto& [name, value] : message.properties) size += name.size() + value.size();
  return size;
}

// What became of the events of a batch so far. Tells it when its last event lets go of it.
class BatchOutcome {
 public:
  BatchOutcome(size_t size, detail::completion<std::vector<error>> done)
      : outcomes_(size), done_(std::move(done)) {}
  ~BatchOutcome() {
    const auto failed = std::ranges::find_if(outcomes_, [](const error& one) { return bool{one}; });
    const error why = failed == outcomes_.end() ? error() : *failed;
    finish(std::move(done_), why, std::move(outcomes_));
  }
  BatchOutcome(const BatchOutcome&) = delete;
  BatchOutcome& operator=(const BatchOutcome&) = delete;

  void set(size_t index, error why) { outcomes_[index] = std::move(why); }

 private:
  std::vector<error> outcomes_;
  detail::completion<std::vector<error>> done_;
};

// The completion of one event of a batch.
class BatchPart final : public detail::completion_target<> {
 public:
  BatchPart(std::shared_ptr<BatchOutcome> batch, size_t index)
      : batch_(std::move(batch)), index_(index) {
    batch_->set(index_, errc::closed);  // Unless it is completed.
  }
  void complete(error why) override { batch_->set(index_, std::move(why)); }

 private:
  std::shared_ptr<BatchOutcome> batch_;
  size_t index_;
};

}  // namespace

EventSender::EventSender(Loop& loop, const wire::Identity& device, const device_options& options)
    : loop_(loop),
      device_(device),
      options_(options),
      deadlines_(loop, [this](Instant now) { return end_overdue(now); }) {}

void EventSender::send(detail::operation_id id, const message& message, detail::completion<> done) {
  take({.id = id, .operation = id, .done = std::move(done)}, message);
}

void EventSender::send_batch(detail::operation_id id, std::span<const message> messages,
                             detail::completion<std::vector<error>> done) {
  const auto batch = std::make_shared<BatchOutcome>(messages.size(), std::move(done));
  for (size_t i = 0; i < messages.size(); ++i) {
    take({.id = detail::next_operation_id(),
          .operation = id,
          .done = std::make_unique<BatchPart>(batch, i)},
         messages[i]);
  }
}

// Queues `event`, which is to become `message`, or ends it.
void EventSender::take(Event event, const message& message) {
  if (has_duplicate_names(message.properties)) {
    return fail_with(std::move(event.done), {errc::invalid_argument, "a property is there twice"});
  }
  event.topic = event_topic(device_, message);
  if (event_size(message) > kEventSizeMax || event.topic.size() > wire::kTopicSizeMax) {
    return fail_with(std::move(event.done),
                     {errc::message_too_large,
                      "an event has at most 256 KB of body and properties, and "
                      "encoded properties that fit in an MQTT topic"});
  }
  if (waiting_.size() >= std::max<size_t>(options_.offline_queue.limit, 1)) {
    if (options_.offline_queue.when_full == offline_queue_options::policy::reject_newest) {
      return fail_with(std::move(event.done), errc::offline_queue_full);
    }
    Event oldest = std::move(waiting_.front());
    waiting_.pop_front();
    fail(std::move(oldest), errc::dropped_from_queue);
  }
  event.body = message.body;
  event.deadline = Instant::max();
  if (options_.operation_timeout.count() > 0) {
    event.deadline = loop_.clock().now() + options_.operation_timeout;
    deadlines_.watch(event.deadline);
  }
  waiting_.push_back(std::move(event));
  pump();
}

void EventSender::open(Outlet& outlet) {
  outlet_ = &outlet;
  pump();
}

void EventSender::pump() {
  while (outlet_ != nullptr && !waiting_.empty()) {
    Event& next = waiting_.front();
    const auto sent = outlet_->publish(
        {.topic = next.topic,
         .payload = ByteView(reinterpret_cast<const char*>(next.body.data()), next.body.size()),
         .packet_id = next.packet_id,
         .qos = mqtt::Qos::kAtLeastOnce,
         .dup = next.tried},
        next.id);
    if (!sent && sent.error().code == ErrorCode::kLimitExceeded) return;
    Event event = std::move(next);
    waiting_.pop_front();
    if (!sent) {
      fail(std::move(event), error_of(sent.error()));
      continue;
    }
    event.packet_id = *sent;
    event.tried = true;
    sent_.push_back(std::move(event));
  }
}

void EventSender::acknowledged(uint64_t token) {
  const auto found = std::ranges::find(sent_, token, &Event::id);
  if (found == sent_.end()) return;  // Its deadline passed before.
  auto done = std::move(found->done);
  sent_.erase(found);
  finish(std::move(done), error());
  pump();
}

void EventSender::lost() {
  outlet_ = nullptr;
  for (; !sent_.empty(); sent_.pop_back()) waiting_.push_front(std::move(sent_.back()));
}

void EventSender::fail(Event event, const error& why) {
  if (event.tried) {
    fail_with(std::move(event.done),
              {errc::outcome_unknown,
               "the event was sent, and the hub did not acknowledge it: " + why.message()});
  } else {
    fail_with(std::move(event.done), why);
  }
}

void EventSender::fail_all(const error& why) {
  lost();
  for (; !waiting_.empty(); waiting_.pop_front()) fail(std::move(waiting_.front()), why);
}

void EventSender::cancel(detail::operation_id id) {
  for (std::deque<Event>* events : {&waiting_, &sent_}) {
    for (auto found = events->begin();;) {
      found = std::ranges::find(found, events->end(), id, &Event::operation);
      if (found == events->end()) break;
      Event event = std::move(*found);
      found = events->erase(found);
      fail(std::move(event), errc::operation_aborted);
    }
  }
}

// What was sent is older, so the first that is not due ends the search.
std::optional<Instant> EventSender::end_overdue(Instant now) {
  for (std::deque<Event>* events : {&sent_, &waiting_}) {
    for (; !events->empty(); events->pop_front()) {
      if (events->front().deadline > now) return events->front().deadline;
      fail(std::move(events->front()), {errc::timed_out, "the event did not get through in time"});
    }
  }
  return std::nullopt;
}

}  // namespace linarite::sdk
