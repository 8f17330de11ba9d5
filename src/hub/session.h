// What a persistent MQTT session keeps over disconnects and restarts (device-protocol 1.6). The
// queue is not in it: that belongs to the device.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/time.h"

namespace linarite::hub {

inline constexpr size_t kSessionSubscriptionsMax = 50;

struct Subscription {
  std::string filter;
  uint8_t qos = 0;  // As granted: 0 or 1.
  WallTime since;   // The first time it was subscribed; kept when subscribed again.
  bool operator==(const Subscription&) const = default;
};

struct Session {
  std::vector<Subscription> subscriptions;
  bool operator==(const Session&) const = default;
};

}  // namespace linarite::hub
