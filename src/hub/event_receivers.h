// Who receives events: the receivers of each consumer group and partition, and which of them has to
// give way (service-protocol 4.5). The only place that knows the rules.
//
// A receiver with an epoch has its group's partition to itself: it disconnects receivers without
// one, and an earlier one whose epoch is not higher than its own. Without an epoch up to
// kEventReceiversMax may read side by side.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "base/loop.h"
#include "hub/event_log.h"
#include "hub/metrics.h"
#include "hub/partition.h"

namespace linarite::hub {

inline constexpr size_t kEventReceiversMax = 5;

using EventReceiverId = uint64_t;  // 0 is no receiver.

struct EventReceiverRequest {
  uint32_t partition = 0;
  std::string consumer_group;  // One of the hub's, as it writes it.
  std::optional<int64_t> epoch;
  std::string name;  // For the texts that other receivers are told.
  EventPosition position;
};

// The table of a partition belongs to the partition's loop; a receiver is opened and closed on its
// own loop, which must be one of `loops`.
class EventReceivers {
 public:
  EventReceivers(const std::vector<Loop*>& loops, size_t partition_count, Metrics& metrics);

  // `start` tells the sequence number at which to begin, or why there is no receiver:
  // kConnectionForcefullyClosedOnNewConnection if a receiver with a higher epoch (without one: with
  // any) reads there, kIotHubQuotaExceeded beyond kEventReceiversMax, or what EventLog::find says.
  // After a start `on_displaced` is called at most once, on `loop`, with the reason. The receiver
  // must be closed in any case.
  EventReceiverId open(Partition& partition, EventReceiverRequest request, Loop& loop,
                       std::function<void(Error)> on_displaced, Reply<Result<uint64_t>> start);
  // `on_displaced` is not called again. A no-op for 0 and for a receiver that was closed.
  void close(EventReceiverId receiver);

 private:
  struct Receiver {
    Partition* partition;
    EventReceiverRequest request;
    Loop* loop;
    std::function<void(Error)> on_displaced;
    bool closed = false;  // Used on `loop`.
  };
  using ReceiverPtr = std::shared_ptr<Receiver>;
  // Of one consumer group and partition: one with an epoch, or some without.
  using Group = std::vector<ReceiverPtr>;

  Status admit(const ReceiverPtr& receiver);
  void remove(const ReceiverPtr& receiver);
  void displace(const ReceiverPtr& receiver, const EventReceiverRequest& by);

  const std::vector<Loop*>& loops_;
  Metrics& metrics_;
  std::atomic<EventReceiverId> last_{0};
  // By partition and name of the group; each used on the loop of the partition only.
  std::vector<std::map<std::string, Group, std::less<>>> groups_;
  // By loop, each used on its own loop only. An id holds the index of its loop.
  std::vector<std::unordered_map<EventReceiverId, ReceiverPtr>> receivers_;
};

}  // namespace linarite::hub
