// Text forms that several folders need: hex, ASCII case, strict UTF-8, ISO 8601 times, whole
// numbers.
#pragma once

#include <charconv>
#include <concepts>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/time.h"

namespace linarite {

std::string hex_text(ByteView bytes);  // Lower case.

std::string ascii_lower(std::string_view text);
bool equal_ignoring_case(std::string_view a, std::string_view b);  // ASCII letters only.

// How many bytes at the front are ASCII.
size_t ascii_size(ByteView bytes);
// Well-formed UTF-8: no overlong form, no surrogate, nothing above U+10FFFF.
bool is_utf8(ByteView bytes);

// The whole text must be one number in base 10 that fits; no sign for unsigned, no blanks, no '+'.
template <std::integral T>
std::optional<T> whole_number(std::string_view text) {
  T value{};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end || text.empty()) return std::nullopt;
  return value;
}

// yyyy-MM-ddTHH:mm:ss.fffffffZ: seven fraction digits, as Azure and .NET's round-trip form write
// it.
std::string iso8601(WallTime time);
// Reads yyyy-MM-ddTHH:mm:ss with an optional fraction (1 to 9 digits) and an optional Z or ±hh:mm;
// a text without a zone is UTC. Nothing else is accepted.
std::optional<WallTime> parse_iso8601(std::string_view text);
// MM/dd/yyyy HH:mm:ss, as in Azure's tracking ids.
std::string us_date_time(WallTime time);

}  // namespace linarite
