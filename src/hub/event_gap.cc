#include "hub/event_gap.h"

namespace linarite::hub {
namespace {

constexpr uint8_t kGapVersion = 3;  // 1 and 2 are blocks: event_block.cc.

std::unexpected<Error> corrupt() {
  return fail(ErrorCode::kStoreCorrupt, "a stored gap of the event log can't be read");
}

}  // namespace

Bytes EventGap::record() const {
  Bytes out;
  ByteWriter writer(out);
  writer.number(kGapVersion);
  for (const uint64_t number : {first, first_offset, next, next_offset, last_offset}) {
    writer.number(number);
  }
  writer.number(static_cast<uint64_t>(last_enqueued.time_since_epoch().count()));
  return out;
}

bool EventGap::is_gap(ByteView record) {
  return !record.empty() && static_cast<uint8_t>(record.front()) == kGapVersion;
}

Result<EventGap> EventGap::decode(ByteView record) {
  ByteReader reader(record);
  if (reader.number<uint8_t>() != kGapVersion) return corrupt();
  EventGap gap;
  for (uint64_t* const number :
       {&gap.first, &gap.first_offset, &gap.next, &gap.next_offset, &gap.last_offset}) {
    const auto read = reader.number<uint64_t>();
    if (!read) return corrupt();
    *number = *read;
  }
  const auto time = reader.number<uint64_t>();
  if (!time || !reader.empty() || gap.next <= gap.first || gap.next_offset < gap.first_offset) {
    return corrupt();
  }
  gap.last_enqueued = WallTime(std::chrono::milliseconds(static_cast<int64_t>(*time)));
  return gap;
}

Bytes event_block_key(uint64_t last_sequence) {
  Bytes key;
  ByteWriter(key).number(last_sequence);
  return key;
}

}  // namespace linarite::hub
