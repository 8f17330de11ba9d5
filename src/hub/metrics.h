// The hub's own counters. No device id is ever a label.
#pragma once

#include <array>
#include <cstdint>

#include "hub/feedback.h"

namespace prometheus {
class Counter;
class Gauge;
class Registry;
}  // namespace prometheus

namespace linarite::hub {

// Registers its families once; the registry must outlive it. Any thread.
struct Metrics {
  explicit Metrics(prometheus::Registry& registry);

  prometheus::Counter& messages_enqueued;  // Durably.
  prometheus::Counter& messages_refused;
  prometheus::Counter& messages_delivered;  // Handed to a connection, redeliveries counted again.
  prometheus::Counter& messages_abandoned;
  prometheus::Gauge& messages_pending;
  prometheus::Gauge& devices_registered;
  prometheus::Gauge& devices_connected;
  prometheus::Gauge& feedback_pending;
  prometheus::Counter& feedback_delivered;
  prometheus::Counter& events_appended;  // Durably.
  prometheus::Counter& event_bytes_appended;
  prometheus::Counter& events_refused;
  prometheus::Counter& events_trimmed;
  prometheus::Gauge& event_receivers;  // Admitted, over all consumer groups.
  prometheus::Counter& event_receivers_displaced;
  prometheus::Counter& event_receivers_refused;
  prometheus::Counter& authentication_failures;
  prometheus::Gauge& commit_backlog_bytes;
  prometheus::Counter& store_failures;

  // Messages whose end became durable, by outcome.
  prometheus::Counter& ended(Outcome outcome) { return *ended_[static_cast<size_t>(outcome)]; }

 private:
  std::array<prometheus::Counter*, 5> ended_{};
};

}  // namespace linarite::hub
