#include "gateway/amqp_metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

namespace linarite::gateway {
namespace {

prometheus::Counter& counter(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry).Add({});
}

prometheus::Gauge& gauge(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add({});
}

}  // namespace

AmqpMetrics::AmqpMetrics(prometheus::Registry& registry)
    : connections(gauge(registry, "linarite_amqp_connections", "Open AMQP connections.")),
      links(gauge(registry, "linarite_amqp_links", "Attached AMQP links.")),
      links_refused(
          counter(registry, "linarite_amqp_links_refused_total", "AMQP links that were refused.")),
      protocol_errors(counter(registry, "linarite_amqp_protocol_errors_total",
                              "AMQP connections closed because the peer broke the protocol.")),
      tokens_accepted(counter(registry, "linarite_amqp_tokens_accepted_total",
                              "Tokens accepted over SASL PLAIN or $cbs.")),
      tokens_refused(counter(registry, "linarite_amqp_tokens_refused_total",
                             "Tokens refused over SASL PLAIN or $cbs.")),
      messages_accepted(counter(registry, "linarite_amqp_c2d_accepted_total",
                                "Cloud-to-device messages accepted over AMQP.")),
      messages_rejected(counter(registry, "linarite_amqp_c2d_rejected_total",
                                "Cloud-to-device messages rejected over AMQP.")),
      feedback_sent(counter(registry, "linarite_amqp_feedback_sent_total",
                            "Feedback batches sent over AMQP.")),
      events_sent(counter(registry, "linarite_amqp_events_sent_total",
                          "Device-to-cloud events sent to receivers.")) {}

}  // namespace linarite::gateway
