// Deadlines in order, shared by every implementation of Loop.
#pragma once

#include <map>
#include <optional>
#include <unordered_map>

#include "base/loop.h"

namespace linarite {

// Owned and used by one loop; not thread-safe.
class TimerQueue {
 public:
  TimerId add(Instant when, Task task);
  void cancel(TimerId timer);

  // The earliest deadline, if there is a timer.
  std::optional<Instant> next() const;
  // Removes and returns one timer that is due at `now`, the earliest first; an empty task if none
  // is.
  Task take_due(Instant now);
  size_t size() const { return deadlines_.size(); }

 private:
  // Ordered by deadline, then by id, so that equal deadlines fire in the order they were set.
  std::map<std::pair<Instant, TimerId>, Task> timers_;
  std::unordered_map<TimerId, Instant> deadlines_;
  TimerId last_id_ = 0;
};

}  // namespace linarite
