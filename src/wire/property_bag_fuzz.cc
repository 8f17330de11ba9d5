// Bags of any bytes: what was read can be written as a cloud-to-device bag and read back.
#include "wire/property_bag.h"

#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace linarite::wire;
  const auto bag = parse_property_bag({reinterpret_cast<const char*>(data), size});
  if (!bag) {
    CHECK(bag.error().code == linarite::ErrorCode::kArgumentInvalid);
    return 0;
  }
  CHECK(bag->properties.size() <= kPropertyCountMax);

  C2dMessage message;
  message.message_id = bag->system.message_id;
  message.content_type = bag->system.content_type;
  message.properties = bag->properties;
  std::string text;
  append_c2d_bag(text, message, "/devices/dev1/messages/deviceBound");
  CHECK(text.find_first_of("/+# ") == std::string::npos);

  const auto again = parse_property_bag(text);
  CHECK(again.has_value());
  CHECK(again->properties == bag->properties);
  CHECK(again->system.to == "/devices/dev1/messages/deviceBound");
  CHECK(again->system.message_id.value_or("") == bag->system.message_id.value_or(""));
  return 0;
}
