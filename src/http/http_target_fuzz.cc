// Any text as a request target: what is accepted has no dot or empty segment, and encoding its
// parts again gives the same target.
#include "base/check.h"
#include "http/target.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace linarite::http;
  const auto target = parse_target({reinterpret_cast<const char*>(data), size});
  if (!target) return 0;
  std::string again;
  for (const std::string& segment : target->segments) {
    CHECK(!segment.empty() && segment != "." && segment != "..");
    CHECK(segment.find('/') == std::string::npos && segment.find('\0') == std::string::npos);
    again += "/" + percent_encode(segment);
  }
  if (again.empty()) again = "/";
  char separator = '?';
  for (const Parameter& parameter : target->query) {
    again += separator + percent_encode(parameter.name) + "=" + percent_encode(parameter.value);
    separator = '&';
  }
  const auto second = parse_target(again);
  CHECK(second && second->segments == target->segments && second->query == target->query);
  return 0;
}
