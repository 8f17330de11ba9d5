// Who may do what: the one decision that every gateway asks for (service-protocol 1.2, 8.1).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/time.h"

namespace linarite::hub {

// The rights of a shared access policy; a policy holds any set of them.
enum class Right : uint8_t {
  kRegistryRead = 1,
  kRegistryWrite = 2,  // Implies kRegistryRead.
  kServiceConnect = 4,
  kDeviceConnect = 8,
};
using Rights = uint8_t;

constexpr Rights operator|(Right a, Right b) {
  return static_cast<Rights>(static_cast<Rights>(a) | static_cast<Rights>(b));
}
constexpr Rights operator|(Rights a, Right b) {
  return static_cast<Rights>(a | static_cast<Rights>(b));
}
constexpr bool has(Rights rights, Right right) {
  return (rights & static_cast<Rights>(right)) != 0;
}

enum class Action : uint8_t {
  kReadIdentity,   // Get and list identities.
  kWriteIdentity,  // Create, update, delete identities.
  kReadDeviceStatistics,
  kReadServiceStatistics,
  kSendMessage,  // Cloud to device.
  kReceiveFeedback,
  kPurgeQueue,
  kConnectDevice,  // Be the device: connect, receive, settle.
};
inline constexpr Action kActions[] = {Action::kReadIdentity,         Action::kWriteIdentity,
                                      Action::kReadDeviceStatistics, Action::kReadServiceStatistics,
                                      Action::kSendMessage,          Action::kReceiveFeedback,
                                      Action::kPurgeQueue,           Action::kConnectDevice};

// What the action is done to, as the path below the host that a token's `sr` is compared with:
// "/devices/d1", "/messages/devicebound", "/messages/servicebound/feedback", "/statistics/devices".
struct Resource {
  std::string path;
  static Resource device(std::string_view device_id);
  static Resource devices() { return {"/devices"}; }
  static Resource c2d_sender() { return {"/messages/devicebound"}; }
  static Resource feedback() { return {"/messages/servicebound/feedback"}; }
  static Resource device_statistics() { return {"/statistics/devices"}; }
  static Resource service_statistics() { return {"/statistics/service"}; }
};

// Who asks, as proven by a token. A value; made by Hub::authenticate_policy and
// Partition::authenticate_device only.
struct Principal {
  enum class Kind : uint8_t { kPolicy, kDevice };
  Kind kind = Kind::kPolicy;
  std::string name;                // Policy name or device id.
  Rights rights = 0;               // Of the policy; a device has none.
  std::vector<std::string> scope;  // The token's path segments below the host, lower case.
  WallTime expires;                // The token's own `se`; the skew is added where it is compared.
  uint64_t key_fingerprint = 0;    // Of the policy key that verified; a renewed key ends it.
};

// Whether `principal` may do `action` to `resource`: a pure table. kIotHubUnauthorized (401003) if
// its rights or its token's scope do not reach, kIotHubUnauthorizedAccess (401002) if it has
// expired. Hub::allow adds what only the hub knows: whether the policy still has the key.
Status allow(const Principal& principal, Action action, const Resource& resource, WallTime now);

}  // namespace linarite::hub
