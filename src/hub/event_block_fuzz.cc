// Any bytes: a block that is taken is read in full, and events put together again make the same
// block, which survives its way to the store and back. A gap that is taken has these bytes again.
#include <cstdint>

#include "base/check.h"
#include "hub/event_block.h"
#include "hub/event_gap.h"

using namespace linarite;
using namespace linarite::hub;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteView bytes(reinterpret_cast<const char*>(data), size);
  const auto block = EventBlock::decode(bytes);
  const auto gap = EventGap::decode(bytes);
  CHECK(!gap || (gap->record() == bytes && gap->next > gap->first && !block));
  if (!block) return 0;
  const EventBlock& events = **block;
  EventBlockBuilder builder(events.first(), events.first_offset());
  for (size_t i = 0; i < events.size(); ++i) {
    const Event event = events.at(i);
    CHECK(event.sequence == events.first() + i);
    builder.add({.annotations = Bytes(event.annotations),
                 .annotation_count = event.annotation_count,
                 .sections = Bytes(event.sections)},
                event.enqueued);
  }
  const EventBlockPtr again = builder.finish();
  CHECK(again->record() == events.record());
  const auto stored = EventBlock::decode(again->stored());
  CHECK(stored && (*stored)->record() == events.record());
  CHECK(again->next() == events.next());
  CHECK(again->next_offset() == events.next_offset());
  return 0;
}
