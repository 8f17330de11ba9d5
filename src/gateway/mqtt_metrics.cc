#include "gateway/mqtt_metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <string>

namespace linarite::gateway {
namespace {

constexpr std::array<const char*, kMqttEndCount> kEndNames = {
    "disconnect",      "peer_gone",         "refused",  "protocol_error",   "connect_timeout",
    "keep_alive",      "token_expired",     "takeover", "identity_changed", "refused_topic",
    "not_implemented", "not_acknowledging", "shutdown", "server_error",     "fault"};

prometheus::Counter& counter(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry).Add({});
}

}  // namespace

const char* end_name(MqttEnd end) { return kEndNames[static_cast<size_t>(end)]; }

MqttMetrics::MqttMetrics(prometheus::Registry& registry)
    : connections(prometheus::BuildGauge()
                      .Name("linarite_mqtt_connections")
                      .Help("Devices connected over MQTT.")
                      .Register(registry)
                      .Add({})),
      acknowledged(counter(registry, "linarite_mqtt_acknowledged_total",
                           "Cloud-to-device messages acknowledged with PUBACK.")),
      telemetry(counter(registry, "linarite_mqtt_telemetry_total",
                        "Messages of devices that became events, durably.")),
      wills(counter(registry, "linarite_mqtt_wills_total", "Will messages that became events.")) {
  auto& connects = prometheus::BuildCounter()
                       .Name("linarite_mqtt_connects_total")
                       .Help("Answered CONNECT packets, by CONNACK return code.")
                       .Register(registry);
  for (size_t i = 0; i < connects_.size(); ++i) {
    connects_[i] = &connects.Add({{"return_code", std::to_string(i)}});
  }
  auto& ends = prometheus::BuildCounter()
                   .Name("linarite_mqtt_closed_total")
                   .Help("Ended MQTT connections, by reason.")
                   .Register(registry);
  for (size_t i = 0; i < ends_.size(); ++i) ends_[i] = &ends.Add({{"reason", kEndNames[i]}});
}

}  // namespace linarite::gateway
