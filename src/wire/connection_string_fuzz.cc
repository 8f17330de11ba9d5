// Any text is a connection string of each kind, or a failure that shows no value of it.
#include "wire/connection_string.h"

#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace linarite::wire;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto device = parse_device_connection_string(text);
  const auto service = parse_service_connection_string(text);
  if (device) CHECK(parse_device_connection_string(connection_string_text(*device)) == *device);
  if (service) CHECK(parse_service_connection_string(connection_string_text(*service)) == *service);
  const auto events = parse_event_hubs_connection_string(text);
  if (events) {
    CHECK(is_event_hubs_connection_string(text));
    CHECK(!events->host_name.empty() && !events->entity.empty());
    CHECK(size <= kConnectionStringSizeMax);
  }
  return 0;
}
