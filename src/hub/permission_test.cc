// The whole matrix: every policy and a device, every action, on its own and on foreign resources.
#include "hub/permission.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "base/random.h"
#include "base/text.h"
#include "hub/policies.h"

namespace linarite::hub {
namespace {

const WallTime kNow = *parse_iso8601("2026-01-02T03:04:05Z");
const std::string_view kHosts[] = {"hub.example.com", "localhost"};

Principal policy(const std::string& name, const std::string& audience) {
  SeededRandom random(1);
  for (const Policy& known : default_policies(random)) {
    if (known.name != name) continue;
    return {.name = name,
            .rights = known.rights,
            .token = {.sr = audience, .expiry = kNow + std::chrono::hours(1)}};
  }
  ADD_FAILURE() << name;
  return {};
}

Principal device(const std::string& id) {
  return {.kind = Principal::Kind::kDevice,
          .name = id,
          .token = {.sr = "hub.example.com/devices/" + id, .expiry = kNow + std::chrono::hours(1)}};
}

Resource resource_of(Action action) {
  switch (action) {
    case Action::kReadIdentity:
    case Action::kWriteIdentity:
    case Action::kPurgeQueue:
    case Action::kConnectDevice:
      return Resource::device("d1");
    case Action::kReadDeviceStatistics:
      return Resource::device_statistics();
    case Action::kReadServiceStatistics:
      return Resource::service_statistics();
    case Action::kSendMessage:
      return Resource::c2d_sender();
    case Action::kReceiveFeedback:
      return Resource::feedback();
    case Action::kReceiveEvents:
      return Resource::events({"hub", "ConsumerGroups", "$Default", "Partitions", "0"});
  }
  return {};
}

bool allowed(const Principal& principal, Action action, WallTime now = kNow) {
  return allow(principal, action, resource_of(action), kHosts, now).has_value();
}

// service-protocol 1.2 and 8.1, as data and not as code.
const std::map<std::string, std::set<Action>> kMatrix = {
    {"iothubowner", {std::begin(kActions), std::end(kActions)}},
    {"service",
     {Action::kReadDeviceStatistics, Action::kReadServiceStatistics, Action::kSendMessage,
      Action::kReceiveFeedback, Action::kReceiveEvents, Action::kPurgeQueue}},
    {"device", {Action::kConnectDevice}},
    {"registryRead",
     {Action::kReadIdentity, Action::kReadDeviceStatistics, Action::kReadServiceStatistics}},
    {"registryReadWrite",
     {Action::kReadIdentity, Action::kWriteIdentity, Action::kReadDeviceStatistics,
      Action::kReadServiceStatistics}},
};

TEST(PermissionTest, EveryPolicyMayWhatItsRightsSayAndNothingElse) {
  for (const auto& [name, actions] : kMatrix) {
    for (const Action action : kActions) {
      EXPECT_EQ(allowed(policy(name, "hub.example.com"), action), actions.contains(action))
          << name << " action " << static_cast<int>(action);
    }
  }
}

TEST(PermissionTest, ADeviceMayOnlyBeItself) {
  for (const Action action : kActions) {
    EXPECT_EQ(allowed(device("d1"), action), action == Action::kConnectDevice);
    EXPECT_FALSE(allowed(device("d2"), action));
    EXPECT_FALSE(allowed(device("D1"), action));
    EXPECT_FALSE(allowed(device("d"), action));
  }
}

TEST(PermissionTest, ATokensAudienceBoundsItSegmentBySegment) {
  const auto owner = [](const std::string& audience) {
    return policy("iothubowner", "hub.example.com" + audience);
  };
  for (const Action action : kActions) {
    const Resource resource = resource_of(action);
    const bool is_device = resource.segments[0] == "devices";
    EXPECT_EQ(allowed(owner("/devices"), action), is_device);
    EXPECT_EQ(allowed(owner("%2Fdevices%2Fd1"), action), is_device);
    EXPECT_FALSE(allowed(owner("/devices/d"), action));
    EXPECT_FALSE(allowed(owner("/devices/d1/more"), action));
    EXPECT_FALSE(allowed(policy("iothubowner", "other.example.com"), action));
    EXPECT_TRUE(allowed(policy("iothubowner", "LOCALHOST"), action));
  }
}

TEST(PermissionTest, NothingIsAllowedAfterTheTokensTime) {
  for (const Action action : kActions) {
    const Principal owner = policy("iothubowner", "hub.example.com");
    EXPECT_TRUE(allowed(owner, action, kNow + std::chrono::minutes(65)));
    const auto late = allow(owner, action, resource_of(action), kHosts,
                            kNow + std::chrono::minutes(65) + std::chrono::milliseconds(1));
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().code, ErrorCode::kIotHubUnauthorizedAccess);
  }
}

}  // namespace
}  // namespace linarite::hub
