#include "store/embedded/embedded_store.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/mutation.h"
#include "store/embedded/database.h"
#include "store/embedded/files.h"
#include "store/embedded/recovery.h"

namespace linarite::store {

Result<std::unique_ptr<EmbeddedStore>> EmbeddedStore::open(
    const EmbeddedOptions& options, const Clock& clock, Logger& logger,
    std::shared_ptr<rocksdb::FileSystem> file_system) {
  auto parts = recover(options, clock, logger, std::move(file_system));
  if (!parts) return std::unexpected(parts.error());
  return std::unique_ptr<EmbeddedStore>(new EmbeddedStore(std::move(*parts), options, clock));
}

EmbeddedStore::EmbeddedStore(std::unique_ptr<RecoveredStore> parts, const EmbeddedOptions& options,
                             const Clock& clock)
    : path_(options.path),
      sync_(!options.unsafe_no_sync),
      reserved_bytes_(kReservedMemtables * options.memtable_bytes),
      clock_(clock),
      parts_(std::move(parts)),
      health_(*parts_->health),
      partition_count_(static_cast<uint32_t>(parts_->sequences.size())),
      // The first group is followed by a mark: from then on a database that vanished is noticed.
      marked_at_(clock.now() - kMarkInterval),
      work_(std::make_shared<std::condition_variable>()),
      loops_(partition_count_, nullptr),
      sequences_(parts_->sequences) {
  look_at_room();
  thread_ = std::thread([this] { run(); });
}

EmbeddedStore::~EmbeddedStore() {
  static_cast<void>(close());  // Whoever wants to know calls close() first.
  if (!parts_->files->log_refused()) return;
  Database::abandon(std::move(parts_->database));
  parts_->files->unlock_database();
}

void EmbeddedStore::attach(PartitionId partition, Loop& loop) {
  CHECK(partition < partition_count_);
  const std::lock_guard lock(mutex_);
  CHECK(loops_[partition] == nullptr);
  loops_[partition] = &loop;
}

void EmbeddedStore::commit(PartitionId partition, Batch batch, Done done) {
  CHECK(partition < partition_count_);
  std::unique_lock lock(mutex_);
  Loop* const loop = loops_[partition];
  CHECK(loop != nullptr);
  if (drained_) {
    lock.unlock();
    loop->post([done = std::move(done)]() mutable {
      done(fail(ErrorCode::kShuttingDown, "the store is closed"));
    });
    return;
  }
  queued_bytes_ += batch.byte_count();
  queue_.push_back({.partition = partition, .batch = std::move(batch), .done = std::move(done)});
  const bool first = queue_.size() == 1;
  lock.unlock();
  // At the next turn of the loop: what this turn still commits goes into the same group.
  if (first) loop->post([work = work_] { work->notify_one(); });
}

Result<std::optional<Bytes>> EmbeddedStore::get(PartitionId partition, std::string_view key) {
  CHECK(partition < partition_count_);
  return parts_->database->get(partition, key);
}

Status EmbeddedStore::scan(PartitionId partition, std::string_view begin, std::string_view end,
                           const Visitor& visit) {
  CHECK(partition < partition_count_);
  return parts_->database->scan(partition, begin, end, visit);
}

Status EmbeddedStore::scan_log(PartitionId partition, std::string_view begin, std::string_view end,
                               const Visitor& visit) {
  CHECK(partition < partition_count_);
  return parts_->database->scan_log(partition, begin, end, visit);
}

Result<std::optional<Store::Record>> EmbeddedStore::last_log_record(PartitionId partition) {
  CHECK(partition < partition_count_);
  return parts_->database->last_log_record(partition);
}

Status EmbeddedStore::forget_replaced() {
  uint64_t bytes = 0;
  for (const Table& table : parts_->database->tables()) {
    if (table.family == kRecordsFamily) bytes += table.size;
  }
  const auto free = parts_->files->free_bytes(path_);
  if (!free) return std::unexpected(free.error());
  if (*free < bytes + reserved_bytes_) {
    return fail(ErrorCode::kServiceUnavailable, "the disk has no room to rewrite the records");
  }
  return parts_->database->rewrite_records();
}

Status EmbeddedStore::state(PartitionId partition) const {
  CHECK(partition < partition_count_);
  const auto failure = health_.failure();
  if (failure) return std::unexpected(*failure);
  return {};
}

uint64_t EmbeddedStore::sequence(PartitionId partition) const {
  CHECK(partition < partition_count_);
  const std::lock_guard lock(mutex_);
  return sequences_[partition];
}

size_t EmbeddedStore::queued_bytes() const {
  const std::lock_guard lock(mutex_);
  return queued_bytes_;
}

Duration EmbeddedStore::sync_duration() const { return parts_->sync_duration; }

Status EmbeddedStore::close() {
  std::call_once(closed_, [this] {
    {
      const std::lock_guard lock(mutex_);
      closing_ = true;
    }
    work_->notify_one();
    thread_.join();
    // After a failure the disk is left as it is.
    if (health_.failure()) return;
    if (const Status flushed = parts_->database->flush(); !flushed) health_.fail(flushed.error());
  });
  return state(0);
}

void EmbeddedStore::run() {
  std::vector<Commit> taken;
  while (take(taken)) {
    look_at_room();
    for (size_t begin = 0; begin < taken.size();) {
      size_t end = begin;
      for (size_t bytes = 0; end < taken.size() && end - begin < kGroupBatchesMax; ++end) {
        bytes += taken[end].batch.byte_count();
        if (bytes > kGroupBytesMax && end > begin) break;
      }
      write_group(std::span(taken).subspan(begin, end - begin));
      begin = end;
      if (mark_is_due()) save_mark();
    }
    if (taken.empty()) save_mark();
    taken.clear();
  }
  save_mark();
}

// Waits for commits and takes all of them. Takes none when there were none for a while. False once
// the store is closing and everything has been answered.
bool EmbeddedStore::take(std::vector<Commit>& taken) {
  std::unique_lock lock(mutex_);
  const auto has_work = [this] { return !queue_.empty() || closing_; };
  if (!work_->wait_for(lock, kMarkInterval, has_work)) return true;
  if (queue_.empty()) {
    drained_ = true;
    return false;
  }
  taken.swap(queue_);
  return true;
}

void EmbeddedStore::write_group(std::span<Commit> group) {
  Status status;
  if (const auto failure = health_.failure()) {
    status = fail(ErrorCode::kStoreReadOnly,
                  "the store takes no more writes since it failed: " + failure->message);
  } else {
    if (mutated(Mutation::kGroupAckedEarly)) answer(group, {});
    status = write_batches(group);
    if (mutated(Mutation::kFailureForgotten)) status = {};
    if (!status) health_.fail(status.error());
    if (mutated(Mutation::kGroupAckedEarly)) return;
  }
  answer(group, status);
}

Status EmbeddedStore::write_batches(std::span<Commit> group) {
  // Only this thread changes the sequences, so that they may be read without the lock.
  std::vector<uint64_t> sequences = sequences_;
  for (const Commit& commit : group) {
    const bool is_last = group.size() > 1 && &commit == &group.back();
    if (is_last && mutated(Mutation::kGroupLosesLast)) continue;
    parts_->database->add(commit.partition, commit.batch);
    ++sequences[commit.partition];
  }
  for (PartitionId partition = 0; partition < partition_count_; ++partition) {
    if (sequences[partition] == sequences_[partition]) continue;
    parts_->database->set_sequence(partition, sequences[partition]);
  }
  const bool sync = sync_ && !mutated(Mutation::kGroupNotSynced);
  if (Status written = parts_->database->write(sync); !written) return written;
  const std::lock_guard lock(mutex_);
  sequences_ = std::move(sequences);
  batches_since_mark_ += group.size();
  return {};
}

// One task for each loop that has an answer in the group.
void EmbeddedStore::answer(std::span<Commit> group, const Status& status) {
  std::vector<std::pair<Loop*, std::vector<Done>>> answers;
  {
    const std::lock_guard lock(mutex_);
    for (Commit& commit : group) {
      queued_bytes_ -= commit.batch.byte_count();
      Loop* loop = loops_[commit.partition];
      auto found = std::ranges::find(answers, loop, &std::pair<Loop*, std::vector<Done>>::first);
      if (found == answers.end()) {
        answers.emplace_back(loop, std::vector<Done>());
        found = std::prev(answers.end());
      }
      found->second.push_back(std::move(commit.done));
    }
  }
  for (auto& [loop, dones] : answers) {
    loop->post([dones = std::move(dones), status]() mutable {
      for (Done& done : dones) done(status);
    });
  }
}

void EmbeddedStore::look_at_room() {
  const auto free = parts_->files->free_bytes(path_);
  if (!free) return;  // Nothing is known; writing will tell.
  const bool room = *free >= reserved_bytes_;
  if (room_.exchange(room, std::memory_order_relaxed) == room) return;
  health_.room_changed(room, *free, reserved_bytes_);
}

bool EmbeddedStore::mark_is_due() const {
  if (batches_since_mark_ == 0) return false;
  return batches_since_mark_ >= kMarkBatchesMax || clock_.now() - marked_at_ >= kMarkInterval;
}

void EmbeddedStore::save_mark() {
  if (batches_since_mark_ == 0 || health_.failure()) return;
  HighWater mark = sequences_;
  if (mutated(Mutation::kMarkTooHigh)) ++mark.front();
  const Status saved = parts_->files->replace(path_, kHighWaterFile,
                                              high_water_text(mark, parts_->files->manifest()));
  if (!saved) return health_.fail(saved.error());
  marked_at_ = clock_.now();
  batches_since_mark_ = 0;
}

}  // namespace linarite::store
