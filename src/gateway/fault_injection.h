// Faults on demand: what a device's message with the AzIoTHub_FaultOperation... properties asks the
// hub to do to the device's own connection (device-protocol 9.3). For tests of SDK users only.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/time.h"
#include "wire/property_bag.h"

namespace linarite::gateway {

// Faults of one connection that wait for their time; more are refused.
inline constexpr size_t kPendingFaultsMax = 16;
// Of the delay and of the duration that a message may ask for.
inline constexpr Duration kFaultTimeMax = std::chrono::hours(1);
// The number under which faults are logged: ConnectionForcefullyClosedOnFaultInjection.
inline constexpr const char* kFaultNumber = "400029";

struct Fault {
  enum class Kind : uint8_t {
    kAbort,     // KillTcp: the connection breaks.
    kClose,     // ShutDownMqtt, and InvokeAuthError: it is closed in an orderly way.
    kThrottle,  // InvokeThrottling: the device is not read for the duration.
  };
  Kind kind = Kind::kAbort;
  Duration delay{};
  Duration duration{};
  std::string type;    // As the message names it,
  std::string reason;  // and its free text.
};

// Whether a message asks for a fault and is therefore not telemetry.
bool asks_for_fault(const wire::PropertyBag& bag);

// The fault that a message of an MQTT device asks for. Fails for a type that is unknown or that
// MQTT has no fault for (links and sessions of AMQP, the message quota), and for a time that is not
// a whole number of seconds up to kFaultTimeMax. No delay means at once, no duration means none.
Result<Fault> requested_fault(const wire::PropertyBag& bag);

}  // namespace linarite::gateway
