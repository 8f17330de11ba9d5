#include "hub/permission.h"

namespace linarite::hub {
namespace {

// The rights of which one suffices for each action (service-protocol 8.1; where the original's
// documents differ, either right is taken).
Rights sufficient_rights(Action action) {
  constexpr auto kService = static_cast<Rights>(Right::kServiceConnect);
  switch (action) {
    case Action::kReadIdentity:
      return Right::kRegistryRead | Right::kRegistryWrite;
    case Action::kWriteIdentity:
      return static_cast<Rights>(Right::kRegistryWrite);
    case Action::kReadDeviceStatistics:
    case Action::kReadServiceStatistics:
      return (Right::kRegistryRead | Right::kRegistryWrite) | kService;
    case Action::kSendMessage:
    case Action::kReceiveFeedback:
    case Action::kReceiveEvents:
    case Action::kPurgeQueue:
      return kService;
    case Action::kConnectDevice:
      return static_cast<Rights>(Right::kDeviceConnect);
  }
  return 0;
}

}  // namespace

Status allow(const Principal& principal, Action action, const Resource& resource,
             std::span<const std::string_view> hosts, WallTime now) {
  if (wire::sas_token_expired(principal.token, now)) {
    return fail(ErrorCode::kIotHubUnauthorizedAccess, "the token has expired");
  }
  if (principal.kind == Principal::Kind::kDevice) {
    // A device may be itself and nothing else. Its id is compared byte for byte.
    if (action == Action::kConnectDevice &&
        resource.segments == Resource::device(principal.name).segments) {
      return {};
    }
    return fail(ErrorCode::kIotHubUnauthorized, "a device's key gives no access here");
  }
  if ((principal.rights & sufficient_rights(action)) == 0) {
    return fail(ErrorCode::kIotHubUnauthorized,
                "authorization rule '" + principal.name + "' does not allow access here");
  }
  const std::vector<std::string_view> path(resource.segments.begin(), resource.segments.end());
  if (!wire::audience_covers(principal.token, hosts, path, 0)) {
    return fail(ErrorCode::kIotHubUnauthorized, "the token was made for another resource");
  }
  return {};
}

}  // namespace linarite::hub
