#include "base/token_buckets.h"

#include <algorithm>
#include <functional>
#include <span>

#include "base/check.h"

namespace linarite {
namespace {

// Upwards: who waits for so long finds what was said.
Duration rounded_up(std::chrono::nanoseconds time) { return std::chrono::ceil<Duration>(time); }

}  // namespace

TokenBuckets::TokenBuckets(Limit limit, size_t entries)
    : limit_(limit), entries_(limit.tokens > 0 ? entries : 0) {
  CHECK(limit_.period > Duration::zero() && entries >= kWays && entries % kWays == 0);
}

TokenBuckets::Nanoseconds TokenBuckets::cost(uint64_t tokens) const {
  const double each =
      static_cast<double>(Nanoseconds(limit_.period).count()) / static_cast<double>(limit_.tokens);
  // More than a day is as good as a day: time cannot run over.
  const double most = static_cast<double>(Nanoseconds(std::chrono::hours(24)).count());
  return Nanoseconds(static_cast<int64_t>(std::min(static_cast<double>(tokens) * each, most)));
}

// Two keys of one hash share a bucket; that takes about 2^32 keys.
TokenBuckets::Bucket& TokenBuckets::find(std::string_view key) {
  buckets_.resize(entries_);
  const uint64_t hash = std::hash<std::string_view>{}(key);
  const size_t set = hash % (buckets_.size() / kWays) * kWays;
  const std::span<Bucket> places(buckets_.data() + set, kWays);
  const auto found = std::ranges::find(places, hash, &Bucket::key);
  if (found != places.end()) return *found;
  Bucket& place = *std::ranges::min_element(places, {}, &Bucket::full_at);
  place = {.key = hash};
  return place;
}

Duration TokenBuckets::take(std::string_view key, uint64_t tokens, Instant now) {
  if (!limited()) return Duration::zero();
  const std::lock_guard lock(mutex_);
  Bucket& bucket = find(key);
  const Nanoseconds present = now.time_since_epoch();
  const Nanoseconds full_at = std::max(bucket.full_at, present) + cost(tokens);
  const Nanoseconds missing = full_at - present - Nanoseconds(limit_.period);
  if (missing > Nanoseconds::zero()) return rounded_up(missing);
  bucket.full_at = full_at;
  return Duration::zero();
}

Duration TokenBuckets::charge(std::string_view key, uint64_t tokens, Instant now) {
  if (!limited()) return Duration::zero();
  const std::lock_guard lock(mutex_);
  Bucket& bucket = find(key);
  const Nanoseconds present = now.time_since_epoch();
  const Nanoseconds latest = present + Nanoseconds(limit_.period) + Nanoseconds(limit_.debt_max);
  bucket.full_at = std::min(std::max(bucket.full_at, present) + cost(tokens), latest);
  const Nanoseconds owed = bucket.full_at - present - Nanoseconds(limit_.period);
  return rounded_up(std::max(owed, Nanoseconds::zero()));
}

}  // namespace linarite
