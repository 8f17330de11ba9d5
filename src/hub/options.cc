#include "hub/options.h"

#include <algorithm>

#include "base/text.h"

namespace linarite::hub {
namespace {

template <class T>
bool within(T value, T low, T high) {
  return low <= value && value <= high;
}

Status check_consumer_groups(const std::vector<std::string>& groups) {
  const auto invalid = [](const char* text) { return fail(ErrorCode::kArgumentInvalid, text); };
  if (groups.size() >= kConsumerGroupsMax) {
    return invalid("hub.consumer_groups: at most 19 besides $Default");
  }
  std::vector<std::string> names;
  for (const std::string& group : groups) {
    const bool allowed = std::ranges::all_of(group, [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
             c == '-' || c == '.' || c == '_';
    });
    if (group.empty() || group.size() > kConsumerGroupNameSizeMax || !allowed) {
      return invalid("hub.consumer_groups: names have 1 to 50 letters, digits, -, . and _");
    }
    names.push_back(ascii_lower(group));
  }
  std::ranges::sort(names);
  if (std::ranges::adjacent_find(names) != names.end()) {
    return invalid("hub.consumer_groups: a name comes twice");
  }
  return {};
}

}  // namespace

Status HubOptions::check() const {
  const auto invalid = [](const char* text) { return fail(ErrorCode::kArgumentInvalid, text); };
  const Duration minute = minutes(1);
  const Duration two_days = hours(48);
  if (host_names.empty() || host_names[0].empty()) return invalid("the hub needs a host name");
  if (!within(c2d.queue_depth_max, 1U, 1'000'000U)) {
    return invalid("c2d.queue_depth_max must be 1 to 1000000");
  }
  if (c2d.queue_bytes_max < 65536) return invalid("c2d.queue_bytes_max must be at least 65536");
  if (!within(c2d.ttl_max, minute, two_days)) {
    return invalid("c2d.ttl_max must be 1 minute to 2 days");
  }
  if (!within(c2d.default_ttl, minute, c2d.ttl_max)) {
    return invalid("c2d.default_ttl must be 1 minute to c2d.ttl_max");
  }
  if (!within<Duration>(c2d.lock_duration, seconds(5), seconds(300))) {
    return invalid("c2d.lock_duration must be 5 to 300 seconds");
  }
  if (!within(c2d.delivery_count_max, 1U, 100U)) {
    return invalid("c2d.delivery_count_max must be 1 to 100");
  }
  if (!within(feedback.ttl, minute, two_days)) {
    return invalid("feedback.ttl must be 1 minute to 2 days");
  }
  if (!within<Duration>(feedback.lock_duration, seconds(5), seconds(300))) {
    return invalid("feedback.lock_duration must be 5 to 300 seconds");
  }
  if (!within(feedback.delivery_count_max, 1U, 100U)) {
    return invalid("feedback.delivery_count_max must be 1 to 100");
  }
  if (!within<Duration>(events.retention, hours(24), hours(168))) {
    return invalid("hub.event_retention must be 1 to 7 days");
  }
  if (events.log_bytes_max < (4U << 20U)) {
    return invalid("hub.event_log_bytes_max must be at least 4194304");
  }
  if (Status groups = check_consumer_groups(events.consumer_groups); !groups) return groups;
  if (commit_backlog_bytes_max < (1U << 20U)) {
    return invalid("hub.commit_backlog_bytes_max must be at least 1048576");
  }
  if (queued_messages_max == 0) return invalid("hub.queued_messages_max must be at least 1");
  if (device_count_max == 0) return invalid("hub.device_count_max must be at least 1");
  return {};
}

}  // namespace linarite::hub
