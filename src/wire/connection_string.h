// Connection strings of devices, modules and services (service-protocol 1.1, device-protocol 7.6).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "wire/device_id.h"

namespace linarite::wire {

inline constexpr size_t kConnectionStringSizeMax = 8192;  // bytes
inline constexpr size_t kHostNameSizeMax = 253;
inline constexpr size_t kPolicyNameSizeMax = 64;
inline constexpr size_t kEntityPathSizeMax = 260;

// Empty is absent. A parsed value is complete and consistent for what it was parsed as.
struct ConnectionString {
  std::string host_name;
  Identity identity;      // empty device id for a service
  std::string policy;     // SharedAccessKeyName
  std::string key;        // SharedAccessKey, base64
  std::string signature;  // SharedAccessSignature, a whole token
  std::string gateway_host_name;
  bool x509 = false;

  bool operator==(const ConnectionString&) const = default;
};

// `HostName=…;DeviceId=…[;ModuleId=…]` with exactly one of SharedAccessKey (with
// SharedAccessKeyName for a policy's key), SharedAccessSignature and x509=true.
//
// Field names ignore case, one ';' at the end is allowed; a host name has letters, digits, '-', '_'
// and '.', and no port. Fails with 400004; the message names the field and never shows a value.
Result<ConnectionString> parse_device_connection_string(std::string_view text);

// `HostName=…;SharedAccessKeyName=…` with exactly one of SharedAccessKey and SharedAccessSignature.
// The same rules; a DeviceId makes it a device's and is refused.
Result<ConnectionString> parse_service_connection_string(std::string_view text);

// Writes what is present, in the order SDKs and portal use.
std::string connection_string_text(const ConnectionString& connection);

// What users paste into Event Hubs SDKs:
// `Endpoint=sb://{host}/;SharedAccessKeyName=…;SharedAccessKey=…;EntityPath=…`.
std::string event_hubs_connection_string(const ConnectionString& service, std::string_view entity);

// What such a text says. Empty is absent.
struct EventHubsConnectionString {
  std::string host_name;
  std::optional<uint16_t> port;
  std::string policy;
  std::string key;        // Any text: Event Hubs' clients sign with its bytes as they stand.
  std::string signature;  // SharedAccessSignature, a whole token
  std::string entity;
  bool development_emulator = false;  // AMQP without TLS.

  bool operator==(const EventHubsConnectionString&) const = default;
};

// `Endpoint=sb://{host}[:port][/];EntityPath=…` with SharedAccessKeyName and SharedAccessKey, or
// with SharedAccessSignature; UseDevelopmentEmulator=true|false may be there. The same rules.
Result<EventHubsConnectionString> parse_event_hubs_connection_string(std::string_view text);
// Whether the text has an Endpoint, so that it is of this kind, well formed or not.
bool is_event_hubs_connection_string(std::string_view text);

}  // namespace linarite::wire
