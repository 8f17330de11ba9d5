#include "hub/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

namespace linarite::hub {
namespace {

prometheus::Counter& counter(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry).Add({});
}

prometheus::Gauge& gauge(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add({});
}

constexpr const char* kOutcomeLabels[] = {"success", "expired", "delivery_count_exceeded",
                                          "rejected", "purged"};

}  // namespace

Metrics::Metrics(prometheus::Registry& r)
    : messages_enqueued(
          counter(r, "linarite_c2d_enqueued_total", "Cloud-to-device messages durably queued.")),
      messages_refused(counter(r, "linarite_c2d_refused_total",
                               "Cloud-to-device messages refused before they were queued.")),
      messages_delivered(counter(r, "linarite_c2d_delivered_total",
                                 "Deliveries to device connections, repeated ones included.")),
      messages_abandoned(
          counter(r, "linarite_c2d_abandoned_total", "Deliveries a device gave back.")),
      messages_pending(gauge(r, "linarite_c2d_pending", "Messages in the queues of all devices.")),
      devices_registered(gauge(r, "linarite_devices_registered", "Device identities.")),
      devices_connected(gauge(r, "linarite_devices_connected", "Devices with a connection.")),
      feedback_pending(gauge(r, "linarite_feedback_pending", "Feedback records not yet taken.")),
      feedback_delivered(counter(r, "linarite_feedback_delivered_total",
                                 "Feedback records accepted by a receiver.")),
      events_appended(
          counter(r, "linarite_events_appended_total", "Device-to-cloud events durably logged.")),
      event_bytes_appended(counter(r, "linarite_event_bytes_appended_total",
                                   "Bytes of the same events, before they were packed.")),
      events_refused(counter(r, "linarite_events_refused_total",
                             "Device-to-cloud events that were not logged.")),
      events_trimmed(counter(r, "linarite_events_trimmed_total",
                             "Device-to-cloud events removed when their retention ended.")),
      event_receivers(gauge(r, "linarite_event_receivers", "Attached receivers of events.")),
      event_receivers_displaced(counter(r, "linarite_event_receivers_displaced_total",
                                        "Receivers of events disconnected by one with an epoch.")),
      event_receivers_refused(
          counter(r, "linarite_event_receivers_refused_total",
                  "Receivers of events refused: too many, or one with a higher epoch was there.")),
      authentication_failures(
          counter(r, "linarite_authentication_failures_total", "Tokens that were refused.")),
      commit_backlog_bytes(
          gauge(r, "linarite_commit_backlog_bytes",
                "Messages and identities committed and not yet answered by the store.")),
      store_failures(counter(r, "linarite_store_failures_total",
                             "Commits that the store could not make durable.")) {
  auto& family = prometheus::BuildCounter()
                     .Name("linarite_c2d_ended_total")
                     .Help("Cloud-to-device messages that left a queue, by outcome.")
                     .Register(r);
  for (size_t i = 0; i < ended_.size(); ++i)
    ended_[i] = &family.Add({{"outcome", kOutcomeLabels[i]}});
}

}  // namespace linarite::hub
