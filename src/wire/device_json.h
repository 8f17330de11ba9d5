// The JSON of a device identity in the service API (service-protocol 5.2).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/time.h"

namespace linarite::wire {

inline constexpr size_t kDeviceJsonSizeMax = 65536;    // bytes of a request body
inline constexpr size_t kStatusReasonLengthMax = 128;  // characters
inline constexpr size_t kDeviceScopeSizeMax = 512;     // bytes
inline constexpr size_t kSymmetricKeySizeMin = 16;     // decoded bytes
inline constexpr size_t kSymmetricKeySizeMax = 64;

enum class DeviceStatus : uint8_t { kEnabled, kDisabled };
enum class AuthenticationType : uint8_t { kSas, kSelfSigned, kCertificateAuthority, kNone };

// Base64 of 16 to 64 bytes.
bool is_valid_symmetric_key(std::string_view key);
// 40 (SHA-1) or 64 (SHA-256) hex digits of either case.
bool is_valid_thumbprint(std::string_view thumbprint);

// A create or update as the client asked for it: what it left out, gave as null, or (keys and
// thumbprints) as "" is not set. Everything set is valid.
struct DeviceRequest {
  std::optional<DeviceStatus> status;
  std::optional<std::string> status_reason;
  // Derived when the client gave no type: kSelfSigned from thumbprints, kSas from keys.
  std::optional<AuthenticationType> authentication;
  std::optional<std::string> primary_key;  // Both keys are set or none is.
  std::optional<std::string> secondary_key;
  std::optional<std::string> primary_thumbprint;
  std::optional<std::string> secondary_thumbprint;
  std::optional<bool> iot_edge;
  std::optional<std::string> device_scope;
};

// Parses the body of a PUT for `device_id` (the id of the path). Member names and enum values
// ignore case; read-only and unknown members are ignored whatever they hold. Fails with 413000,
// 400006 (see parse_json), or 400004 for a value that is invalid, another deviceId, or only one of
// the two keys.
Result<DeviceRequest> parse_device_request(std::string_view json, std::string_view device_id);

// A device as it is shown. Empty text of status_reason, keys, thumbprints and scope is null. All
// text must be UTF-8.
struct DeviceDocument {
  std::string device_id;
  std::string generation_id;
  std::string etag;
  bool connected = false;
  DeviceStatus status = DeviceStatus::kEnabled;
  std::string status_reason;
  std::optional<WallTime> connection_state_updated;
  std::optional<WallTime> status_updated;
  std::optional<WallTime> last_activity;
  uint64_t cloud_to_device_message_count = 0;
  AuthenticationType authentication = AuthenticationType::kSas;
  std::string primary_key;
  std::string secondary_key;
  std::string primary_thumbprint;
  std::string secondary_thumbprint;
  bool iot_edge = false;
  std::string device_scope;
  std::vector<std::string> parent_scopes;
};

// The body of a PUT: the members that are a client's to say. An empty scope and no parents are left
// out.
std::string device_request_json(const DeviceDocument& device);

// The object of service-protocol 5.2, members in its order.
std::string device_json(const DeviceDocument& device);
std::string device_list_json(std::span<const DeviceDocument> devices);

}  // namespace linarite::wire
