#include "wire/percent.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace linarite::wire {
namespace {

constexpr std::string_view kUnreserved =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

consteval std::array<bool, 256> make_unreserved() {
  std::array<bool, 256> table{};
  for (const char c : kUnreserved) table[static_cast<unsigned char>(c)] = true;
  return table;
}
constexpr auto kIsUnreserved = make_unreserved();

constexpr int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

// The byte that %XX at the front of `text` stands for, or -1.
int escaped_byte(std::string_view text) {
  if (text.size() < 3 || text[0] != '%') return -1;
  const int high = hex_value(text[1]);
  const int low = hex_value(text[2]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

}  // namespace

void append_percent_encoded(std::string& out, std::string_view text) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  const size_t start = out.size();
  out.resize_and_overwrite(start + 3 * text.size(), [&](char* begin, size_t) {
    char* end = begin + start;
    for (const char c : text) {
      const auto byte = static_cast<unsigned char>(c);
      if (kIsUnreserved[byte]) {
        *end++ = c;
      } else {
        *end++ = '%';
        *end++ = kDigits[byte >> 4U];
        *end++ = kDigits[byte & 0x0FU];
      }
    }
    return static_cast<size_t>(end - begin);
  });
}

std::string percent_encoded(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  append_percent_encoded(out, text);
  return out;
}

std::string percent_decoded(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const size_t plain = std::min(text.find('%'), text.size());
    out.append(text, 0, plain);
    text.remove_prefix(plain);
    if (text.empty()) break;
    const int byte = escaped_byte(text);
    out += byte < 0 ? '%' : static_cast<char>(byte);
    text.remove_prefix(byte < 0 ? 1 : 3);
  }
  return out;
}

std::optional<std::string> percent_decoded_strictly(std::string_view text) {
  for (size_t i = text.find('%'); i != std::string_view::npos; i = text.find('%', i + 3)) {
    if (escaped_byte(text.substr(i)) < 0) return std::nullopt;
  }
  return percent_decoded(text);
}

}  // namespace linarite::wire
