// The block of a partition's event log: how the events that became durable together lie in one
// record of the store (docs/store-format.md), and the view of it that readers share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "hub/event_log.h"
#include "store/store.h"

namespace linarite::hub {

// An event with more is refused before it comes to the log (device-protocol 1.16: 256 KB of body
// and properties); the sections are larger by what AMQP puts around them.
inline constexpr size_t kEventSectionsSizeMax = 330'000;
inline constexpr size_t kEventAnnotationsSizeMax = 70'000;
// Header and events of a block.
inline constexpr size_t kEventBlockSizeMax = store::kValueSizeMax;

// Immutable; any thread.
class EventBlock {
 public:
  // Takes a whole record, packed or not, or fails with kStoreCorrupt: bounds, counts, limits and
  // the order of times are checked here, so that at() need not.
  static Result<EventBlockPtr> decode(ByteView record);

  uint64_t first() const { return first_; }  // Sequence number of the first event.
  uint64_t next() const { return first_ + size(); }
  uint64_t first_offset() const { return first_offset_; }
  uint64_t next_offset() const;                   // Of the event after the last one.
  size_t size() const { return starts_.size(); }  // At least 1.
  Event at(size_t index) const;
  Event back() const { return at(size() - 1); }
  size_t byte_count() const { return record_.size(); }
  // What it takes of the memory, about: a small block takes several times its bytes.
  size_t memory_bytes() const;
  // Header and events, not packed.
  ByteView record() const { return record_; }
  // The same as the store keeps it: packed with LZ4 where that saves something.
  Bytes stored() const;

 private:
  friend class EventBlockBuilder;
  EventBlock() = default;

  Bytes record_;
  uint64_t first_ = 0;
  uint64_t first_offset_ = 0;
  std::vector<uint32_t> starts_;  // Of the events in record_.
};

// kStoreCorrupt if the record can't be read or lies under another key than its own.
Result<LogEntry> decode_log_entry(ByteView key, ByteView value);

// Gathers events into a block.
class EventBlockBuilder {
 public:
  // Sequence number and offset of its first event.
  EventBlockBuilder(uint64_t sequence, uint64_t offset);

  // Whether the block stays within kEventBlockSizeMax with this event; an empty block takes each.
  bool fits(const NewEvent& event) const;
  // `enqueued` must not be before that of the event before.
  void add(const NewEvent& event, WallTime enqueued);
  bool empty() const { return starts_.empty(); }
  size_t byte_count() const { return record_.size(); }
  // The block; the builder is used up.
  EventBlockPtr finish();

 private:
  uint64_t first_;
  uint64_t first_offset_;
  Bytes record_;
  std::vector<uint32_t> starts_;
};

}  // namespace linarite::hub
