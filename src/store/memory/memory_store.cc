#include "store/memory/memory_store.h"

#include <deque>
#include <map>
#include <utility>

#include "base/check.h"

namespace linarite::store {
namespace {

using Records = std::map<Bytes, Bytes, std::less<>>;

void visit_range(const Records& records, std::string_view begin, std::string_view end,
                 const Store::Visitor& visit) {
  for (auto at = records.lower_bound(begin); at != records.end(); ++at) {
    if (!end.empty() && at->first >= end) break;
    if (!visit(at->first, at->second)) break;
  }
}

}  // namespace

// The one disk that the partitions seem to share.
struct MemoryStore::Health {
  // Answers one sync. The failed sync itself reports what went wrong, later ones that it is too
  // late.
  Status sync() {
    const std::lock_guard lock(mutex);
    if (failure)
      return fail(ErrorCode::kStoreReadOnly, "an earlier sync failed: " + failure->message);
    if (!next_failure) return {};
    failure = std::exchange(next_failure, std::nullopt);
    return std::unexpected(*failure);
  }

  std::mutex mutex;
  std::optional<Error> failure;       // Guarded by mutex.
  std::optional<Error> next_failure;  // Guarded by mutex.
};

struct MemoryStore::Partition {
  struct Held {
    uint64_t number;
    Batch batch;
    Done done;
  };

  void apply(const Batch& batch) {
    for (size_t i = 0; i < batch.size(); ++i) {
      const Batch::Operation operation = batch.operation(i);
      switch (operation.kind) {
        case Batch::Kind::kPut:
          records.insert_or_assign(Bytes(operation.key), Bytes(operation.value));
          break;
        case Batch::Kind::kErase:
          records.erase(Bytes(operation.key));
          break;
        case Batch::Kind::kAppend:
          CHECK(log.empty() || log.rbegin()->first < operation.key);
          log.emplace_hint(log.end(), operation.key, operation.value);
          break;
        case Batch::Kind::kTrimLog:
          log.erase(log.begin(), log.lower_bound(operation.key));
          break;
      }
    }
  }

  // What the sync of a batch leaves behind. A batch that was never written cannot survive a crash.
  void settle(Batch batch, const Status& synced) {
    if (synced) {
      apply(batch);
    } else if (synced.error().code != ErrorCode::kStoreReadOnly) {
      failed.push_back(std::move(batch));
    }
  }

  // Syncs and answers one commit, on the partition's loop, unless flush() has done so already. The
  // commit is then the oldest: those before it were answered by their own tasks.
  void answer(uint64_t number, Health& health) {
    if (held.empty() || held.front().number != number) return;
    Held oldest = std::move(held.front());
    held.pop_front();
    Status synced = health.sync();
    settle(std::move(oldest.batch), synced);
    oldest.done(std::move(synced));
  }

  Records records;
  Records log;
  std::deque<Held> held;
  uint64_t last_number = 0;
  std::deque<Batch> failed;  // Written, but their sync failed: nobody knows whether they are there.
  Loop* loop = nullptr;
};

MemoryStore::MemoryStore(uint32_t partition_count) : health_(std::make_shared<Health>()) {
  CHECK(partition_count > 0 && partition_count <= kPartitionCountMax);
  for (uint32_t i = 0; i < partition_count; ++i) {
    partitions_.push_back(std::make_shared<Partition>());
  }
}

MemoryStore::~MemoryStore() = default;

MemoryStore::Partition& MemoryStore::partition(PartitionId id) const {
  CHECK(id < partitions_.size());
  return *partitions_[id];
}

uint32_t MemoryStore::partition_count() const { return static_cast<uint32_t>(partitions_.size()); }

void MemoryStore::attach(PartitionId id, Loop& loop) {
  CHECK(partition(id).loop == nullptr);
  partition(id).loop = &loop;
}

void MemoryStore::commit(PartitionId id, Batch batch, Done done) {
  Partition& to = partition(id);
  CHECK(to.loop != nullptr);
  const uint64_t number = ++to.last_number;
  to.held.push_back({.number = number, .batch = std::move(batch), .done = std::move(done)});
  if (holding_) return;
  to.loop->post(
      [owner = partitions_[id], health = health_, number] { owner->answer(number, *health); });
}

Result<std::optional<Bytes>> MemoryStore::get(PartitionId id, std::string_view key) {
  const auto& records = partition(id).records;
  const auto found = records.find(key);
  if (found == records.end()) return std::nullopt;
  return found->second;
}

Status MemoryStore::scan(PartitionId id, std::string_view begin, std::string_view end,
                         const Visitor& visit) {
  visit_range(partition(id).records, begin, end, visit);
  return {};
}

Status MemoryStore::scan_log(PartitionId id, std::string_view begin, std::string_view end,
                             const Visitor& visit) {
  visit_range(partition(id).log, begin, end, visit);
  return {};
}

Result<std::optional<Store::Record>> MemoryStore::last_log_record(PartitionId id) {
  const auto& log = partition(id).log;
  if (log.empty()) return std::nullopt;
  return Record{.key = log.rbegin()->first, .value = log.rbegin()->second};
}

Status MemoryStore::state(PartitionId id) const {
  CHECK(id < partitions_.size());
  const std::lock_guard lock(health_->mutex);
  if (health_->failure) return std::unexpected(*health_->failure);
  return {};
}

void MemoryStore::hold_commits(bool hold) {
  if (!hold) flush();
  holding_ = hold;
}

void MemoryStore::flush() {
  if (held_count() == 0) return;
  const Status synced = health_->sync();
  for (const auto& each : partitions_) {
    if (each->held.empty()) continue;
    std::vector<Done> answers;
    for (Partition::Held& held : each->held) {
      each->settle(std::move(held.batch), synced);
      answers.push_back(std::move(held.done));
    }
    each->held.clear();
    each->loop->post([answers = std::move(answers), synced]() mutable {
      for (Done& done : answers) done(synced);
    });
  }
}

size_t MemoryStore::held_count() const {
  size_t count = 0;
  for (const auto& each : partitions_) count += each->held.size();
  return count;
}

void MemoryStore::fail_next_sync(Error error) {
  CHECK(error.code != ErrorCode::kStoreReadOnly);
  const std::lock_guard lock(health_->mutex);
  health_->next_failure = std::move(error);
}

void MemoryStore::crash(Random* survivors) {
  for (auto& each : partitions_) {
    std::deque<Batch> unknown = std::move(each->failed);
    // After a failed sync nothing more was written, so what came later is not on any disk.
    if (!health_->failure) {
      for (Partition::Held& held : each->held) unknown.push_back(std::move(held.batch));
    }
    // Tasks of the old life find nothing more to answer.
    each->held.clear();
    auto reborn = std::make_shared<Partition>();
    reborn->records = std::move(each->records);
    reborn->log = std::move(each->log);
    const uint64_t count = survivors != nullptr ? survivors->below(unknown.size() + 1) : 0;
    for (uint64_t i = 0; i < count; ++i) reborn->apply(unknown[i]);
    each = std::move(reborn);
  }
  health_ = std::make_shared<Health>();
}

}  // namespace linarite::store
