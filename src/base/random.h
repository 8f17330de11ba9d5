// Randomness is passed in: SystemRandom for keys, tokens and ids in production, SeededRandom so
// that a simulation can be replayed.
#pragma once

#include <cstdint>
#include <mutex>
#include <random>
#include <string>

#include "base/bytes.h"

namespace linarite {

// An interface because production and simulation differ. Any thread.
class Random {
 public:
  virtual ~Random() = default;
  virtual void fill(char* out, size_t size) = 0;

  Bytes bytes(size_t size);
  uint64_t number();                   // Uniform over all 64-bit values.
  uint64_t below(uint64_t bound);      // Uniform in [0, bound); bound > 0.
  std::string hex(size_t byte_count);  // Lower case, two characters a byte.
  std::string uuid();                  // RFC 4122 version 4, lower case with dashes.
};

// The kernel's generator (getrandom). Ids and numbers come from bytes that the thread has fetched
// ahead, as a message needs one and a system call costs as much as the rest of it; what is longer,
// such as a key, is never kept. Not to be used between fork() and exec().
class SystemRandom final : public Random {
 public:
  static constexpr size_t kFromAheadMax = 16;
  static constexpr size_t kAheadBytes = 512;
  void fill(char* out, size_t size) override;
};

// Not for secrets.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(uint64_t seed) : engine_(seed) {}
  void fill(char* out, size_t size) override;

 private:
  std::mutex mutex_;
  std::mt19937_64 engine_;
};

}  // namespace linarite
