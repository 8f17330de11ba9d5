#include "sdk/event_message.h"

#include "amqp/message.h"

namespace linarite::sdk {
namespace {

using Annotation = std::variant<std::string, std::int64_t>;

std::optional<std::string> text_of(const amqp::Value& value) {
  if (value.is_null()) return std::nullopt;
  if (const auto text = value.text()) return std::string(*text);
  if (const auto number = value.integer()) return std::to_string(*number);
  return std::string(value.bytes());
}

std::optional<Annotation> annotation_of(const amqp::Value& value) {
  if (const auto number = value.integer()) return Annotation(*number);
  if (const auto text = value.text()) return Annotation(std::string(*text));
  return std::nullopt;
}

void take_annotations(const amqp::Value& annotations, event& out) {
  const std::vector<amqp::Value>& items = annotations.items();
  for (size_t i = 0; i + 1 < items.size(); i += 2) {
    auto value = annotation_of(items[i + 1]);
    const auto name = items[i].text();
    if (!value || !name) continue;
    const auto* const text = std::get_if<std::string>(&*value);
    const auto* const number = std::get_if<std::int64_t>(&*value);
    if (text != nullptr && *name == "iothub-connection-device-id") out.device_id = *text;
    if (text != nullptr && *name == "iothub-connection-module-id") out.module_id = *text;
    if (text != nullptr && *name == "x-opt-offset") out.offset = *text;
    if (number != nullptr && *name == "x-opt-sequence-number") out.sequence_number = *number;
    if (number != nullptr && *name == "x-opt-enqueued-time") {
      out.enqueued = wall_time(std::chrono::milliseconds(*number));
    }
    out.annotations.emplace_back(*name, *std::move(value));
  }
}

}  // namespace

Result<event> read_event(ByteView bytes) {
  auto read = amqp::decode_message(bytes);
  if (!read) return std::unexpected(read.error());
  event out;
  take_annotations(read->message_annotations, out);
  amqp::Properties& properties = read->properties;
  out.content.message_id = text_of(properties.message_id);
  out.content.correlation_id = text_of(properties.correlation_id);
  out.content.user_id = std::move(properties.user_id);
  out.content.to = std::move(properties.to);
  out.content.content_type = std::move(properties.content_type);
  out.content.content_encoding = std::move(properties.content_encoding);
  if (const auto expiry = properties.absolute_expiry_time_ms) {
    out.content.expiry = wall_time(std::chrono::milliseconds(*expiry));
  }
  const std::vector<amqp::Value>& items = read->application_properties.items();
  for (size_t i = 0; i + 1 < items.size(); i += 2) {
    const auto name = items[i].text();
    auto value = text_of(items[i + 1]);
    if (name && value) out.content.properties.append(std::string(*name), *std::move(value));
  }
  Bytes body;
  for (const Bytes& section : read->data) body += section;
  if (read->body_kind == amqp::BodyKind::kValue) body = text_of(read->value).value_or("");
  out.content.set_body(body);
  return out;
}

}  // namespace linarite::sdk
