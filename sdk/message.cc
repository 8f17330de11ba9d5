#include "sdk/message.h"

#include <algorithm>

#include "base/text.h"

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

}  // namespace sdk
}  // namespace linarite
