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

// The bytes behind the tokens of many payloads: each differs from those before it, as far back as a
// packer of what is stored can see.
class Noise {
 public:
  // Writes those of payload `number` behind its token.
  void put(Bytes& payload, uint64_t number) const {
    const size_t size = payload.size() - kTokenDigits;
    if (size == 0) return;
    const size_t places = pool_.size() / size;
    payload.replace(kTokenDigits, size, pool_, number % places * size, size);
  }

 private:
  const Bytes pool_ = SeededRandom(2).bytes(size_t{2} << 20U);
};

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
