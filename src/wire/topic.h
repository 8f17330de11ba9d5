// MQTT topic names and filters of a device or module (device-protocol 1.9, 1.10, 1.12 to 1.14).
// Ids stand raw in topics: nothing here percent-decodes an id, and ids may hold '+', '#' and '$'.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "wire/c2d_message.h"
#include "wire/device_id.h"

namespace linarite::wire {

inline constexpr size_t kTopicSizeMax = 65535;  // MQTT 3.1.1, 1.5.3

enum class PublishKind : uint8_t {
  kRefused,       // not one of the identity's topics: the connection is to be closed
  kTelemetry,     // with `bag`
  kTwinGet,       // with `request_id`
  kTwinPatch,     // with `request_id` if an answer is wanted, and maybe `version`
  kMethodResult,  // with `method_status` and `request_id`
};

// A published topic. The views point into the topic that was classified.
struct PublishTopic {
  PublishKind kind = PublishKind::kRefused;
  std::string_view bag;                        // for parse_property_bag
  std::optional<std::string_view> request_id;  // $rid, verbatim; it is sent back as it is
  std::optional<int64_t> version;              // $version
  bool version_malformed = false;              // $version is there but no whole number
  int32_t method_status = 0;
};

// What `topic` means when `identity` publishes to it. Anything but the identity's own telemetry
// topic, the two twin requests and a method result is kRefused, a twin GET without $rid also.
PublishTopic classify_publish(const Identity& identity, std::string_view topic);

// The families of topics a subscription filter receives.
struct TopicFamilies {
  bool c2d = false;
  bool methods = false;
  bool twin_responses = false;
  bool desired = false;
  bool module_inputs = false;

  bool any() const { return c2d || methods || twin_responses || desired || module_inputs; }
  bool operator==(const TopicFamilies&) const = default;
};

// Which of the identity's own topic families `filter` asks for; none is a refusal (SUBACK 0x80). A
// level equal to the own id is taken literally before wildcards are looked at, a leading wildcard
// does not reach `$iothub`, and a bare `#` is refused, as the original does. A filter that names
// one value where a family varies (one method, one bag) would have to be answered for only part of
// the family and is refused.
TopicFamilies classify_filter(const Identity& identity, std::string_view filter);

// Appends `devices/{d}[/modules/{m}]/messages/devicebound/{bag}`. False, with `out` unchanged, when
// the topic would be longer than kTopicSizeMax.
bool append_c2d_topic(std::string& out, const Identity& identity, const C2dMessage& message);

// `$iothub/methods/POST/{method}/?$rid={rid}`; the method name is percent-encoded.
std::string method_request_topic(std::string_view method, uint64_t request_id);
// `$iothub/twin/res/{status}/?$rid={rid}[&$version={version}]`; `status` has three digits.
std::string twin_response_topic(int status, std::string_view request_id,
                                std::optional<int64_t> version = std::nullopt);
// `$iothub/twin/PATCH/properties/desired/?$version={version}`.
std::string desired_topic(int64_t version);

}  // namespace linarite::wire
