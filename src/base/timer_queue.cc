#include "base/timer_queue.h"

#include <utility>

namespace linarite {

TimerId TimerQueue::add(Instant when, Task task) {
  const TimerId id = ++last_id_;
  timers_.emplace(std::pair(when, id), std::move(task));
  deadlines_.emplace(id, when);
  return id;
}

void TimerQueue::cancel(TimerId timer) {
  const auto found = deadlines_.find(timer);
  if (found == deadlines_.end()) return;
  timers_.erase(std::pair(found->second, timer));
  deadlines_.erase(found);
}

std::optional<Instant> TimerQueue::next() const {
  if (timers_.empty()) return std::nullopt;
  return timers_.begin()->first.first;
}

Task TimerQueue::take_due(Instant now) {
  if (timers_.empty() || timers_.begin()->first.first > now) return {};
  auto node = timers_.extract(timers_.begin());
  deadlines_.erase(node.key().second);
  return std::move(node.mapped());
}

}  // namespace linarite
