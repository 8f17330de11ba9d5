#include "wire/c2d_message.h"

#include <fmt/format.h>

#include <array>

#include "base/text.h"

namespace linarite::wire {
namespace {

struct AckWord {
  std::string_view word;
  Ack ack;
};

// service-protocol 2.2: Java sends the two long forms.
constexpr std::array<AckWord, 6> kAckWords{{{"none", Ack::kNone},
                                            {"positive", Ack::kPositive},
                                            {"positiveonly", Ack::kPositive},
                                            {"negative", Ack::kNegative},
                                            {"negativeonly", Ack::kNegative},
                                            {"full", Ack::kFull}}};

size_t field_size(std::string_view name, const std::optional<std::string>& value) {
  return value ? name.size() + value->size() : 0;
}

Status check_id(std::string_view name, const std::optional<std::string>& id) {
  if (!id || id->size() <= kMessageIdSizeMax) return {};
  return fail(ErrorCode::kArgumentInvalid,
              fmt::format("{} is longer than {} bytes", name, kMessageIdSizeMax));
}

Status check_text(std::string_view name, const std::optional<std::string>& text) {
  if (!text || is_utf8(*text)) return {};
  return fail(ErrorCode::kArgumentInvalid, fmt::format("{} is not UTF-8", name));
}

Status check_properties(const C2dMessage& message) {
  if (message.properties.size() > kPropertyCountMax) {
    return fail(ErrorCode::kArgumentInvalid,
                fmt::format("more than {} properties", kPropertyCountMax));
  }
  for (const auto& [name, value] : message.properties) {
    if (name.empty() || name.size() > kPropertyNameSizeMax) {
      return fail(ErrorCode::kArgumentInvalid,
                  fmt::format("a property name must have 1 to {} bytes", kPropertyNameSizeMax));
    }
    if (!is_utf8(name) || !is_utf8(value)) {
      return fail(ErrorCode::kArgumentInvalid, "a property is not UTF-8");
    }
  }
  return {};
}

}  // namespace

std::optional<Ack> parse_ack(std::string_view word) {
  for (const AckWord& known : kAckWords) {
    if (equal_ignoring_case(known.word, word)) return known.ack;
  }
  return std::nullopt;
}

std::string_view ack_word(Ack ack) {
  switch (ack) {
    case Ack::kPositive:
      return "positive";
    case Ack::kNegative:
      return "negative";
    case Ack::kFull:
      return "full";
    case Ack::kNone:
      break;
  }
  return "none";
}

size_t C2dMessage::size() const {
  constexpr std::string_view kExpiryName = "absolute-expiry-time";
  constexpr std::string_view kAckName = "iothub-ack";
  size_t total = body.size();
  total += field_size("message-id", message_id);
  total += field_size("correlation-id", correlation_id);
  total += field_size("user-id", user_id);
  total += field_size("to", to);
  total += field_size("content-type", content_type);
  total += field_size("content-encoding", content_encoding);
  if (expiry) total += kExpiryName.size() + sizeof(int64_t);
  if (ack) total += kAckName.size() + ack_word(*ack).size();
  for (const auto& [name, value] : properties) total += name.size() + value.size();
  return total;
}

Status check_c2d_message(const C2dMessage& message) {
  if (message.size() > kC2dMessageSizeMax) {
    return fail(ErrorCode::kMessageTooLarge,
                fmt::format("the message is larger than {} bytes", kC2dMessageSizeMax));
  }
  if (auto status = check_id("message-id", message.message_id); !status) return status;
  if (auto status = check_id("correlation-id", message.correlation_id); !status) return status;
  if (auto status = check_text("message-id", message.message_id); !status) return status;
  if (auto status = check_text("correlation-id", message.correlation_id); !status) return status;
  if (auto status = check_text("to", message.to); !status) return status;
  if (auto status = check_text("content-type", message.content_type); !status) return status;
  if (auto status = check_text("content-encoding", message.content_encoding); !status) {
    return status;
  }
  return check_properties(message);
}

}  // namespace linarite::wire
