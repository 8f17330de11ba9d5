// What a hub answers, read by the client: any bytes, no crash.
#include "sdk/registry_json.h"

#include "sdk/failure.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace linarite;
  const ByteView text(reinterpret_cast<const char*>(data), size);
  if (const auto device = sdk::parse_device(text)) {
    // What was read can be written, and read again as the same identity.
    const auto again = sdk::parse_device(sdk::device_request_json(*device));
    if (!again || again->device_id != device->device_id) __builtin_trap();
  }
  error problem;
  if (const device shown = device::from_json(text, problem); !problem) {
    if (device::from_json(to_json(shown), problem) != shown || problem) __builtin_trap();
  }
  (void)sdk::parse_device_list(text);
  (void)sdk::parse_registry_statistics(text);
  (void)sdk::parse_count(text, "totalMessagesPurged");
  (void)sdk::http_failure({.status = 404, .body = Bytes(text)}, WallTime());
  const amqp::Error failure{.condition = "amqp:not-found", .description = std::string(text)};
  (void)sdk::amqp_failure(&failure, errc::server_error);
  return 0;
}
