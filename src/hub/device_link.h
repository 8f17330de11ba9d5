// How the hub reaches a connected device. Gateways implement it, so no include points upwards.
#pragma once

#include <cstdint>

#include "base/error.h"
#include "base/time.h"
#include "wire/c2d_message.h"

namespace linarite::hub {

// Names one delivery of one message. A token of an earlier delivery, or of a message that is gone,
// no longer fits: kDeviceMessageLockLost.
struct LockToken {
  uint64_t sequence = 0;  // The message's sequence number.
  uint64_t nonce = 0;     // Random, new for each delivery.
  bool operator==(const LockToken&) const = default;
};

struct Delivery {
  LockToken lock;
  const wire::C2dMessage& message;  // Lives as long as the call.
  WallTime enqueued;
  uint32_t delivery_count = 0;  // Abandons so far: 0 at the first delivery.
  bool redelivered = false;     // It was handed to a connection before, in this run of the hub.
};

// Owned by its gateway. All calls come on the loop of the device's partition.
class DeviceLink {
 public:
  virtual ~DeviceLink() = default;

  // Hands over one message, in order. The link answers later by Partition::complete, abandon or
  // reject; calling them from inside deliver() is allowed.
  virtual void deliver(const Delivery& delivery) = 0;

  // The hub has already forgotten the link: close the connection. The reasons:
  // kConnectionForcefullyClosedOnNewConnection (takeover), kDeviceDisabled, kDeviceNotFound
  // (deleted), kIotHubUnauthorized (keys changed), kShuttingDown.
  virtual void disconnect(Error reason) = 0;
};

}  // namespace linarite::hub
