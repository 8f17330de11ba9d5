// Token buckets by key, in a table of fixed size: whoever has many keys cannot make it grow.
//
// A bucket is kept as the one moment at which it will be full again. A bucket that is full is the
// same as one that does not exist, so nothing is lost when its place is given to another key; when
// no bucket of a set is full, the one that will be so first is forgotten. To be forgotten a key
// must therefore be displaced by kWays others that owe more, and who has those needs no such trick.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace linarite {

class TokenBuckets {
 public:
  static constexpr size_t kWays = 8;
  static constexpr size_t kEntriesMax = size_t{1} << 16U;  // 1 MiB.

  struct Limit {
    uint64_t tokens = 0;  // That flow in during `period`, and fit into a bucket. 0: no limit.
    Duration period = std::chrono::seconds(1);
    // What a bucket may owe after charge(), as the time that it takes to pay it.
    Duration debt_max = std::chrono::hours(24);
  };

  explicit TokenBuckets(Limit limit, size_t entries = kEntriesMax);

  bool limited() const { return limit_.tokens > 0; }
  Duration time_of_one() const { return limit_.period / static_cast<int64_t>(limit_.tokens); }

  // Takes `tokens` from the bucket of `key` if they are there, and returns zero; otherwise takes
  // nothing and returns how long it will be until they are. Any thread.
  Duration take(std::string_view key, uint64_t tokens, Instant now);
  // Takes `tokens` in any case and returns how long it will be until none are owed. For what has
  // happened already. Any thread.
  Duration charge(std::string_view key, uint64_t tokens, Instant now);

  // The most that the table holds, in bytes: all of it from its first key on, and nothing before.
  size_t memory() const { return entries_ * sizeof(Bucket); }

 private:
  using Nanoseconds = std::chrono::nanoseconds;
  struct Bucket {
    uint64_t key = 0;
    Nanoseconds full_at = Nanoseconds::min();
  };

  Bucket& find(std::string_view key);
  Nanoseconds cost(uint64_t tokens) const;

  const Limit limit_;
  const size_t entries_;  // 0 without a limit.
  std::mutex mutex_;
  std::vector<Bucket> buckets_;  // Guarded by mutex_; sets of kWays. Empty until the first key.
};

}  // namespace linarite
