#include "wire/address.h"

#include <algorithm>
#include <array>
#include <span>

#include "base/text.h"
#include "wire/percent.h"

namespace linarite::wire {
namespace {

// The longest known form has seven segments; a longer address is unknown.
constexpr size_t kSegmentsMax = 8;

struct Segments {
  std::array<std::string_view, kSegmentsMax> text;
  size_t count = 0;

  std::span<const std::string_view> all() const { return {text.data(), count}; }
};

std::optional<Segments> split(std::string_view path) {
  Segments out;
  while (true) {
    if (out.count == kSegmentsMax) return std::nullopt;
    const size_t slash = path.find('/');
    out.text[out.count++] = path.substr(0, slash);
    if (slash == std::string_view::npos) return out;
    path.remove_prefix(slash + 1);
  }
}

using SegmentsView = std::span<const std::string_view>;

bool same(SegmentsView segments, std::initializer_list<std::string_view> expected) {
  return std::ranges::equal(segments, expected, equal_ignoring_case);
}

// Takes `devices/{d}` or `devices/{d}/modules/{m}` from the front.
std::optional<AddressedIdentity> take_identity(SegmentsView& segments) {
  if (segments.size() < 2 || !equal_ignoring_case(segments[0], "devices") || segments[1].empty()) {
    return std::nullopt;
  }
  AddressedIdentity out;
  out.raw.device_id = segments[1];
  segments = segments.subspan(2);
  if (segments.size() >= 2 && equal_ignoring_case(segments[0], "modules")) {
    if (segments[1].empty()) return std::nullopt;
    out.raw.module_id = segments[1];
    segments = segments.subspan(2);
  }
  out.decoded = {percent_decoded(out.raw.device_id), percent_decoded(out.raw.module_id)};
  return out;
}

// Whom `devices/{d}[/modules/{m}]/messages/devicebound` names.
std::optional<AddressedIdentity> c2d_identity(std::string_view path) {
  const auto split_path = split(path);
  if (!split_path) return std::nullopt;
  SegmentsView segments = split_path->all();
  auto identity = take_identity(segments);
  if (!same(segments, {"messages", "devicebound"})) return std::nullopt;
  return identity;
}

Address classify_device(SegmentsView segments) {
  Address out;
  auto identity = take_identity(segments);
  if (!identity) return out;
  if (same(segments, {"messages", "events"})) {
    out.kind = AddressKind::kDeviceTelemetry;
  } else if (same(segments, {"messages", "devicebound"})) {
    out.kind = AddressKind::kDeviceC2d;
  } else if (same(segments, {"methods", "devicebound"})) {
    out.kind = AddressKind::kDeviceMethods;
  } else if (same(segments, {"twin"})) {
    out.kind = AddressKind::kDeviceTwin;
  }
  if (out.kind != AddressKind::kUnknown) out.identity = *std::move(identity);
  return out;
}

Address classify_event_hub(SegmentsView segments) {
  Address out;
  if (same(segments, {"$management"})) {
    out.kind = AddressKind::kManagement;
  } else if (segments.size() == 2 && !segments[0].empty() &&
             equal_ignoring_case(segments[1], "$management")) {
    out.kind = AddressKind::kManagement;
    out.entity = percent_decoded(segments[0]);
  } else if (segments.size() == 5 && !segments[0].empty() &&
             equal_ignoring_case(segments[1], "ConsumerGroups") && !segments[2].empty() &&
             equal_ignoring_case(segments[3], "Partitions") && !segments[4].empty()) {
    out.kind = AddressKind::kPartition;
    out.entity = percent_decoded(segments[0]);
    out.consumer_group = percent_decoded(segments[2]);
    out.partition = percent_decoded(segments[4]);
  }
  return out;
}

Address classify_service(SegmentsView segments) {
  Address out;
  const SegmentsView tail = segments.subspan(1);
  if (same(tail, {"devicebound"})) {
    out.kind = AddressKind::kDevicebound;
  } else if (same(tail, {"servicebound", "feedback"})) {
    out.kind = AddressKind::kFeedback;
  } else if (same(tail, {"servicebound", "filenotifications"}) ||
             same(tail, {"servicebound", "fileuploadnotifications"})) {
    out.kind = AddressKind::kFileNotifications;
  } else if (!tail.empty() && equal_ignoring_case(tail[0], "events")) {
    out.kind = AddressKind::kHubEvents;
    for (const std::string_view segment : tail.subspan(1)) {
      if (!out.rest.empty()) out.rest += '/';
      out.rest += percent_decoded(segment);
    }
  }
  return out;
}

Address classify_path(std::string_view path) {
  const auto split_path = split(path);
  if (!split_path) return {};
  const SegmentsView segments = split_path->all();
  Address out;
  if (same(segments, {"$cbs"})) {
    out.kind = AddressKind::kCbs;
  } else if (equal_ignoring_case(segments[0], "devices")) {
    out = classify_device(segments);
  } else if (equal_ignoring_case(segments[0], "messages")) {
    out = classify_service(segments);
  }
  // An Event Hubs entity may have any name, also `messages` or `devices`.
  return out.kind == AddressKind::kUnknown ? classify_event_hub(segments) : out;
}

}  // namespace

std::string_view address_path(std::string_view address) {
  const size_t scheme = address.find("://");
  // Only a URI has its "://" before the first '/' of a path.
  if (scheme != std::string_view::npos && address.find('/') > scheme) {
    address.remove_prefix(scheme + 3);
    address.remove_prefix(std::min(address.find('/'), address.size()));
  }
  if (address.starts_with('/')) address.remove_prefix(1);
  return address;
}

Address classify_address(std::string_view address) {
  if (address.size() > kAddressSizeMax) return {};
  const std::string_view path = address_path(address);
  Address out = classify_path(path);
  if (out.kind != AddressKind::kUnknown) return out;
  const std::string decoded = percent_decoded(address);
  return classify_path(address_path(decoded));
}

Result<AddressedIdentity> parse_c2d_to(std::string_view to) {
  // As the SDKs write it: not worth all that an address may be.
  if (to.size() <= kAddressSizeMax) {
    if (auto identity = c2d_identity(address_path(to))) return *std::move(identity);
  }
  Address address = classify_address(to);
  if (address.kind == AddressKind::kDeviceC2d) return std::move(address.identity);
  return fail(ErrorCode::kInvalidOperation,
              "Amqp Message.Properties.To must contain the device identifier");
}

std::string c2d_to(const Identity& identity) {
  std::string out = "/devices/";
  append_percent_encoded(out, identity.device_id);
  if (identity.is_module()) {
    out += "/modules/";
    append_percent_encoded(out, identity.module_id);
  }
  return out + "/messages/devicebound";
}

}  // namespace linarite::wire
