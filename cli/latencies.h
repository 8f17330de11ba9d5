// Percentiles of durations, in bounded memory: counts in buckets whose width is 1/32 of their
// value.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace linarite::cli {

class Latencies {
 public:
  using Microseconds = std::chrono::microseconds;

  // Negative counts as zero, and everything above about nine days as that.
  void add(Microseconds latency);
  uint64_t count() const { return count_; }
  // The least duration, up to the width of a bucket, that `percent` of all do not exceed. Zero if
  // there are none.
  Microseconds percentile(double percent) const;
  Microseconds max() const { return max_; }

 private:
  static constexpr size_t kShiftMax = 34;
  static constexpr size_t kBuckets = kShiftMax * 32 + 64;

  std::array<uint64_t, kBuckets> buckets_{};
  uint64_t count_ = 0;
  Microseconds max_{0};
};

}  // namespace linarite::cli
