#include "wire/topic.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <span>

#include "base/text.h"
#include "wire/percent.h"
#include "wire/property_bag.h"

namespace linarite::wire {
namespace {

constexpr std::string_view kTwinGet = "$iothub/twin/GET/";
constexpr std::string_view kTwinPatch = "$iothub/twin/PATCH/properties/reported/";
constexpr std::string_view kMethodResult = "$iothub/methods/res/";

bool take_prefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

// Takes `devices/{d}` or `devices/{d}/modules/{m}`.
bool take_identity(std::string_view& topic, const Identity& identity) {
  if (!take_prefix(topic, "devices/") || !take_prefix(topic, identity.device_id)) return false;
  if (!identity.is_module()) return true;
  return take_prefix(topic, "/modules/") && take_prefix(topic, identity.module_id);
}

// Reads `?$rid=…&$version=…`, in any order, into `out`; of duplicates the first wins.
bool read_parameters(std::string_view text, PublishTopic& out) {
  if (!take_prefix(text, "?")) return false;
  while (!text.empty()) {
    const size_t end = std::min(text.find('&'), text.size());
    std::string_view item = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (take_prefix(item, "$rid=")) {
      if (!out.request_id) out.request_id = item;
    } else if (take_prefix(item, "$version=") && !out.version && !out.version_malformed) {
      out.version = whole_number<int64_t>(item);
      out.version_malformed = !out.version.has_value();
    }
  }
  return true;
}

PublishTopic classify_twin(std::string_view topic) {
  PublishTopic out;
  if (take_prefix(topic, kTwinGet)) {
    if (read_parameters(topic, out) && out.request_id) out.kind = PublishKind::kTwinGet;
  } else if (take_prefix(topic, kTwinPatch)) {
    // A patch without parameters is applied without an answer (device-protocol 1.13).
    if (topic.empty() || read_parameters(topic, out)) out.kind = PublishKind::kTwinPatch;
  }
  return out;
}

PublishTopic classify_method_result(std::string_view topic) {
  PublishTopic out;
  const size_t slash = topic.find('/');
  if (slash == std::string_view::npos) return out;
  const auto status = whole_number<int32_t>(topic.substr(0, slash));
  if (!status || !read_parameters(topic.substr(slash + 1), out) || !out.request_id) return out;
  out.method_status = *status;
  out.kind = PublishKind::kMethodResult;
  return out;
}

constexpr std::string_view kVaries{};  // A level that holds any text.

// Whether `filter` receives every topic whose levels are `family` (MQTT 3.1.1, 4.7), with a level
// taken literally before it is taken as a wildcard.
bool receives(std::string_view filter, std::span<const std::string_view> family) {
  for (size_t level = 0;; ++level) {
    const size_t slash = filter.find('/');
    const bool last = slash == std::string_view::npos;
    const std::string_view text = filter.substr(0, slash);
    const bool wildcard_allowed = level > 0 || !family[0].starts_with('$');
    if (last && text == "#" && wildcard_allowed) return true;
    if (level == family.size()) return false;
    const bool literal = !family[level].empty() && text == family[level];
    if (!literal && !(text == "+" && wildcard_allowed)) return false;
    if (last) return level + 1 == family.size();
    filter.remove_prefix(slash + 1);
  }
}

bool receives(std::string_view filter, std::initializer_list<std::string_view> family) {
  return receives(filter, std::span(family.begin(), family.size()));
}

void append_identity(std::string& out, const Identity& identity) {
  out += "devices/";
  out += identity.device_id;
  if (!identity.is_module()) return;
  out += "/modules/";
  out += identity.module_id;
}

}  // namespace

PublishTopic classify_publish(const Identity& identity, std::string_view topic) {
  if (topic.starts_with("$iothub/twin/")) return classify_twin(topic);
  if (take_prefix(topic, kMethodResult)) return classify_method_result(topic);

  PublishTopic out;
  if (!take_identity(topic, identity) || !take_prefix(topic, "/messages/events")) return out;
  if (!topic.empty() && !take_prefix(topic, "/")) return out;
  out.kind = PublishKind::kTelemetry;
  out.bag = topic;
  return out;
}

TopicFamilies classify_filter(const Identity& identity, std::string_view filter) {
  TopicFamilies out;
  if (filter == "#") return out;
  const std::string_view d = identity.device_id;
  const std::string_view m = identity.module_id;
  if (identity.is_module()) {
    out.c2d = receives(filter, {"devices", d, "modules", m, "messages", "devicebound", kVaries});
    out.module_inputs = receives(filter, {"devices", d, "modules", m, "inputs", kVaries, kVaries});
  } else {
    out.c2d = receives(filter, {"devices", d, "messages", "devicebound", kVaries});
  }
  out.methods = receives(filter, {"$iothub", "methods", "POST", kVaries, kVaries});
  out.twin_responses = receives(filter, {"$iothub", "twin", "res", kVaries, kVaries});
  out.desired = receives(filter, {"$iothub", "twin", "PATCH", "properties", "desired", kVaries});
  return out;
}

bool append_c2d_topic(std::string& out, const Identity& identity, const C2dMessage& message) {
  const size_t start = out.size();
  append_identity(out, identity);
  out += "/messages/devicebound/";

  std::string default_to;
  if (!message.to || message.to->empty()) {
    default_to += '/';
    append_identity(default_to, identity);
    default_to += "/messages/deviceBound";
  }
  append_c2d_bag(out, message, default_to);
  if (out.size() - start <= kTopicSizeMax) return true;
  out.resize(start);
  return false;
}

std::string method_request_topic(std::string_view method, uint64_t request_id) {
  return fmt::format("$iothub/methods/POST/{}/?$rid={}", percent_encoded(method), request_id);
}

std::string twin_response_topic(int status, std::string_view request_id,
                                std::optional<int64_t> version) {
  std::string topic = fmt::format("$iothub/twin/res/{}/?$rid={}", status, request_id);
  if (version) topic += fmt::format("&$version={}", *version);
  return topic;
}

std::string desired_topic(int64_t version) {
  return fmt::format("$iothub/twin/PATCH/properties/desired/?$version={}", version);
}

}  // namespace linarite::wire
