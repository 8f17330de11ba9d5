// The connections of a partition's devices: the one link of each, when it came and went, and the
// sessions that outlive it.
#include <prometheus/gauge.h>

#include <utility>

#include "base/check.h"
#include "base/mutation.h"
#include "hub/device.h"
#include "hub/partition.h"

namespace linarite::hub {
namespace {

// How long a change of a connection's state waits for others to be written with it.
constexpr Duration kTimesDelay = std::chrono::seconds(5);
// So many of them in one commit: the store writes nothing else meanwhile.
constexpr size_t kTimesPerCommit = 1000;

}  // namespace

Status Partition::attach(std::string_view device_id, DeviceLink& link, uint64_t key_fingerprint) {
  const DevicePtr device = find(device_id);
  if (!device || device->deleting) return fail(ErrorCode::kDeviceNotFound);
  const bool disabled = device->identity.disabled();
  if (disabled && !mutated(Mutation::kDisabledMayConnect)) return fail(ErrorCode::kDeviceDisabled);
  CHECK(!links_.contains(&link));
  if (DeviceLink* const older = device->link) {
    unlink(*device);
    const Error reason{ErrorCode::kConnectionForcefullyClosedOnNewConnection,
                       "the device connected again"};
    if (!mutated(Mutation::kTakeoverKeepsTheOlder)) older->disconnect(reason);
  }
  device->link = &link;
  device->link_key = key_fingerprint;
  links_.emplace(&link, device);
  parts_.metrics.devices_connected.Increment();
  note_connection(*device);
  return {};
}

void Partition::detach(DeviceLink& link) {
  const auto found = links_.find(&link);
  if (found == links_.end()) return;
  const DevicePtr device = found->second;
  unlink(*device);
  note_connection(*device);
}

// Forgets the link; what it had in flight goes back to its place (device-protocol 6.4).
void Partition::unlink(Device& device) {
  links_.erase(device.link);
  device.link = nullptr;
  device.link_key = 0;
  device.window = 0;
  parts_.metrics.devices_connected.Decrement();
  if (device.in_flight > 0) {
    device.queue.for_each([&](Message& message) {
      if (message.state != Message::State::kLocked || !message.linked) return;
      unlock(device, message);
      tell(QueueEvent::Kind::kReturned, device, message);
    });
  }
  CHECK(device.in_flight == 0);
}

// Not at once: a device that comes and goes, and all that come back after a restart, would cost a
// write each. A crash may lose what the delay holds, which harms nobody: after it every device is
// disconnected.
void Partition::note_connection(Device& device) {
  if (device.deleting) return;
  device.times = ConnectionTimes{.state_updated = wall(), .last_activity = wall()};
  if (std::exchange(device.times_unwritten, true)) return;
  unwritten_times_.emplace_back(device.identity.device_id());
  if (times_timer_ != 0) return;
  times_timer_ = parts_.loop.run_after(kTimesDelay, [this] {
    times_timer_ = 0;
    write_connection_times([](const Status&) {});
  });
}

void Partition::write_connection_times(StatusDone done) {
  store::Batch batch;
  while (batch.size() < kTimesPerCommit && !unwritten_times_.empty()) {
    const DevicePtr device = find(unwritten_times_.back());
    unwritten_times_.pop_back();
    // It may have been deleted since, and another made in its place.
    if (!device || !std::exchange(device->times_unwritten, false) || device->deleting) continue;
    batch.put(record_key(kConnectionKey, device->identity.device_id()),
              encode_connection_times(*device->times));
  }
  if (batch.empty()) return done({});
  commit(std::move(batch), [this, done = std::move(done)](Status status) mutable {
    if (!status || unwritten_times_.empty()) return done(std::move(status));
    write_connection_times(std::move(done));
  });
}

// A session is told to a device only as it is on the disk: what an older connection left on the way
// there comes first.
void Partition::load_session(std::string_view device_id, Done<std::optional<Session>> done) {
  const auto found = session_writes_.find(device_id);
  if (found == session_writes_.end()) return done(read_session(device_id));
  if (found->second.count == 0) return done(std::unexpected(found->second.failure.error()));
  found->second.waiting.emplace_back(
      [this, id = std::string(device_id), done = std::move(done)]() mutable {
        load_session(id, std::move(done));
      });
}

Result<std::optional<Session>> Partition::read_session(std::string_view device_id) const {
  const auto value = parts_.store.get(parts_.id, record_key(kSessionKey, device_id));
  if (!value) return std::unexpected(value.error());
  if (!*value) return std::nullopt;
  auto session = decode_session(**value);
  if (!session) return std::unexpected(session.error());
  return *std::move(session);
}

void Partition::save_session(std::string_view device_id, const Session& session, StatusDone done) {
  CHECK(session.subscriptions.size() <= kSessionSubscriptionsMax);
  const DevicePtr device = find(device_id);
  if (!device || device->deleting) return done(fail(ErrorCode::kDeviceNotFound));
  store::Batch batch;
  batch.put(record_key(kSessionKey, device_id), encode_session(session));
  commit_session(device_id, std::move(batch), std::move(done));
}

// Most who ask for a clean session have none: they wait for no disk.
void Partition::erase_session(std::string_view device_id, StatusDone done) {
  if (!session_writes_.contains(device_id)) {
    const auto stored = parts_.store.get(parts_.id, record_key(kSessionKey, device_id));
    if (!stored) return done(std::unexpected(stored.error()));
    if (!*stored) return done({});
  }
  store::Batch batch;
  if (!mutated(Mutation::kSessionNotErased)) batch.erase(record_key(kSessionKey, device_id));
  commit_session(device_id, std::move(batch), std::move(done));
}

void Partition::commit_session(std::string_view device_id, store::Batch batch, StatusDone done) {
  const std::string id(device_id);
  ++session_writes_[id].count;
  commit(std::move(batch), [this, id, done = std::move(done)](Status status) mutable {
    std::vector<Task> waiting;
    const auto found = session_writes_.find(id);
    SessionWrites& writes = found->second;
    if (!status) writes.failure = status;
    if (--writes.count == 0) {
      waiting = std::move(writes.waiting);
      if (writes.failure) session_writes_.erase(found);
    }
    done(std::move(status));
    for (Task& task : waiting) task();
  });
}

}  // namespace linarite::hub
