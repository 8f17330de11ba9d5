#include "wire/c2d_headers.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"

namespace linarite::wire {
namespace {

struct TextHeader {
  std::string_view name;
  std::optional<std::string> C2dMessage::* field;
};

// The first name of a field is the one we send.
constexpr std::array kTextHeaders = std::to_array<TextHeader>({
    {"iothub-messageid", &C2dMessage::message_id},
    {"iothub-correlationid", &C2dMessage::correlation_id},
    {"iothub-userid", &C2dMessage::user_id},
    {"iothub-to", &C2dMessage::to},
    {"content-type", &C2dMessage::content_type},
    {"content-encoding", &C2dMessage::content_encoding},
});
constexpr std::string_view kAckHeader = "iothub-ack";
constexpr std::string_view kExpiryHeader = "iothub-expiry";

bool is_token(std::string_view text) {  // RFC 9110, 5.6.2
  static constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           kMarks.find(c) != std::string_view::npos;
  });
}

// Control characters end a header or break it apart; blanks at the ends would be lost.
bool is_header_value(std::string_view text) {
  if (text.starts_with(' ') || text.ends_with(' ')) return false;
  return std::ranges::none_of(text, [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) == 0x7F;
  });
}

std::unexpected<Error> refuse(std::string_view name, std::string_view what) {
  return fail(ErrorCode::kArgumentInvalid, fmt::format("{} {}", name, what));
}

template <class T>
Status set_once(std::string_view name, std::optional<T>& field, std::optional<T> value) {
  if (field) return refuse(name, "is given twice");
  if (!value) return refuse(name, "is invalid");
  field = std::move(value);
  return {};
}

std::optional<WallTime> parse_expiry(std::string_view text) {
  const auto time = parse_iso8601(text);
  return time ? time : parse_http_date(text);
}

Status add_property(C2dMessage& message, std::string_view name, std::string_view value) {
  const auto same_name = [&](const auto& property) {
    return equal_ignoring_case(property.first, name);
  };
  if (std::ranges::any_of(message.properties, same_name)) {
    return refuse(kAppHeaderPrefix, "is given twice for one property");
  }
  if (message.properties.size() == kPropertyCountMax) {
    return refuse(kAppHeaderPrefix, fmt::format("is given more than {} times", kPropertyCountMax));
  }
  message.properties.emplace_back(name, value);
  return {};
}

Status add_header(C2dMessage& message, std::string_view name, std::string_view value) {
  for (const TextHeader& header : kTextHeaders) {
    if (equal_ignoring_case(header.name, name)) {
      return set_once(header.name, message.*header.field, std::optional<std::string>(value));
    }
  }
  if (equal_ignoring_case(kAckHeader, name)) {
    return set_once(kAckHeader, message.ack, parse_ack(value));
  }
  if (equal_ignoring_case(kExpiryHeader, name)) {
    return set_once(kExpiryHeader, message.expiry, parse_expiry(value));
  }
  if (equal_ignoring_case(kAppHeaderPrefix, name.substr(0, kAppHeaderPrefix.size()))) {
    return add_property(message, name.substr(kAppHeaderPrefix.size()), value);
  }
  return {};
}

}  // namespace

void C2dHeaderReader::add(std::string_view name, std::string_view value) {
  if (status_) status_ = add_header(message_, name, value);
}

Result<C2dMessage> C2dHeaderReader::finish(std::string body) {
  if (!status_) return std::unexpected(std::move(status_.error()));
  message_.body = std::move(body);
  if (auto status = check_c2d_message(message_); !status) {
    return std::unexpected(std::move(status.error()));
  }
  return std::move(message_);
}

Result<std::vector<std::pair<std::string, std::string>>> c2d_request_headers(
    const C2dMessage& message) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const TextHeader& header : kTextHeaders) {
    const auto& value = message.*header.field;
    if (!value) continue;
    if (!is_header_value(*value)) return refuse(header.name, "cannot be sent as a header");
    out.emplace_back(header.name, *value);
  }
  if (message.ack) out.emplace_back(kAckHeader, ack_word(*message.ack));
  if (message.expiry) out.emplace_back(kExpiryHeader, iso8601(*message.expiry));
  for (const auto& [name, value] : message.properties) {
    if (!is_token(name) || !is_header_value(value)) {
      return refuse("a property", "cannot be sent as a header");
    }
    out.emplace_back(std::string(kAppHeaderPrefix) + name, value);
  }
  return out;
}

std::optional<WallTime> parse_http_date(std::string_view text) {
  constexpr std::string_view kForm = "Aaa, 00 Aaa 0000 00:00:00 GMT";
  constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  if (text.size() != kForm.size()) return std::nullopt;
  for (size_t i = 0; i < kForm.size(); ++i) {
    const bool is_digit = text[i] >= '0' && text[i] <= '9';
    const bool is_letter = (text[i] >= 'A' && text[i] <= 'Z') || (text[i] >= 'a' && text[i] <= 'z');
    const bool letter_wanted = i < 3 || (i >= 8 && i < 11);
    const bool fits =
        kForm[i] == '0' ? is_digit : (letter_wanted ? is_letter : text[i] == kForm[i]);
    if (!fits) return std::nullopt;
  }
  const size_t month = kMonths.find(text.substr(8, 3));
  if (month == std::string_view::npos || month % 3 != 0) return std::nullopt;
  // The same moment in the form that base/text reads, and checks.
  return parse_iso8601(fmt::format("{}-{:02}-{}T{}Z", text.substr(12, 4), month / 3 + 1,
                                   text.substr(5, 2), text.substr(17, 8)));
}

}  // namespace linarite::wire
