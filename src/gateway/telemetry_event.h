// How a device's message becomes an event of the log: the AMQP sections in which readers receive it
// (service-protocol 4.7, device-protocol 9.2).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/error.h"
#include "base/time.h"
#include "hub/event_log.h"
#include "wire/property_bag.h"

namespace linarite::gateway {

// Body, values of system properties, names and values of application properties (device-protocol
// 1.16).
inline constexpr size_t kTelemetrySizeMax = 262'144;

// Who sends, as the hub has authenticated it.
struct TelemetrySender {
  std::string_view device_id;
  std::string_view generation_id;
  bool by_policy = false;     // The token was a shared access policy's, not the device's.
  std::string_view model_id;  // As said in CONNECT; empty if none.
};

// One message of a device.
struct Telemetry {
  wire::PropertyBag bag;
  ByteView body;
  WallTime taken;       // When the hub took it.
  bool retain = false;  // It came with the RETAIN flag.
  bool will = false;    // It is the will of the connection.
};

// Makes the events of one connection: what is the same in all of them is encoded once.
class TelemetryEncoder {
 public:
  explicit TelemetryEncoder(const TelemetrySender& sender);

  // kMessageTooLarge above kTelemetrySizeMax, or if its encoding is above the limits of the log.
  Result<hub::NewEvent> encode(Telemetry telemetry) const;

 private:
  Bytes sender_annotations_;
  uint32_t sender_annotation_count_ = 0;
};

}  // namespace linarite::gateway
