// Connection strings of hubs and devices: `Name=value` pairs between semicolons (service-protocol
// 1.1, device-protocol 0.1).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace linarite::wire {

inline constexpr size_t kConnectionStringSizeMax = 4096;  // bytes

struct ConnectionString {
  std::string host_name;
  uint16_t port = 0;      // ours: `HostName=host:port`, for a hub on other ports; 0 if not given
  std::string policy;     // SharedAccessKeyName; empty for a device
  std::string device_id;  // empty for a hub
  std::string module_id;
  std::string key;    // SharedAccessKey, base64
  bool x509 = false;  // x509=true: a certificate instead of a key

  bool operator==(const ConnectionString&) const = default;
};

// Names ignore case and come in any order; others than those above are ignored. Fails with 400004
// and a message without any value of the text: too long, an item without '=', a name given twice,
// no HostName, a host or port that is none, no key (unless x509), a key that is not base64, or
// neither SharedAccessKeyName nor DeviceId.
Result<ConnectionString> parse_connection_string(std::string_view text);

// The members that are set, in the order that Azure writes them.
std::string connection_string_text(const ConnectionString& value);

}  // namespace linarite::wire
