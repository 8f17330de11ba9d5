#include "base/text.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace linarite {
namespace {

using std::chrono::milliseconds;

struct Civil {
  std::chrono::year_month_day date;
  std::chrono::hh_mm_ss<milliseconds> time;
};

Civil civil(WallTime time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  return {std::chrono::year_month_day(day), std::chrono::hh_mm_ss<milliseconds>(time - day)};
}

// Takes exactly `digits` decimal digits from the front.
std::optional<int> take_digits(std::string_view& text, size_t digits) {
  if (text.size() < digits) return std::nullopt;
  int value = 0;
  for (const char c : text.substr(0, digits)) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  text.remove_prefix(digits);
  return value;
}

bool take_char(std::string_view& text, char c) {
  if (!text.starts_with(c)) return false;
  text.remove_prefix(1);
  return true;
}

// ".123" to milliseconds; further digits are cut off, not rounded.
std::optional<milliseconds> take_fraction(std::string_view& text) {
  if (!take_char(text, '.')) return milliseconds(0);
  int value = 0;
  size_t digits = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') {
    if (digits < 3) value = value * 10 + (text[digits] - '0');
    ++digits;
  }
  if (digits == 0 || digits > 9) return std::nullopt;
  for (size_t i = digits; i < 3; ++i) value *= 10;
  text.remove_prefix(digits);
  return milliseconds(value);
}

std::optional<std::chrono::minutes> take_zone(std::string_view& text) {
  using std::chrono::minutes;
  if (text.empty() || take_char(text, 'Z')) return minutes(0);
  const int sign = text.front() == '-' ? -1 : 1;
  if (!take_char(text, '+') && !take_char(text, '-')) return std::nullopt;
  const auto hours = take_digits(text, 2);
  if (!hours || !take_char(text, ':')) return std::nullopt;
  const auto mins = take_digits(text, 2);
  if (!mins || *hours > 14 || *mins > 59) return std::nullopt;
  return minutes(sign * (*hours * 60 + *mins));
}

std::optional<std::chrono::sys_days> take_date(std::string_view& text) {
  const auto year = take_digits(text, 4);
  if (!year || !take_char(text, '-')) return std::nullopt;
  const auto month = take_digits(text, 2);
  if (!month || !take_char(text, '-')) return std::nullopt;
  const auto day = take_digits(text, 2);
  if (!day) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days(date);
}

std::optional<std::chrono::seconds> take_time(std::string_view& text) {
  const auto hour = take_digits(text, 2);
  if (!hour || !take_char(text, ':')) return std::nullopt;
  const auto minute = take_digits(text, 2);
  if (!minute || !take_char(text, ':')) return std::nullopt;
  const auto second = take_digits(text, 2);
  if (!second || *hour > 23 || *minute > 59 || *second > 59) return std::nullopt;
  return std::chrono::seconds(*hour * 3600 + *minute * 60 + *second);
}

// The length of the UTF-8 sequence at the front of `bytes`, 0 if it is not well formed (RFC 3629,
// 4).
size_t utf8_sequence(ByteView bytes) {
  const auto byte = [&](size_t i) -> unsigned {
    return i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0U;
  };
  const auto tail = [&](size_t i) { return (byte(i) & 0xC0U) == 0x80U; };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return tail(1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    if (lead == 0xE0 && byte(1) < 0xA0) return 0;  // overlong
    if (lead == 0xED && byte(1) > 0x9F) return 0;  // surrogate
    return tail(1) && tail(2) ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    if (lead == 0xF0 && byte(1) < 0x90) return 0;  // overlong
    if (lead == 0xF4 && byte(1) > 0x8F) return 0;  // above U+10FFFF
    return tail(1) && tail(2) && tail(3) ? 4 : 0;
  }
  return 0;
}

}  // namespace

std::string hex_text(ByteView bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    const auto value = static_cast<unsigned char>(c);
    out += kDigits[value >> 4U];
    out += kDigits[value & 0x0FU];
  }
  return out;
}

std::string ascii_lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  if (a == b) return true;  // Mostly.
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

size_t ascii_size(ByteView bytes) {
  size_t size = 0;
  for (uint64_t eight = 0; bytes.size() - size >= sizeof(eight); size += sizeof(eight)) {
    std::memcpy(&eight, bytes.data() + size, sizeof(eight));
    if ((eight & 0x8080808080808080U) != 0) break;
  }
  while (size < bytes.size() && static_cast<unsigned char>(bytes[size]) < 0x80) ++size;
  return size;
}

bool is_utf8(ByteView bytes) {
  for (;;) {
    bytes.remove_prefix(ascii_size(bytes));
    if (bytes.empty()) return true;
    const size_t length = utf8_sequence(bytes);
    if (length == 0) return false;
    bytes.remove_prefix(length);
  }
}

std::string iso8601(WallTime time) {
  const Civil c = civil(time);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}0000Z",
                     static_cast<int>(c.date.year()), static_cast<unsigned>(c.date.month()),
                     static_cast<unsigned>(c.date.day()), c.time.hours().count(),
                     c.time.minutes().count(), c.time.seconds().count(),
                     c.time.subseconds().count());
}

std::optional<WallTime> parse_iso8601(std::string_view text) {
  const auto date = take_date(text);
  if (!date || !take_char(text, 'T')) return std::nullopt;
  const auto time = take_time(text);
  if (!time) return std::nullopt;
  const auto fraction = take_fraction(text);
  if (!fraction) return std::nullopt;
  const auto zone = take_zone(text);
  if (!zone || !text.empty()) return std::nullopt;
  return WallTime(*date) + *time + *fraction - *zone;
}

std::string us_date_time(WallTime time) {
  const Civil c = civil(time);
  return fmt::format("{:02}/{:02}/{:04} {:02}:{:02}:{:02}", static_cast<unsigned>(c.date.month()),
                     static_cast<unsigned>(c.date.day()), static_cast<int>(c.date.year()),
                     c.time.hours().count(), c.time.minutes().count(), c.time.seconds().count());
}

}  // namespace linarite
