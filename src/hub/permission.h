// Who may do what: the one decision that every gateway asks for (service-protocol 1.2, 8.1).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "wire/sas_token.h"

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
  kReceiveEvents,  // Device to cloud; also what there is to receive.
  kPurgeQueue,
  kConnectDevice,  // Be the device: connect, receive, settle.
};
inline constexpr Action kActions[] = {
    Action::kReadIdentity,          Action::kWriteIdentity, Action::kReadDeviceStatistics,
    Action::kReadServiceStatistics, Action::kSendMessage,   Action::kReceiveFeedback,
    Action::kReceiveEvents,         Action::kPurgeQueue,    Action::kConnectDevice};

// What the action is done to: the path segments below the host that a token's audience is compared
// with, for example {"devices", "d1"}.
struct Resource {
  std::vector<std::string> segments;
  static Resource device(std::string_view device_id) {
    return {{"devices", std::string(device_id)}};
  }
  static Resource devices() { return {{"devices"}}; }
  static Resource c2d_sender() { return {{"messages", "devicebound"}}; }
  static Resource feedback() { return {{"messages", "servicebound", "feedback"}}; }
  // Below the name of the Event Hubs-compatible entity, and the old address of events.
  static Resource events(std::vector<std::string> segments) { return {std::move(segments)}; }
  static Resource device_statistics() { return {{"statistics", "devices"}}; }
  static Resource service_statistics() { return {{"statistics", "service"}}; }
};

// Who asks, as proven by a token. A value; made by Hub::authenticate_policy and
// Partition::authenticate_device only.
struct Principal {
  enum class Kind : uint8_t { kPolicy, kDevice };
  Kind kind = Kind::kPolicy;
  std::string name;              // Policy name or device id.
  Rights rights = 0;             // Of the policy; a device has none.
  wire::SasToken token;          // Its audience and its expiry.
  uint64_t key_fingerprint = 0;  // Of the key that verified; a renewed key ends it.
};

// Whether `principal` may do `action` to `resource` of the hub with these host names: a pure
// function. kIotHubUnauthorized (401003) if its rights or its token's audience do not reach,
// kIotHubUnauthorizedAccess (401002) if the token has expired. Hub::allow adds what only the hub
// knows: whether the policy still has the key.
Status allow(const Principal& principal, Action action, const Resource& resource,
             std::span<const std::string_view> hosts, WallTime now);

}  // namespace linarite::hub
