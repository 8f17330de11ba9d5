#include "hub/throttles.h"

#include <prometheus/counter.h>
#include <prometheus/registry.h>

#include <algorithm>

namespace linarite::hub {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

// For the hub as a whole there is one bucket, and there are at most 16 policies.
constexpr size_t kFewEntries = 64;
constexpr std::string_view kWholeHub = "hub";

// The first refusal beyond the allowance is held back by this, each further one by twice as much.
constexpr Duration kRefusalDelayMin = milliseconds(100);
// How far refusals are remembered beyond the allowance: after 16 of its tokens they are forgiven.
constexpr int64_t kRefusalsOwedMax = 16;

// In the order of Throttles::Kind: the settings without their section.
constexpr const char* kLimitNames[] = {"address_connects_per_second",
                                       "authentication_failures_per_minute",
                                       "connects_per_second",
                                       "device_connects_per_minute",
                                       "device_messages_per_second",
                                       "device_bytes_per_second",
                                       "c2d_sends_per_minute",
                                       "policy_c2d_sends_per_minute",
                                       "policy_registry_calls_per_minute"};

TokenBuckets::Limit each_second(uint64_t tokens) {
  return {.tokens = tokens, .period = seconds(1)};
}

TokenBuckets::Limit each_minute(uint64_t tokens) {
  return {.tokens = tokens, .period = minutes(1)};
}

TokenBuckets::Limit refusals(uint64_t tokens) {
  TokenBuckets::Limit limit = each_minute(tokens);
  if (tokens > 0) limit.debt_max = limit.period / static_cast<int64_t>(tokens) * kRefusalsOwedMax;
  return limit;
}

}  // namespace

Throttles::Throttles(const ThrottleOptions& options, prometheus::Registry& metrics)
    : address_connects_(each_second(options.address_connects_per_second)),
      authentication_failures_(refusals(options.authentication_failures_per_minute)),
      connects_(each_second(options.connects_per_second), kFewEntries),
      device_connects_(each_minute(options.device_connects_per_minute)),
      device_messages_(each_second(options.device_messages_per_second)),
      device_bytes_(each_second(options.device_bytes_per_second)),
      sends_(each_minute(options.c2d_sends_per_minute), kFewEntries),
      policy_sends_(each_minute(options.policy_c2d_sends_per_minute), kFewEntries),
      policy_registry_calls_(each_minute(options.policy_registry_calls_per_minute), kFewEntries) {
  static_assert(std::size(kLimitNames) == kKinds);
  auto& family = prometheus::BuildCounter()
                     .Name("linarite_throttled_total")
                     .Help("What was refused or had to wait, by the limit that it met.")
                     .Register(metrics);
  for (size_t i = 0; i < throttled_.size(); ++i) {
    throttled_[i] = &family.Add({{"limit", kLimitNames[i]}});
  }
}

Duration Throttles::noted(Kind kind, Duration wait) {
  if (wait > Duration::zero()) throttled_[kind]->Increment();
  return wait;
}

Duration Throttles::connect_from(std::string_view address, Instant now) {
  return noted(kAddressConnects, address_connects_.take(address, 1, now));
}

Duration Throttles::connect_device(std::string_view device_id, Instant now) {
  const Duration own = noted(kDeviceConnects, device_connects_.take(device_id, 1, now));
  if (own > Duration::zero()) return own;
  return noted(kConnects, connects_.take(kWholeHub, 1, now));
}

Duration Throttles::send(std::string_view policy, Instant now) {
  const Duration own = noted(kPolicySends, policy_sends_.take(policy, 1, now));
  if (own > Duration::zero()) return own;
  return noted(kSends, sends_.take(kWholeHub, 1, now));
}

Duration Throttles::call_registry(std::string_view policy, Instant now) {
  return noted(kPolicyRegistryCalls, policy_registry_calls_.take(policy, 1, now));
}

Duration Throttles::telemetry(std::string_view device_id, uint64_t bytes, Instant now) {
  const Duration messages = noted(kDeviceMessages, device_messages_.charge(device_id, 1, now));
  const Duration volume = noted(kDeviceBytes, device_bytes_.charge(device_id, bytes, now));
  return std::max(messages, volume);
}

Duration Throttles::refuse_credential(std::string_view address, Instant now) {
  const Duration owed = authentication_failures_.charge(address, 1, now);
  if (owed <= Duration::zero()) return owed;
  const Duration one = std::max(authentication_failures_.time_of_one(), Duration(1));
  const int64_t refusals_owed = std::max<int64_t>((owed + one / 2) / one, 1);
  const Duration delay =
      kRefusalDelayMin * (int64_t{1} << std::min<int64_t>(refusals_owed - 1, 16));
  return noted(kAuthenticationFailures, std::min(delay, kRefusalDelayMax));
}

}  // namespace linarite::hub
