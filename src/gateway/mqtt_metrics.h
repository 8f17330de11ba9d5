// Counters of the MQTT gateway. No device id is ever a label.
#pragma once

#include <array>
#include <cstdint>

#include "mqtt/packet.h"

namespace prometheus {
class Counter;
class Gauge;
class Registry;
}  // namespace prometheus

namespace linarite::gateway {

// Why a connection ended.
enum class MqttEnd : uint8_t {
  kDisconnect,      // The device said DISCONNECT.
  kPeerGone,        // The stream ended or broke without it.
  kRefused,         // CONNACK with a code other than 0.
  kProtocolError,   // Against the standard, or above a limit.
  kConnectTimeout,  // No CONNECT in time.
  kKeepAlive,       // Silence.
  kTokenExpired,
  kTakeover,          // The device connected again.
  kIdentityChanged,   // Disabled, deleted, keys changed.
  kRefusedTopic,      // PUBLISH to, or SUBSCRIBE of, what is not the device's.
  kNotImplemented,    // Something this version does not do and cannot refuse otherwise.
  kNotAcknowledging,  // The device leaves too many messages unacknowledged.
  kShutdown,
  kServerError,
  kFault,  // The device asked for it.
};
inline constexpr size_t kMqttEndCount = 15;

const char* end_name(MqttEnd end);

// Registers its families once; the registry must outlive it. Any thread.
class MqttMetrics {
 public:
  explicit MqttMetrics(prometheus::Registry& registry);

  prometheus::Gauge& connections;     // With CONNACK 0 and not ended.
  prometheus::Counter& acknowledged;  // C2D messages the device acknowledged with PUBACK.
  prometheus::Counter& telemetry;     // Messages of devices that became events, durably.
  prometheus::Counter& wills;         // Of them, will messages.

  prometheus::Counter& answered(mqtt::ConnectReturnCode code) {
    return *connects_[static_cast<size_t>(code)];
  }
  prometheus::Counter& ended(MqttEnd end) { return *ends_[static_cast<size_t>(end)]; }

 private:
  std::array<prometheus::Counter*, 6> connects_{};
  std::array<prometheus::Counter*, kMqttEndCount> ends_{};
};

}  // namespace linarite::gateway
