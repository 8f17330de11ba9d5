// Readers of event logs on other loops: each is woken on its own loop, at most once at a time, when
// its partition has more events.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/loop.h"
#include "hub/partition.h"

namespace linarite::hub {

using EventWatchId = uint64_t;  // 0 is no watch.

// Each watch is opened and closed on its reader's loop, which must be one of `loops`.
class EventWatches {
 public:
  explicit EventWatches(const std::vector<Loop*>& loops);

  EventWatchId open(Partition& partition, Loop& loop, std::function<void()> on_more);
  // `on_more` is not called again. A no-op for 0 and for a watch that was closed.
  void close(EventWatchId watch);

 private:
  struct Watch {
    Partition* partition;
    Loop* loop;
    std::function<void()> on_more;
    std::atomic<bool> woken{false};  // A call is on its way.
    bool closed = false;             // Used on `loop`.
    EventLog::WatchId id = 0;        // Used on the loop of the partition.
  };
  static void wake(const std::shared_ptr<Watch>& watch);

  const std::vector<Loop*>& loops_;
  std::atomic<EventWatchId> last_{0};
  // By loop, each used on its own loop only. An id holds the index of its loop.
  std::vector<std::unordered_map<EventWatchId, std::shared_ptr<Watch>>> watches_;
};

}  // namespace linarite::hub
