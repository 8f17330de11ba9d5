#include "base/clock.h"

#include <time.h>

#include "base/check.h"

namespace linarite {

Instant SystemClock::now() const {
  const auto since = std::chrono::steady_clock::now().time_since_epoch();
  return Instant(std::chrono::duration_cast<Duration>(since));
}

WallTime SystemClock::wall() const {
  return std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

ManualClock::ManualClock(WallTime wall, Instant now) : start_(now), wall_start_(wall) {}

Instant ManualClock::now() const { return start_ + Duration(passed_.load()); }

WallTime ManualClock::wall() const {
  return wall_start_ +
         std::chrono::duration_cast<std::chrono::milliseconds>(Duration(passed_.load()));
}

void ManualClock::advance(Duration by) {
  CHECK(by >= Duration::zero());
  passed_.fetch_add(by.count());
}

}  // namespace linarite
