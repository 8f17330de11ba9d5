#include "hub/event_watches.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace linarite::hub {

EventWatches::EventWatches(const std::vector<Loop*>& loops)
    : loops_(loops), watches_(loops.size()) {}

EventWatchId EventWatches::open(Partition& partition, Loop& loop, std::function<void()> on_more) {
  const auto found = std::ranges::find(loops_, &loop);
  CHECK(found != loops_.end());
  const auto index = static_cast<size_t>(found - loops_.begin());
  const EventWatchId id = ++last_ * loops_.size() + index;
  auto watch = std::make_shared<Watch>();
  watch->partition = &partition;
  watch->loop = &loop;
  watch->on_more = std::move(on_more);
  watches_[index].emplace(id, watch);
  partition.loop().dispatch(
      [watch] { watch->id = watch->partition->events().watch([watch] { wake(watch); }); });
  return id;
}

void EventWatches::close(EventWatchId id) {
  auto& watches = watches_[id % loops_.size()];
  const auto found = watches.find(id);
  if (found == watches.end()) return;
  const std::shared_ptr<Watch> watch = std::move(found->second);
  watches.erase(found);
  watch->closed = true;
  watch->partition->loop().dispatch([watch] { watch->partition->events().unwatch(watch->id); });
}

// Always a task of its own: a reader is not called from inside the answers of the store.
void EventWatches::wake(const std::shared_ptr<Watch>& watch) {
  if (watch->woken.exchange(true)) return;
  watch->loop->post([watch] {
    // Before the call: what becomes durable during it wakes again.
    watch->woken.store(false);
    if (!watch->closed) watch->on_more();
  });
}

}  // namespace linarite::hub
