#include "sdk/message.h"

#include <algorithm>

#include "base/text.h"
#include "wire/percent.h"

namespace linarite {
inline namespace v1 {

void property_list::set(std::string name, std::string value) {
  const auto found = std::ranges::find(items_, name, &value_type::first);
  if (found == items_.end()) {
    append(std::move(name), std::move(value));
  } else {
    found->second = std::move(value);
  }
}

std::optional<std::string_view> property_list::find(std::string_view name) const {
  const auto found = std::ranges::find(items_, name, &value_type::first);
  if (found == items_.end()) return std::nullopt;
  return found->second;
}

void message::set_body(std::string_view bytes) {
  const auto* first = reinterpret_cast<const std::byte*>(bytes.data());
  body.assign(first, first + bytes.size());
}

}  // namespace v1

namespace sdk {

message message_of(wire::PropertyBag bag, ByteView body) {
  message out(body);
  out.message_id = std::move(bag.system.message_id);
  out.correlation_id = std::move(bag.system.correlation_id);
  out.user_id = std::move(bag.system.user_id);
  out.to = std::move(bag.system.to);
  out.content_type = std::move(bag.system.content_type);
  out.content_encoding = std::move(bag.system.content_encoding);
  if (bag.system.expiry) out.expiry = parse_iso8601(*bag.system.expiry);
  if (bag.system.ack) {
    if (const auto ack = wire::parse_ack(*bag.system.ack)) {
      out.ack = static_cast<feedback_request>(*ack);
    }
  }
  for (auto& [name, value] : bag.properties) out.properties.append(std::move(name), value);
  return out;
}

wire::C2dMessage c2d_message(const message& message) {
  wire::C2dMessage out;
  out.message_id = message.message_id;
  out.correlation_id = message.correlation_id;
  out.user_id = message.user_id;
  out.to = message.to;
  out.content_type = message.content_type;
  out.content_encoding = message.content_encoding;
  out.expiry = message.expiry;
  if (message.ack) out.ack = static_cast<wire::Ack>(*message.ack);
  out.properties.assign(message.properties.begin(), message.properties.end());
  out.body = message.text();
  return out;
}

std::string event_topic(const wire::Identity& device, const message& message) {
  std::string out = "devices/" + device.device_id;
  if (device.is_module()) out += "/modules/" + device.module_id;
  out += "/messages/events/";
  const auto add = [&out](std::string_view name, std::string_view value) {
    if (out.back() != '/') out += '&';
    wire::append_percent_encoded(out, name);
    out += '=';
    wire::append_percent_encoded(out, value);
  };
  const auto add_system = [&add](std::string_view name, const std::optional<std::string>& value) {
    if (value) add(name, *value);
  };
  add_system("$.mid", message.message_id);
  add_system("$.cid", message.correlation_id);
  add_system("$.uid", message.user_id);
  add_system("$.ct", message.content_type);
  add_system("$.ce", message.content_encoding);
  if (message.expiry) add("$.exp", iso8601(*message.expiry));
  for (const auto& [name, value] : message.properties) add(name, value);
  return out;
}

bool has_duplicate_names(const property_list& properties) {
  std::vector<std::string_view> names;
  for (const auto& property : properties) names.push_back(property.first);
  std::ranges::sort(names);
  return std::ranges::adjacent_find(names) != names.end();
}

}  // namespace sdk
}  // namespace linarite
