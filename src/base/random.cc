#include "base/random.h"

#include <sys/random.h>

#include <array>
#include <cstring>

#include "base/check.h"
#include "base/random_words.h"
#include "base/text.h"

namespace linarite {

Bytes Random::bytes(size_t size) {
  Bytes out(size, '\0');
  fill(out.data(), out.size());
  return out;
}

uint64_t Random::number() {
  char raw[sizeof(uint64_t)];
  fill(raw, sizeof(raw));
  uint64_t value;
  std::memcpy(&value, raw, sizeof(value));
  return value;
}

uint64_t Random::below(uint64_t bound) {
  CHECK(bound > 0);
  // Values in the incomplete last span would make small results more likely: draw again.
  const uint64_t span_end = UINT64_MAX - UINT64_MAX % bound;
  uint64_t value = number();
  while (value >= span_end) value = number();
  return value % bound;
}

std::string Random::hex(size_t byte_count) { return hex_text(bytes(byte_count)); }

std::string Random::uuid() {
  Bytes raw = bytes(16);
  raw[6] = static_cast<char>((static_cast<unsigned char>(raw[6]) & 0x0FU) | 0x40U);
  raw[8] = static_cast<char>((static_cast<unsigned char>(raw[8]) & 0x3FU) | 0x80U);
  const std::string text = hex_text(raw);
  return text.substr(0, 8) + "-" + text.substr(8, 4) + "-" + text.substr(12, 4) + "-" +
         text.substr(16, 4) + "-" + text.substr(20);
}

namespace {

void fill_from_kernel(char* out, size_t size) {
  while (size > 0) {
    const ssize_t got = ::getrandom(out, size, 0);
    CHECK(got > 0 || errno == EINTR);
    if (got <= 0) continue;
    out += got;
    size -= static_cast<size_t>(got);
  }
}

// What this thread has fetched ahead. Bytes that were given out are erased.
struct Ahead {
  std::array<char, SystemRandom::kAheadBytes> bytes;
  size_t left = 0;
};

}  // namespace

void SystemRandom::fill(char* out, size_t size) {
  if (size > kFromAheadMax) {
    fill_from_kernel(out, size);
    return;
  }
  thread_local Ahead ahead;
  if (ahead.left < size) {
    fill_from_kernel(ahead.bytes.data(), ahead.bytes.size());
    ahead.left = ahead.bytes.size();
  }
  char* const from = ahead.bytes.data() + (ahead.left - size);
  std::memcpy(out, from, size);
  ::explicit_bzero(from, size);
  ahead.left -= size;
}

void SeededRandom::fill(char* out, size_t size) {
  const std::lock_guard lock(mutex_);
  fill_with_words(out, size, [this] { return engine_(); });
}

}  // namespace linarite
