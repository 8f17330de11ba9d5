// A device identity as the hub keeps it (service-protocol 5.2).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/time.h"

namespace linarite::hub {

// The values are stored: never renumber.
enum class AuthenticationType : uint8_t {
  kSas = 0,
  kSelfSigned = 1,
  kCertificateAuthority = 2,
  kNone = 3
};
enum class DeviceStatus : uint8_t { kEnabled = 0, kDisabled = 1 };

struct Identity {
  std::string device_id;
  std::string generation_id;  // Digits; new for each creation.
  std::string etag;           // Base64 text without quotes; new for each write.
  DeviceStatus status = DeviceStatus::kEnabled;
  std::string status_reason;  // Empty is null.
  std::optional<WallTime> status_updated;
  AuthenticationType authentication = AuthenticationType::kSas;
  std::string primary_key;  // Base64; empty unless kSas.
  std::string secondary_key;
  std::string primary_thumbprint;  // Hex as given; empty unless kSelfSigned.
  std::string secondary_thumbprint;
  bool iot_edge = false;
  std::string device_scope;

  bool operator==(const Identity&) const = default;
};

// What is known besides: the connection and the queue.
struct DeviceView {
  Identity identity;
  bool connected = false;
  std::optional<WallTime> connection_state_updated;
  std::optional<WallTime> last_activity;
  uint32_t pending_messages = 0;
};

// A create or update as asked for; what is not set is generated (create) or kept (update).
struct IdentityWrite {
  std::string device_id;
  std::optional<DeviceStatus> status;
  std::optional<std::string> status_reason;
  std::optional<AuthenticationType> authentication;
  std::optional<std::string> primary_key;
  std::optional<std::string> secondary_key;
  std::optional<std::string> primary_thumbprint;
  std::optional<std::string> secondary_thumbprint;
  std::optional<bool> iot_edge;
  std::optional<std::string> device_scope;
};

// The condition of a write or delete (service-protocol 5.1, If-Match).
struct Condition {
  enum class Kind : uint8_t { kNone, kAny, kEtag };
  Kind kind = Kind::kNone;
  std::string etag;  // For kEtag, without quotes.
};

}  // namespace linarite::hub
