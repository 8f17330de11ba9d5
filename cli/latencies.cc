#include "cli/latencies.h"

#include <algorithm>
#include <bit>

namespace linarite::cli {

// A value has the six highest of its bits and how far they are shifted. The values of one shift,
// which begin with a set bit, have 32 buckets behind those of the shift before.
void Latencies::add(Microseconds latency) {
  constexpr uint64_t kValueMax = (uint64_t{64} << kShiftMax) - 1;
  const auto value =
      std::min(kValueMax, static_cast<uint64_t>(std::max<int64_t>(latency.count(), 0)));
  const size_t width = std::bit_width(value);
  const size_t shift = width > 6 ? width - 6 : 0;
  ++buckets_.at(shift * 32 + (value >> shift));
  ++count_;
  max_ = std::max(max_, latency);
}

Latencies::Microseconds Latencies::percentile(double percent) const {
  const double wanted = static_cast<double>(count_) * percent / 100;
  uint64_t seen = 0;
  for (size_t i = 0; i < kBuckets && count_ > 0; ++i) {
    seen += buckets_[i];
    if (seen == 0 || static_cast<double>(seen) < wanted) continue;
    const size_t shift = i < 64 ? 0 : i / 32 - 1;
    const uint64_t end = (i - shift * 32 + 1) << shift;
    return std::min(max_, Microseconds(static_cast<int64_t>(end - 1)));
  }
  return max_;
}

}  // namespace linarite::cli
