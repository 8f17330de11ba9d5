// The two clocks: SystemClock follows the machine, ManualClock moves only when told to.
#pragma once

#include <atomic>

#include "base/time.h"

namespace linarite {

// Any thread.
class SystemClock final : public Clock {
 public:
  Instant now() const override;
  WallTime wall() const override;
};

// Starts at the given times and stands still; advance() moves both kinds of time together. Any
// thread. Whoever advances it must then let every loop look at its timers
// (net::LoopGroup::run_due_timers).
class ManualClock final : public Clock {
 public:
  explicit ManualClock(WallTime wall, Instant now = Instant{});
  Instant now() const override;
  WallTime wall() const override;
  void advance(Duration by);

 private:
  const Instant start_;
  const WallTime wall_start_;
  std::atomic<Duration::rep> passed_{0};
};

}  // namespace linarite
