#include "gateway/fault_injection.h"

#include <algorithm>
#include <string_view>

#include "base/text.h"

namespace linarite::gateway {
namespace {

constexpr std::string_view kType = "AzIoTHub_FaultOperationType";
constexpr std::string_view kReason = "AzIoTHub_FaultOperationCloseReason";
constexpr std::string_view kDelay = "AzIoTHub_FaultOperationDelayInSecs";
constexpr std::string_view kDuration = "AzIoTHub_FaultOperationDurationInSecs";

// The last two are states of a device. MQTT has no status for them: throttling is back-pressure
// (device-protocol 1.16), and a credential that is no longer good ends the connection (1.18).
std::optional<Fault::Kind> kind_of(std::string_view type) {
  if (type == "KillTcp") return Fault::Kind::kAbort;
  if (type == "ShutDownMqtt") return Fault::Kind::kClose;
  if (type == "InvokeThrottling") return Fault::Kind::kThrottle;
  if (type == "InvokeAuthError") return Fault::Kind::kClose;
  return std::nullopt;
}

const std::string* find(const wire::PropertyBag& bag, std::string_view name) {
  const auto found = std::ranges::find(
      bag.properties, name, [](const auto& property) { return std::string_view(property.first); });
  return found == bag.properties.end() ? nullptr : &found->second;
}

Result<Duration> seconds_of(const wire::PropertyBag& bag, std::string_view name) {
  const std::string* const text = find(bag, name);
  if (text == nullptr) return Duration(0);
  const auto number = whole_number<uint32_t>(*text);
  if (!number || std::chrono::seconds(*number) > kFaultTimeMax) {
    return fail(ErrorCode::kArgumentInvalid, std::string(name) + " is not 0 to 3600 seconds");
  }
  return std::chrono::seconds(*number);
}

}  // namespace

bool asks_for_fault(const wire::PropertyBag& bag) { return find(bag, kType) != nullptr; }

Result<Fault> requested_fault(const wire::PropertyBag& bag) {
  const std::string* const type = find(bag, kType);
  if (type == nullptr) return fail(ErrorCode::kArgumentNull, "no type of a fault");
  const auto kind = kind_of(*type);
  if (!kind) return fail(ErrorCode::kArgumentInvalid, "not a fault of an MQTT connection");
  const auto delay = seconds_of(bag, kDelay);
  if (!delay) return std::unexpected(delay.error());
  const auto duration = seconds_of(bag, kDuration);
  if (!duration) return std::unexpected(duration.error());
  const std::string* const reason = find(bag, kReason);
  return Fault{.kind = *kind,
               .delay = *delay,
               .duration = *duration,
               .type = *type,
               .reason = reason == nullptr ? std::string() : *reason};
}

}  // namespace linarite::gateway
