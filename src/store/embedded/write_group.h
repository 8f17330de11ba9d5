// One group of writes on its way into RocksDB.
#pragma once

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "store/store.h"

namespace linarite::store {

// Our own records are sealed as if they belonged to the partition after the last possible one.
inline constexpr PartitionId kOwnSeal = kPartitionCountMax;
// Bytes of a stored key that records of one kind have in common: the partition and the hub's letter
// for the kind. RocksDB remembers for each where it inserted last.
inline constexpr size_t kInsertHintSize = 3;

// Operations of a group are written in the order of their keys, for then each is inserted next to
// the one before it and not searched for from the top of the memtable: of two writes a message the
// searches were a sixth of what a message cost. Those of one key keep their order.
//
// Ranges are never erased: RocksDB 7.8 uses the place of an insertion among records also for one
// among erased ranges, which breaks it.
class WriteGroup {
 public:
  // `families` are those of the records and then of each partition's log; they outlive the group.
  explicit WriteGroup(const std::vector<rocksdb::ColumnFamilyHandle*>& families)
      : families_(families) {}

  // The batch must live until the group is cleared.
  void add(PartitionId partition, const Batch& batch);
  void set_sequence(PartitionId partition, uint64_t sequence);
  // What RocksDB is to write as one, sealed. Fails with what did not fit. Valid until clear().
  rocksdb::Status encode();
  rocksdb::WriteBatch& encoded() { return encoded_; }
  // What is to be trimmed once the group is durable: partitions, and ends of their logs.
  std::span<const std::pair<PartitionId, std::string_view>> trims() const { return trims_; }
  void clear();

 private:
  struct Write {
    PartitionId partition;
    size_t number;  // In the order of the batches.
    Batch::Operation operation;
  };
  rocksdb::Status encode(const Write& write);
  rocksdb::Status put(rocksdb::ColumnFamilyHandle* family, ByteView prefix, ByteView key,
                      ByteView seal, ByteView value);

  const std::vector<rocksdb::ColumnFamilyHandle*>& families_;
  std::vector<Write> writes_;
  std::vector<std::pair<PartitionId, uint64_t>> sequences_;
  std::vector<std::pair<PartitionId, std::string_view>> trims_;
  rocksdb::WriteBatch encoded_;
};

}  // namespace linarite::store
