#include "hub/event_receivers.h"

#include <fmt/format.h>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/mutation.h"

namespace linarite::hub {

EventReceivers::EventReceivers(const std::vector<Loop*>& loops, size_t partition_count,
                               Metrics& metrics)
    : loops_(loops), metrics_(metrics), groups_(partition_count), receivers_(loops.size()) {}

EventReceiverId EventReceivers::open(Partition& partition, EventReceiverRequest request, Loop& loop,
                                     std::function<void(Error)> on_displaced,
                                     Reply<Result<uint64_t>> start) {
  const auto found = std::ranges::find(loops_, &loop);
  CHECK(found != loops_.end() && request.partition < groups_.size());
  const auto index = static_cast<size_t>(found - loops_.begin());
  const EventReceiverId id = ++last_ * loops_.size() + index;
  auto receiver = std::make_shared<Receiver>();
  receiver->partition = &partition;
  receiver->request = std::move(request);
  receiver->loop = &loop;
  receiver->on_displaced = std::move(on_displaced);
  receivers_[index].emplace(id, receiver);
  partition.loop().dispatch([this, receiver, start = std::move(start)]() mutable {
    if (Status admitted = admit(receiver); !admitted) {
      metrics_.event_receivers_refused.Increment();
      return start(std::unexpected(std::move(admitted.error())));
    }
    // In the same turn: nothing is appended between the attach and its "latest".
    start(receiver->partition->events().find(receiver->request.position));
  });
  return id;
}

void EventReceivers::close(EventReceiverId id) {
  auto& receivers = receivers_[id % loops_.size()];
  const auto found = receivers.find(id);
  if (found == receivers.end()) return;
  const ReceiverPtr receiver = std::move(found->second);
  receivers.erase(found);
  receiver->closed = true;
  receiver->partition->loop().dispatch([this, receiver] { remove(receiver); });
}

Status EventReceivers::admit(const ReceiverPtr& receiver) {
  const EventReceiverRequest& request = receiver->request;
  Group& group = groups_[request.partition][request.consumer_group];
  const std::optional<int64_t> current =
      group.empty() ? std::nullopt : group.front()->request.epoch;
  const bool lower = current && (!request.epoch || *request.epoch < *current);
  if (lower && !mutated(Mutation::kEpochIgnored)) {
    return fail(ErrorCode::kConnectionForcefullyClosedOnNewConnection,
                fmt::format("Receiver '{}' with a higher epoch of '{}' already exists. Receiver "
                            "'{}' with epoch '{}' cannot be created. Make sure you are creating "
                            "receiver with increasing epoch value to ensure connectivity, or "
                            "ensure all old epoch receivers are closed or disconnected.",
                            group.front()->request.name, *current, request.name,
                            request.epoch.value_or(0)));
  }
  if (request.epoch) {
    for (const ReceiverPtr& older : std::exchange(group, {})) displace(older, request);
  } else if (group.size() >= kEventReceiversMax) {
    return fail(ErrorCode::kIotHubQuotaExceeded,
                fmt::format("Exceeded the maximum number of allowed receivers per partition in a "
                            "consumer group which is {}",
                            kEventReceiversMax));
  }
  group.push_back(receiver);
  metrics_.event_receivers.Increment();
  return {};
}

// One that was refused or displaced is not there any more.
void EventReceivers::remove(const ReceiverPtr& receiver) {
  auto& groups = groups_[receiver->request.partition];
  const auto group = groups.find(receiver->request.consumer_group);
  if (group == groups.end() || std::erase(group->second, receiver) == 0) return;
  metrics_.event_receivers.Decrement();
}

void EventReceivers::displace(const ReceiverPtr& receiver, const EventReceiverRequest& by) {
  metrics_.event_receivers.Decrement();
  metrics_.event_receivers_displaced.Increment();
  Error reason{
      ErrorCode::kConnectionForcefullyClosedOnNewConnection,
      fmt::format("New receiver '{}' with higher epoch of '{}' is created hence current "
                  "receiver '{}' with epoch '{}' is getting disconnected. If you are "
                  "recreating the receiver, make sure a higher epoch is used.",
                  by.name, *by.epoch, receiver->request.name, receiver->request.epoch.value_or(0))};
  receiver->loop->post([receiver, reason = std::move(reason)] {
    if (!receiver->closed) receiver->on_displaced(reason);
  });
}

}  // namespace linarite::hub
