// What a salvage leaves in a partition's event log in the place of events that were lost, and the
// keys of the log's records (docs/store-format.md).
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/error.h"
#include "base/time.h"

namespace linarite::hub {

// Numbers that no event has or will have, left by a salvage in the place of events that were lost
// (docs/decisions/0011-salvage.md). In the log it lies where a block of these events would.
struct EventGap {
  uint64_t first = 0;  // The first number and offset of the gap.
  uint64_t first_offset = 0;
  uint64_t next = 0;  // Of the event after it.
  uint64_t next_offset = 0;
  uint64_t last_offset = 0;  // Of the event before it.
  WallTime last_enqueued;
  bool operator==(const EventGap&) const = default;

  Bytes record() const;
  static bool is_gap(ByteView record);
  // kStoreCorrupt unless both numbers and offsets rise.
  static Result<EventGap> decode(ByteView record);
};

// The key of the block or gap whose last event has this number: the first key from a number on is
// the block that holds it.
Bytes event_block_key(uint64_t last_sequence);

}  // namespace linarite::hub
