// One partition's log of device-to-cloud events: append at the end, read from anywhere, trim at the
// front (service-protocol 4, device-protocol 1.8).
//
// Events carry the AMQP sections in which readers receive them, encoded once by the gateway that took
// the event, so that reading is copying. The log adds what only it knows: sequence number, offset and
// enqueued time. Sequence numbers of a partition start at 0, have no gaps and are never used twice,
// also not after a crash. Readers see durable events only.
//
// The unit of storage is the block: the events that became durable together, at most
// kEventBlockSizeMax bytes. A block is immutable and shared between the log and its readers.
//
// Threads: a log belongs to the loop of its partition; EventBlock may be read on any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "base/bytes.h"
#include "base/error.h"
#include "base/time.h"

namespace linarite::hub {

// What a gateway appends.
struct NewEvent {
  // Entries of the AMQP message annotations (encoded symbol key and value, one after the other)
  // besides x-opt-sequence-number, x-opt-offset and x-opt-enqueued-time, which readers put before.
  Bytes annotations;
  uint32_t annotation_count = 0;  // Keys in `annotations`.
  // The encoded sections behind the annotations: properties, application properties, data.
  Bytes sections;
};

// An event as readers see it. Views into its block.
struct Event {
  uint64_t sequence = 0;
  uint64_t offset = 0;  // Strictly increasing in a partition; decimal on the wire.
  WallTime enqueued;    // Never runs backwards in a partition.
  uint32_t annotation_count = 0;
  ByteView annotations;
  ByteView sections;
};

class EventBlock;  // first(), size(), at(i), byte_count(); see event_block.h.
using EventBlockPtr = std::shared_ptr<const EventBlock>;

// Where a reader starts (service-protocol 4.6). `inclusive` is ">=".
struct EventPosition {
  enum class Kind : uint8_t { kStart, kLatest, kOffset, kSequence, kEnqueued };
  Kind kind = Kind::kStart;
  uint64_t number = 0;  // For kOffset and kSequence.
  WallTime time;        // For kEnqueued.
  bool inclusive = false;
};

// What is durable and retained.
struct EventLogState {
  uint64_t first_sequence = 0;  // Of the first retained event; next_sequence if there is none.
  uint64_t next_sequence = 0;   // Of the event after the last durable one.
  uint64_t last_offset = 0;     // Of the last durable event, also when it was trimmed; see any().
  WallTime last_enqueued;
  bool any() const { return next_sequence > 0; }  // Whether there ever was an event.
  bool empty() const { return first_sequence == next_sequence; }
};

}  // namespace linarite::hub
