// How often, and how much at once: the limits that an operator may set on connections, messages and
// calls, as the original has them (service-protocol 7.1; reliability 6.6). All but the one on
// refused credentials are off unless set.
//
// Each kind has its own table of buckets of a fixed size (base/token_buckets.h). A bucket holds
// what its setting allows in its period, so that much may come at once.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/time.h"
#include "base/token_buckets.h"
#include "hub/options.h"

namespace prometheus {
class Counter;
class Registry;
}  // namespace prometheus

namespace linarite::hub {

// A refusal of credentials is held back by no more than this: less than a silent connection may
// stay anyway, so that it gives nobody more connections than before.
inline constexpr Duration kRefusalDelayMax = std::chrono::seconds(5);

// Any thread. An address is what net::address_key() makes of it. Each call returns zero, or how
// long there is to wait.
class Throttles {
 public:
  Throttles(const ThrottleOptions& options, prometheus::Registry& metrics);

  // Asked before: with another answer than zero it is not to be done.
  Duration connect_from(std::string_view address, Instant now);
  Duration connect_device(std::string_view device_id, Instant now);
  Duration send(std::string_view policy, Instant now);
  Duration call_registry(std::string_view policy, Instant now);

  // Told afterwards. A message of a device: how long the device is not to be read.
  Duration telemetry(std::string_view device_id, uint64_t bytes, Instant now);
  // A credential was refused: how long the answer is to be held back. Nothing but refusals ever
  // waits: who comes from the same address with a good credential is answered at once.
  Duration refuse_credential(std::string_view address, Instant now);

 private:
  enum Kind : uint8_t {
    kAddressConnects,
    kAuthenticationFailures,
    kConnects,
    kDeviceConnects,
    kDeviceMessages,
    kDeviceBytes,
    kSends,
    kPolicySends,
    kPolicyRegistryCalls,
    kKinds,
  };
  // Counts what had to wait.
  Duration noted(Kind kind, Duration wait);

  TokenBuckets address_connects_;
  TokenBuckets authentication_failures_;
  TokenBuckets connects_;
  TokenBuckets device_connects_;
  TokenBuckets device_messages_;
  TokenBuckets device_bytes_;
  TokenBuckets sends_;
  TokenBuckets policy_sends_;
  TokenBuckets policy_registry_calls_;
  std::array<prometheus::Counter*, kKinds> throttled_{};
};

}  // namespace linarite::hub
