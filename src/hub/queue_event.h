// What happens to messages in the queues, for whoever wants to watch: tests that ask for the
// journey of a message.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "hub/feedback.h"
#include "store/store.h"

namespace linarite::hub {

struct QueueEvent {
  enum class Kind : uint8_t {
    kEnqueued,   // Durably.
    kRecovered,  // Found in the store when the hub opened.
    kDelivered,  // Handed to the device and locked.
    kReturned,   // The lock ended without a decision: the message is back in its place.
    kAbandoned,  // Given back by the device, durably; also back in its place.
    kEnded,      // Durably out of the queue; see `outcome`.
    kForgotten,  // Out of the queue, with its device, which was deleted.
  };
  Kind kind;
  store::PartitionId partition;
  uint64_t sequence;  // With the partition it names the message, also after a restart.
  std::string_view device_id;
  uint32_t delivery_count = 0;          // Abandons so far.
  Outcome outcome = Outcome::kSuccess;  // Of kEnded.
  bool feedback = false;                // kEnded left a feedback record.
};

// Called on the loop of the message's partition; must not call the hub.
using QueueWatch = std::function<void(const QueueEvent&)>;

}  // namespace linarite::hub
