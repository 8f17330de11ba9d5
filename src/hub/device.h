// One device in memory. Only Partition's own files include it.
#pragma once

#include <memory>
#include <optional>

#include "hub/c2d_queue.h"
#include "hub/device_link.h"
#include "hub/partition.h"
#include "hub/stored_identity.h"

namespace linarite::hub {

struct Partition::Device {
  size_t place = 0;     // In places_.
  uint64_t number = 0;  // Given when first watched for expiry, never twice in a partition.
  StoredIdentity identity;
  bool deleting = false;  // A delete is on its way to the disk: no new work.

  DeviceLink* link = nullptr;
  uint64_t link_key = 0;   // Fingerprint of the device's key that the link used; 0: of none.
  uint32_t window = 0;     // 0 while delivery is not open.
  uint32_t in_flight = 0;  // Locked by the link.
  bool pumping = false;
  WallTime subscribed_since;  // For strict_subscription_time.

  C2dQueue queue;
  std::optional<WallTime> expiry_watched;  // Its place in expiries_.
  std::optional<ConnectionTimes> times;
  bool times_unwritten = false;  // The store has older ones, or none.
};

}  // namespace linarite::hub
