// The two kinds of time. Instant is monotonic and orders events and deadlines inside one process;
// it has no meaning outside of it. WallTime is UTC with a resolution of one millisecond; it is what
// tokens, expiry and stored times are compared with. A Clock gives both; no code asks the machine
// for the time in any other way.
#pragma once

#include <chrono>

namespace linarite {

using Duration = std::chrono::microseconds;

struct MonotonicTime {
  using rep = Duration::rep;
  using period = Duration::period;
  using duration = Duration;
  using time_point = std::chrono::time_point<MonotonicTime>;
  static constexpr bool is_steady = true;
};

using Instant = MonotonicTime::time_point;
using WallTime = std::chrono::sys_time<std::chrono::milliseconds>;

// An interface because the system, a test and the simulator each keep their own time. Any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Instant now() const = 0;
  virtual WallTime wall() const = 0;
};

}  // namespace linarite
