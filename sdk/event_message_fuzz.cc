// Any bytes are an event or a failure, and an event is no larger than its message.
#include "sdk/event_message.h"

#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const linarite::ByteView bytes(reinterpret_cast<const char*>(data), size);
  const auto read = linarite::sdk::read_event(bytes);
  if (read) CHECK(read->content.body.size() <= size + 20);  // A number as body has 20 digits.
  return 0;
}
