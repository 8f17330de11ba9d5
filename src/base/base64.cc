#include "base/base64.h"

#include <algorithm>
#include <array>

namespace linarite {
namespace {

constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr unsigned char kNone = 0xFF;

constexpr std::array<unsigned char, 256> make_values() {
  std::array<unsigned char, 256> values{};
  values.fill(kNone);
  for (unsigned char i = 0; i < 64; ++i) values[static_cast<unsigned char>(kAlphabet[i])] = i;
  return values;
}
constexpr auto kValues = make_values();

}  // namespace

std::string base64_encode(ByteView bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t count = std::min<size_t>(3, bytes.size() - i);
    uint32_t group = 0;
    for (size_t j = 0; j < 3; ++j) {
      const uint32_t byte = j < count ? static_cast<unsigned char>(bytes[i + j]) : 0U;
      group = (group << 8U) | byte;
    }
    out += kAlphabet[(group >> 18U) & 63U];
    out += kAlphabet[(group >> 12U) & 63U];
    out += count > 1 ? kAlphabet[(group >> 6U) & 63U] : '=';
    out += count > 2 ? kAlphabet[group & 63U] : '=';
  }
  return out;
}

std::optional<Bytes> base64_decode(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  Bytes out;
  out.reserve(text.size() / 4 * 3);
  for (size_t i = 0; i < text.size(); i += 4) {
    const size_t digits = i + 4 == text.size() ? 4 - padding : 4;
    uint32_t group = 0;
    for (size_t j = 0; j < 4; ++j) {
      const unsigned char value = j < digits ? kValues[static_cast<unsigned char>(text[i + j])] : 0;
      if (value == kNone) return std::nullopt;
      group = (group << 6U) | value;
    }
    if (digits == 2 && (group & 0xFFFFU) != 0) return std::nullopt;
    if (digits == 3 && (group & 0xFFU) != 0) return std::nullopt;
    out += static_cast<char>((group >> 16U) & 0xFFU);
    if (digits > 2) out += static_cast<char>((group >> 8U) & 0xFFU);
    if (digits > 3) out += static_cast<char>(group & 0xFFU);
  }
  return out;
}

}  // namespace linarite
