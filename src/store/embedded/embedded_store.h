// The durable store of one machine: RocksDB with one commit thread. docs/store-format.md says what
// is on the disk, what recovery does and what it refuses.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/logging.h"
#include "store/embedded/format.h"
#include "store/store.h"

namespace rocksdb {
class FileSystem;
}

namespace linarite::store {

class Health;
struct RecoveredStore;

struct EmbeddedOptions {
  // A directory of the store's own, created (not its parents) if missing. Nothing outside is
  // touched.
  std::string path;
  // Fixed when the store is created; opening it with another number is refused. 0 takes what is
  // there.
  uint32_t partition_count = 0;
  // What is written before RocksDB starts a table file. Larger is faster and replays longer after a
  // crash.
  size_t memtable_bytes = size_t{16} << 20U;
  // Opens a store although acknowledged batches are missing from it (see open()), and forgets them.
  bool accept_loss = false;
  // Answers before the data is on the disk: a power cut then loses acknowledged batches. It exists
  // so that the power-cut test can prove that it notices, and for nothing else.
  bool unsafe_no_sync = false;
};

// commit(), state() and close() may be called from any thread; the rest as store.h says. The loops
// must outlive close().
class EmbeddedStore final : public Store {
 public:
  // One group of commits is written and synced together; it ends at whichever comes first. A batch
  // that is larger makes a group of its own.
  static constexpr size_t kGroupBytesMax = size_t{1} << 20U;
  static constexpr size_t kGroupBatchesMax = 16384;
  // The high-water mark on the disk lags the acknowledged batches by no more than about this.
  static constexpr Duration kMarkInterval = std::chrono::seconds(1);
  static constexpr uint64_t kMarkBatchesMax = 100'000;
  // Free space under which has_room() is false: RocksDB writes each memtable twice, to its log and
  // to a table, and may have four of them to write. It is looked at before each group and once a
  // kMarkInterval.
  static constexpr uint64_t kReservedMemtables = 8;

  // Opens or creates a store and recovers it. Every error says in its text what to do:
  //   kStoreInUse    another process has the store open
  //   kStoreFormat   an unknown version wrote it, or it has another number of partitions
  //   kStoreCorrupt  its content is damaged, or acknowledged batches are missing (the store ends
  //   before
  //                  its high-water mark); accept_loss opens the latter
  //   kIoError       the operating system refused something
  // `file_system` stands in for the machine's in fault tests. Clock and logger must outlive the
  // store.
  static Result<std::unique_ptr<EmbeddedStore>> open(
      const EmbeddedOptions& options, const Clock& clock, Logger& logger,
      std::shared_ptr<rocksdb::FileSystem> file_system = nullptr);
  ~EmbeddedStore() override;  // close()

  // Answers everything that was committed before, then makes the next open quick. Later commits
  // fail with kShuttingDown; reads work on. The first failure of the store's life, if there was
  // one.
  Status close();

  uint32_t partition_count() const override { return partition_count_; }
  void attach(PartitionId partition, Loop& loop) override;
  void commit(PartitionId partition, Batch batch, Done done) override;
  Result<std::optional<Bytes>> get(PartitionId partition, std::string_view key) override;
  Status scan(PartitionId partition, std::string_view begin, std::string_view end,
              const Visitor& visit) override;
  Status scan_log(PartitionId partition, std::string_view begin, std::string_view end,
                  const Visitor& visit) override;
  Result<std::optional<Record>> last_log_record(PartitionId partition) override;
  Status forget_replaced() override;
  Status state(PartitionId partition) const override;
  bool has_room() const override { return room_.load(std::memory_order_relaxed); }

  // How many batches of the partition have become durable since the store was created. Any thread.
  uint64_t sequence(PartitionId partition) const;
  // Bytes of batches that were committed and not yet answered. Any thread.
  size_t queued_bytes() const;
  // A small synced write, as measured by open(). Under about 20 us the disk does not really sync.
  Duration sync_duration() const;

 private:
  struct Commit {
    PartitionId partition;
    Batch batch;
    Done done;
  };

  EmbeddedStore(std::unique_ptr<RecoveredStore> parts, const EmbeddedOptions& options,
                const Clock& clock);

  // The commit thread.
  void run();
  bool take(std::vector<Commit>& taken);
  void write_group(std::span<Commit> group);
  Status write_batches(std::span<Commit> group);
  void answer(std::span<Commit> group, const Status& status);
  void look_at_room();
  bool mark_is_due() const;
  void save_mark();

  const std::string path_;
  const bool sync_;
  const uint64_t reserved_bytes_;
  const Clock& clock_;
  const std::unique_ptr<RecoveredStore> parts_;  // Lock, files and database.
  Health& health_;
  const uint32_t partition_count_;

  std::atomic<bool> room_{true};  // Written by the commit thread.

  // Used by the commit thread only.
  Instant marked_at_;
  uint64_t batches_since_mark_ = 0;

  mutable std::mutex mutex_;
  // Shared with the tasks that wake the commit thread: they may be run after the store is gone.
  const std::shared_ptr<std::condition_variable> work_;
  // Guarded by mutex_, down to drained_.
  std::vector<Loop*> loops_;
  std::vector<Commit> queue_;
  size_t queued_bytes_ = 0;
  std::vector<uint64_t> sequences_;  // Of the last durable batches.
  bool closing_ = false;
  bool drained_ = false;  // Nothing reads the queue any more.

  std::once_flag closed_;
  std::thread thread_;  // Last: it uses all of the above.
};

struct CheckReport {
  uint32_t partition_count = 0;
  uint64_t batch_count = 0;  // Ever committed.
  uint64_t record_count = 0;
  uint64_t byte_count = 0;  // Keys and values.
};

// Reads a whole store that nobody has open, verifies every checksum and the high-water mark, and
// changes nothing but its lock file. The error names the first damage.
Result<CheckReport> check_store(const std::string& path, Logger& logger);

}  // namespace linarite::store
