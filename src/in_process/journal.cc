#include "in_process/journal.h"

#include "hub/records.h"

namespace linarite::in_process {
namespace {

using hub::QueueEvent;
using testing::journey_event;

journey_event event_of(const QueueEvent& event) {
  switch (event.kind) {
    case QueueEvent::Kind::kEnqueued:
      return journey_event::enqueued;
    case QueueEvent::Kind::kRecovered:
      return journey_event::recovered;
    case QueueEvent::Kind::kDelivered:
      return journey_event::delivered;
    case QueueEvent::Kind::kReturned:
      return journey_event::returned;
    case QueueEvent::Kind::kAbandoned:
      return journey_event::abandoned;
    case QueueEvent::Kind::kForgotten:
      return journey_event::device_deleted;
    case QueueEvent::Kind::kEnded:
      break;
  }
  switch (event.outcome) {
    case hub::Outcome::kSuccess:
      return journey_event::completed;
    case hub::Outcome::kExpired:
      return journey_event::expired;
    case hub::Outcome::kDeliveryCountExceeded:
      return journey_event::delivery_count_exceeded;
    case hub::Outcome::kRejected:
      return journey_event::rejected;
    case hub::Outcome::kPurged:
      break;
  }
  return journey_event::purged;
}

}  // namespace

Journal::Message& Journal::message(const QueueEvent& event) {
  const auto [place, is_new] = messages_.try_emplace({event.partition, event.sequence});
  Message& message = place->second;
  if (!is_new) return message;
  message.device_id = event.device_id;
  const auto value = store_.get(event.partition, hub::record_key(hub::kMessageKey, event.sequence));
  if (!value || !*value) return message;
  if (const auto stored = hub::decode_message(**value)) {
    message.view.message_id = stored->message.message_id.value_or("");
    message.view.enqueued = stored->header.enqueued;
    message.view.expiry = stored->header.expiry;
  }
  return message;
}

void Journal::note(const QueueEvent& event) {
  Message& one = message(event);
  const bool out =
      event.kind == QueueEvent::Kind::kEnded || event.kind == QueueEvent::Kind::kForgotten;
  one.queued = !out;
  one.view.locked = event.kind == QueueEvent::Kind::kDelivered;
  one.view.delivery_count = event.delivery_count;
  if (one.view.locked) ++one.view.deliveries;
  const Name name{event.partition, event.sequence};
  steps_.emplace_back(
      name, testing::journey_step{event_of(event), clock_.wall(), std::string(event.device_id)});
  if (!event.feedback) return;
  steps_.push_back(steps_.back());
  steps_.back().second.event = journey_event::feedback;
}

void Journal::hub_ended() {
  for (auto& [name, message] : messages_) {
    message.view.locked = false;
    message.view.deliveries = 0;
  }
}

std::vector<testing::journey_step> Journal::journey(std::string_view message_id) const {
  std::vector<testing::journey_step> out;
  for (const auto& [name, step] : steps_) {
    if (messages_.at(name).view.message_id == message_id) out.push_back(step);
  }
  return out;
}

std::vector<testing::queued_message> Journal::queue(std::string_view device_id) const {
  std::vector<testing::queued_message> out;
  for (const auto& [name, message] : messages_) {
    if (message.queued && message.device_id == device_id) out.push_back(message.view);
  }
  return out;
}

}  // namespace linarite::in_process
