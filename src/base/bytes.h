// Views of raw bytes, and a bounds-checked reader and a writer of big-endian (network order)
// numbers. Every decoder reads through ByteReader: a read past the end returns nothing, it never
// touches memory.
#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

namespace linarite {

// Bytes are kept in std::string and seen through std::string_view; neither says anything about
// text.
using Bytes = std::string;
using ByteView = std::string_view;

template <std::unsigned_integral T>
constexpr T byte_swapped(T value) {
  T out = 0;
  for (unsigned i = 0; i < sizeof(T); ++i) {
    out = static_cast<T>(static_cast<T>(out << 8U) | static_cast<T>(value & 0xFFU));
    value = static_cast<T>(value >> 8U);
  }
  return out;
}

template <>
constexpr uint8_t byte_swapped(uint8_t value) {
  return value;
}

// Reads from the front of a view. The view must outlive the reader and everything read as a view.
class ByteReader {
 public:
  explicit ByteReader(ByteView bytes) : bytes_(bytes) {}

  size_t remaining() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }
  ByteView rest() const { return bytes_; }

  // A big-endian number; nothing when fewer than sizeof(T) bytes remain (none is then consumed).
  template <std::unsigned_integral T>
  std::optional<T> number() {
    if (bytes_.size() < sizeof(T)) return std::nullopt;
    T value;
    std::memcpy(&value, bytes_.data(), sizeof(T));
    bytes_.remove_prefix(sizeof(T));
    return std::endian::native == std::endian::big ? value : byte_swapped(value);
  }

  // The next `count` bytes; nothing when fewer remain.
  std::optional<ByteView> take(size_t count) {
    if (count > bytes_.size()) return std::nullopt;
    ByteView out = bytes_.substr(0, count);
    bytes_.remove_prefix(count);
    return out;
  }

 private:
  ByteView bytes_;
};

// Appends to a string owned by the caller.
class ByteWriter {
 public:
  explicit ByteWriter(Bytes& out) : out_(out) {}

  template <std::unsigned_integral T>
  void number(T value) {
    const T big = std::endian::native == std::endian::big ? value : byte_swapped(value);
    char raw[sizeof(T)];
    std::memcpy(raw, &big, sizeof(T));
    out_.append(raw, sizeof(T));
  }
  void bytes(ByteView view) { out_.append(view); }
  size_t size() const { return out_.size(); }

 private:
  Bytes& out_;
};

}  // namespace linarite
