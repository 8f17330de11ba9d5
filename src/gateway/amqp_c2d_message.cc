#include "gateway/amqp_c2d_message.h"

#include <fmt/format.h>

#include <bit>

#include "base/text.h"

namespace linarite::gateway {
namespace {

using amqp::Type;
using amqp::ValueView;

constexpr std::string_view kAckProperty = "iothub-ack";

std::string uuid_text(ByteView bytes) {
  const std::string hex = hex_text(bytes);
  return hex.substr(0, 8) + "-" + hex.substr(8, 4) + "-" + hex.substr(12, 4) + "-" +
         hex.substr(16, 4) + "-" + hex.substr(20);
}

std::optional<std::string> utf8_text(ByteView bytes) {
  if (!is_utf8(bytes)) return std::nullopt;
  return std::string(bytes);
}

std::string char_text(uint64_t c) {
  std::string out;
  const auto put = [&out](uint64_t byte) { out.push_back(static_cast<char>(byte)); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0U | c >> 6U);
    put(0x80U | (c & 0x3FU));
  } else if (c < 0x10000) {
    put(0xE0U | c >> 12U);
    put(0x80U | (c >> 6U & 0x3FU));
    put(0x80U | (c & 0x3FU));
  } else {
    put(0xF0U | c >> 18U);
    put(0x80U | (c >> 12U & 0x3FU));
    put(0x80U | (c >> 6U & 0x3FU));
    put(0x80U | (c & 0x3FU));
  }
  return out;
}

// Times beyond the years that ISO 8601 writes with four digits have no text.
std::optional<std::string> time_text(int64_t milliseconds) {
  static const WallTime kFirst = *parse_iso8601("0001-01-01T00:00:00Z");
  static const WallTime kLast = *parse_iso8601("9999-12-31T23:59:59Z");
  const WallTime time{std::chrono::milliseconds(milliseconds)};
  if (time < kFirst || time > kLast) return std::nullopt;
  return iso8601(time);
}

Result<std::optional<std::string>> id_text(const ValueView& id) {
  if (id.is_null()) return std::nullopt;
  auto text = scalar_text(id);
  if (text) return text;
  return fail(ErrorCode::kArgumentInvalid, "an id is binary and not text");
}

std::optional<std::string> owned(const std::optional<std::string_view>& text) {
  return text ? std::optional<std::string>(*text) : std::nullopt;
}

Status read_properties(const ValueView& map, wire::C2dMessage& out) {
  if (map.is_null()) return {};
  amqp::MapReader reader(map);
  ValueView key;
  ValueView value;
  while (reader.next(key, value)) {
    auto text = scalar_text(value);
    if (!text) return fail(ErrorCode::kArgumentInvalid, "a property has no text form");
    if (key.bytes != kAckProperty) {
      if (out.properties.size() == wire::kPropertyCountMax) {
        return fail(ErrorCode::kArgumentInvalid, "too many properties");
      }
      out.properties.emplace_back(key.bytes, *std::move(text));
      continue;
    }
    out.ack = wire::parse_ack(*text);
    if (!out.ack) return fail(ErrorCode::kArgumentInvalid, "iothub-ack is not known");
  }
  return {};
}

Status read_body(const amqp::MessageView& message, wire::C2dMessage& out) {
  switch (message.body_kind) {
    case amqp::BodyKind::kNone:
      return {};
    case amqp::BodyKind::kData:
      out.body = message.data();
      return {};
    case amqp::BodyKind::kValue: {
      ByteView bytes = message.body;
      ValueView value;
      if (amqp::read_value(bytes, value) &&
          (value.type == Type::kString || value.type == Type::kBinary ||
           value.type == Type::kNull)) {
        out.body = value.bytes;
        return {};
      }
      break;
    }
    case amqp::BodyKind::kSequence:
      break;
  }
  return fail(ErrorCode::kArgumentInvalid, "the body is neither data, text nor binary");
}

}  // namespace

std::optional<std::string> scalar_text(const ValueView& value) {
  const auto number = static_cast<int64_t>(value.bits);
  switch (value.type) {
    case Type::kNull:
      return "";
    case Type::kBoolean:
      return value.bits != 0 ? "true" : "false";
    case Type::kUbyte:
    case Type::kUshort:
    case Type::kUint:
    case Type::kUlong:
      return std::to_string(value.bits);
    case Type::kByte:
    case Type::kShort:
    case Type::kInt:
    case Type::kLong:
      return std::to_string(number);
    case Type::kFloat:
      return fmt::format("{}", std::bit_cast<float>(static_cast<uint32_t>(value.bits)));
    case Type::kDouble:
      return fmt::format("{}", std::bit_cast<double>(value.bits));
    case Type::kChar:
      return char_text(value.bits);
    case Type::kTimestamp:
      return time_text(number);
    case Type::kUuid:
      return uuid_text(value.bytes);
    case Type::kString:
    case Type::kSymbol:
    case Type::kBinary:
      return utf8_text(value.bytes);
    default:
      return std::nullopt;
  }
}

Result<wire::C2dMessage> c2d_message_of(const amqp::MessageView& message) {
  wire::C2dMessage out;
  const amqp::PropertiesView& properties = message.properties;
  auto message_id = id_text(properties.message_id);
  auto correlation_id = id_text(properties.correlation_id);
  if (!message_id) return std::unexpected(message_id.error());
  if (!correlation_id) return std::unexpected(correlation_id.error());
  out.message_id = *std::move(message_id);
  out.correlation_id = *std::move(correlation_id);
  out.user_id = owned(properties.user_id);
  out.to = owned(properties.to);
  out.content_type = owned(properties.content_type);
  out.content_encoding = owned(properties.content_encoding);
  if (properties.absolute_expiry_time_ms) {
    out.expiry = WallTime{std::chrono::milliseconds(*properties.absolute_expiry_time_ms)};
  }
  if (auto status = read_properties(message.application_properties, out); !status) {
    return std::unexpected(status.error());
  }
  if (auto status = read_body(message, out); !status) return std::unexpected(status.error());
  return out;
}

}  // namespace linarite::gateway
