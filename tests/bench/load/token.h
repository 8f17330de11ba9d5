// Payloads that can be told apart: a number at the front, noise behind it.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/random.h"

namespace linarite::load {

inline constexpr size_t kTokenDigits = 16;

// Nothing that compresses well, at least as long as a token.
inline Bytes payload_of(size_t size) { return SeededRandom(1).bytes(std::max(size, kTokenDigits)); }

inline void put_token(Bytes& payload, uint64_t token) {
  fmt::format_to(payload.begin(), "{:016x}", token);
}

// Nothing if the payload has another size than it was sent with, or no token.
inline std::optional<uint64_t> token_of(ByteView payload, size_t size) {
  uint64_t token = 0;
  if (payload.size() != size) return std::nullopt;
  const auto read = std::from_chars(payload.data(), payload.data() + kTokenDigits, token, 16);
  if (read.ec != std::errc()) return std::nullopt;
  return token;
}

}  // namespace linarite::load
