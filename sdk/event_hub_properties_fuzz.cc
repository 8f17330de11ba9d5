// Any bytes are an answer of $management or a failure, and what is read from one is bounded.
#include "sdk/event_hub_properties.h"

#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace linarite::sdk;
  const auto answer =
      read_management_answer(linarite::ByteView(reinterpret_cast<const char*>(data), size));
  if (!answer) return 0;
  CHECK(answer->request.size() <= size);
  if (answer->why) CHECK(answer->body.is_null() && answer->why.message().size() <= size + 200);
  if (const auto hub = read_event_hub_properties(answer->body)) {
    CHECK(!hub->partitions.empty() && hub->partitions.size() <= kPartitionsMax);
  }
  if (const auto partition = read_partition_properties(answer->body)) {
    CHECK(partition->last_sequence_number >= -1 && partition->last_offset.size() <= size);
  }
  return 0;
}
