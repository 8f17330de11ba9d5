// Counters of the AMQP gateway. No device id is ever a label.
#pragma once

namespace prometheus {
class Counter;
class Gauge;
class Registry;
}  // namespace prometheus

namespace linarite::gateway {

// Registers its families once; the registry must outlive it. Any thread.
class AmqpMetrics {
 public:
  explicit AmqpMetrics(prometheus::Registry& registry);

  prometheus::Gauge& connections;
  prometheus::Gauge& links;
  prometheus::Counter& links_refused;
  prometheus::Counter& protocol_errors;
  prometheus::Counter& tokens_accepted;  // SASL PLAIN and $cbs together.
  prometheus::Counter& tokens_refused;
  prometheus::Counter& messages_accepted;  // Cloud to device.
  prometheus::Counter& messages_rejected;
  prometheus::Counter& feedback_sent;  // Batches.
  prometheus::Counter& events_sent;    // Device to cloud, to all receivers together.
};

}  // namespace linarite::gateway
