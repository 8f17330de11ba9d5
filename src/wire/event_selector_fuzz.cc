// Selector filters of any bytes: what is accepted is read back from its own text.
#include "base/check.h"
#include "wire/event_selector.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace linarite::wire;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto selector = parse_event_selector(input);
  if (selector) {
    CHECK(input.size() <= kEventSelectorSizeMax);
    const auto again = parse_event_selector(event_selector_text(*selector));
    CHECK(again && *again == *selector);
  }
  for (const char c : event_hub_name(input)) {
    CHECK((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_');
  }
  return 0;
}
