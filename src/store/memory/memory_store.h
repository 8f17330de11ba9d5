// A store in memory: for `--in-memory` and for the simulator, which decides when a sync happens,
// when it fails and what a crash leaves behind.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "base/random.h"
#include "store/store.h"

namespace linarite::store {

// Left alone, each commit becomes visible and is answered by a task on its partition's loop.
class MemoryStore final : public Store {
 public:
  explicit MemoryStore(uint32_t partition_count);
  ~MemoryStore() override;

  uint32_t partition_count() const override;
  void attach(PartitionId partition, Loop& loop) override;
  void commit(PartitionId partition, Batch batch, Done done) override;
  Result<std::optional<Bytes>> get(PartitionId partition, std::string_view key) override;
  Status scan(PartitionId partition, std::string_view begin, std::string_view end,
              const Visitor& visit) override;
  Status scan_log(PartitionId partition, std::string_view begin, std::string_view end,
                  const Visitor& visit) override;
  Result<std::optional<Record>> last_log_record(PartitionId partition) override;
  Status forget_replaced() override { return {}; }
  Status state(PartitionId partition) const override;
  bool has_room() const override { return has_room_; }

  // Faults. Only while all partitions are used from one thread, and outside of scan().

  // While holding, a commit is neither visible, nor durable, nor answered until flush().
  void hold_commits(bool hold);
  // Makes all held commits durable now and answers them, one task for each partition.
  void flush();
  size_t held_count() const;
  // The next sync fails with `error`: its commits fail with it, and all later ones with
  // kStoreReadOnly, on all partitions, as if they shared one disk.
  void fail_next_sync(Error error);
  void set_room(bool room) { has_room_ = room; }
  // What a power cut and a restart do. Commits under way are forgotten, unanswered. Of those of
  // them that were not durable, or whose sync failed, the first few of each partition survive: a
  // number drawn from `survivors`, or none without it. The partitions take writes again and must be
  // attached anew.
  void crash(Random* survivors);

 private:
  struct Health;
  struct Partition;
  Partition& partition(PartitionId id) const;

  std::shared_ptr<Health> health_;
  // Shared with the tasks on the loops, which may outlive a crash or the store.
  std::vector<std::shared_ptr<Partition>> partitions_;
  bool holding_ = false;
  bool has_room_ = true;
};

}  // namespace linarite::store
