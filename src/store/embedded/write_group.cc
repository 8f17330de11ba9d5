#include "store/embedded/write_group.h"

#include <algorithm>
#include <array>
#include <tuple>

#include "store/embedded/format.h"

namespace linarite::store {
namespace {

rocksdb::Slice slice(ByteView view) { return {view.data(), view.size()}; }

}  // namespace

void WriteGroup::add(PartitionId partition, const Batch& batch) {
  for (size_t i = 0; i < batch.size(); ++i) {
    const Batch::Operation operation = batch.operation(i);
    if (operation.kind == Batch::Kind::kTrimLog) {
      trims_.emplace_back(partition, operation.key);
    } else {
      writes_.push_back({.partition = partition, .number = writes_.size(), .operation = operation});
    }
  }
}

void WriteGroup::set_sequence(PartitionId partition, uint64_t sequence) {
  sequences_.emplace_back(partition, sequence);
}

rocksdb::Status WriteGroup::encode() {
  std::ranges::sort(writes_, {}, [](const Write& write) {
    return std::tuple(write.partition, write.operation.key, write.number);
  });
  for (const Write& write : writes_) {
    if (rocksdb::Status status = encode(write); !status.ok()) return status;
  }
  for (const auto& [partition, sequence] : sequences_) {
    const Bytes key = sequence_key(partition);
    Bytes value;
    ByteWriter(value).number(sequence);
    rocksdb::Status status = put(families_.front(), key, {}, seal_of(kOwnSeal, key, value), value);
    if (!status.ok()) return status;
  }
  return rocksdb::Status::OK();
}

void WriteGroup::clear() {
  writes_.clear();
  sequences_.clear();
  trims_.clear();
  encoded_.Clear();
}

rocksdb::Status WriteGroup::encode(const Write& write) {
  const PartitionId partition = write.partition;
  const Batch::Operation& operation = write.operation;
  const Bytes prefix = partition_prefix(partition);
  const std::array<rocksdb::Slice, 2> key{slice(prefix), slice(operation.key)};
  switch (operation.kind) {
    case Batch::Kind::kPut:
    case Batch::Kind::kAppend: {
      const bool is_record = operation.kind == Batch::Kind::kPut;
      return put(is_record ? families_.front() : families_[partition + 1], prefix, operation.key,
                 seal_of(partition, operation.key, operation.value), operation.value);
    }
    case Batch::Kind::kErase:
      return encoded_.Delete(rocksdb::SliceParts(key.data(), 2));
    case Batch::Kind::kTrimLog:
      break;  // Not one of the writes.
  }
  return rocksdb::Status::OK();
}

rocksdb::Status WriteGroup::put(rocksdb::ColumnFamilyHandle* family, ByteView prefix, ByteView key,
                                ByteView seal, ByteView value) {
  const std::array<rocksdb::Slice, 2> keys{slice(prefix), slice(key)};
  const std::array<rocksdb::Slice, 2> values{slice(seal), slice(value)};
  return encoded_.Put(family, rocksdb::SliceParts(keys.data(), 2),
                      rocksdb::SliceParts(values.data(), 2));
}

}  // namespace linarite::store
