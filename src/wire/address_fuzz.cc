// Link addresses, `to` and connection strings of any bytes.
#include "wire/address.h"

#include "base/check.h"
#include "wire/connection_string.h"

namespace {

using namespace linarite::wire;

void check_round_trip(const ConnectionString& connection, bool is_device) {
  const std::string text = connection_string_text(connection);
  const auto again =
      is_device ? parse_device_connection_string(text) : parse_service_connection_string(text);
  CHECK(again.has_value() && *again == connection);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);

  const Address address = classify_address(text);
  const auto to = parse_c2d_to(text);
  CHECK(to.has_value() == (address.kind == AddressKind::kDeviceC2d));
  if (to) {
    CHECK(!to->raw.device_id.empty());
    // Ids of any other length would not fit into an address again.
    if (is_valid_identity(to->decoded)) {
      const auto again = parse_c2d_to(c2d_to(to->decoded));
      CHECK(again.has_value() && again->decoded == to->decoded);
    }
  }

  if (const auto device = parse_device_connection_string(text)) {
    CHECK(is_valid_identity(device->identity));
    check_round_trip(*device, true);
  }
  if (const auto service = parse_service_connection_string(text)) check_round_trip(*service, false);
  return 0;
}
