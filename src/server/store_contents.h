// What the hub has in a closed store: read whole, counted, and checked as the hub checks it when it
// opens (hub/partition.cc, hub/event_log.cc).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/error.h"
#include "hub/event_block.h"
#include "hub/event_gap.h"
#include "hub/records.h"
#include "store/embedded/closed_store.h"

namespace linarite::server {

// A part of a partition's event log, [first, next).
struct EventRange {
  store::PartitionId partition = 0;
  uint64_t first = 0;
  uint64_t next = 0;
};

struct StoreContents {
  uint64_t identities = 0;
  uint64_t disabled = 0;  // Of the identities.
  uint64_t messages = 0;  // Queued for devices.
  uint64_t feedback = 0;
  uint64_t sessions = 0;
  uint64_t policies = 0;
  uint64_t events = 0;
  std::vector<EventRange> event_ranges;  // What is kept, by partition; gaps of a salvage between.
  std::vector<std::string> problems;     // What the hub would refuse; empty: nothing.
};

// kIoError; damage is no error but a problem.
Result<StoreContents> read_contents(store::ClosedStore& store);

// Where a partition's event log begins: the record `t`, if there is one and it can be read.
struct LogBegin {
  uint64_t sequence = 0;
  uint64_t offset = 0;
  uint64_t last_offset = 0;  // Of the last event there was, if none is kept.
  WallTime last_enqueued;
};
std::optional<LogBegin> decode_log_begin(ByteView record);
Bytes encode_log_begin(const LogBegin& begin);

// A record of a partition's log, if it is sound.
using LogEntry = std::variant<hub::EventBlockPtr, hub::EventGap>;
Result<LogEntry> decode_log_entry(ByteView key, ByteView value);

}  // namespace linarite::server
