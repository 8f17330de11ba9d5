// Durable partitions behind one small interface.
//
// A store holds a fixed number of partitions; a partition is an ordered map from keys to values,
// and beside it a log: records that are only ever added with rising keys and forgotten from the
// front, which costs no rewriting of what stays. The only write is a batch to one partition,
// applied wholly or not at all. A batch is acknowledged once it is durable: for the embedded store
// after fdatasync returned.
//
// Keys and values are bytes. A key has at most kKeySizeMax bytes, a value at most kValueSizeMax.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "base/loop.h"

namespace linarite::store {

using PartitionId = uint32_t;

inline constexpr size_t kKeySizeMax = 1024;
inline constexpr size_t kValueSizeMax = size_t{1} << 20U;  // 1 MiB
inline constexpr uint32_t kPartitionCountMax = 256;

// Writes that are applied together, in the order they were added. Breaking a size limit is our own
// mistake (CHECK): sizes are checked where bytes enter the process.
class Batch {
 public:
  enum class Kind : uint8_t { kPut, kErase, kAppend, kTrimLog };
  struct Operation {
    Kind kind;
    std::string_view key;    // The end (exclusive) for kTrimLog.
    std::string_view value;  // Empty for kErase and kTrimLog.
  };

  void put(std::string_view key, std::string_view value);
  void erase(std::string_view key);
  // Adds a record to the partition's log. Its key must be greater than those of all before it.
  void append(std::string_view key, std::string_view value);
  // Log records before `end` are no longer wanted. They go some time after the batch became
  // durable, all or in part, and may be there again after a crash: the caller must know where its
  // log begins.
  void trim_log(std::string_view end);

  // Adds the writes of another batch behind its own.
  void merge(const Batch& later);

  bool empty() const { return operations_.empty(); }
  size_t size() const { return operations_.size(); }
  size_t byte_count() const { return bytes_.size(); }
  Operation operation(size_t index) const;

 private:
  struct Place {
    Kind kind;
    uint32_t key_size;
    uint32_t value_size;
    size_t offset;
  };
  void add(Kind kind, std::string_view key, std::string_view value);
  Bytes bytes_;
  std::vector<Place> operations_;
};

// An interface because the embedded store, the memory store and later the cluster implement it. One
// test suite (store_suite.h) runs on all of them.
//
// Threads: each partition is used from one loop only, the one given to attach(), except state().
class Store {
 public:
  using Done = std::move_only_function<void(Status)>;
  // Returns false to end the scan. The views live until it returns.
  using Visitor = std::function<bool(std::string_view key, std::string_view value)>;

  virtual ~Store() = default;

  virtual uint32_t partition_count() const = 0;

  // Names the loop of a partition, on which its commits are answered. Once, before the first
  // commit.
  virtual void attach(PartitionId partition, Loop& loop) = 0;

  // Makes the batch durable, then calls `done` on the partition's loop, never before commit() has
  // returned. Batches of a partition become durable, and are answered, in the order of their
  // commits. After one failure (kStoreReadOnly, kIoError) every later commit to that partition
  // fails with kStoreReadOnly until the store is opened again: what is on the disk is then unknown.
  virtual void commit(PartitionId partition, Batch batch, Done done) = 0;

  // Reads see every batch whose `done` has been called, and none that failed; a batch still under
  // way may or may not be seen. kStoreCorrupt if a checksum does not fit.
  virtual Result<std::optional<Bytes>> get(PartitionId partition, std::string_view key) = 0;
  // Visits [begin, end) in order of the keys' bytes. An empty end means no end.
  virtual Status scan(PartitionId partition, std::string_view begin, std::string_view end,
                      const Visitor& visit) = 0;

  // The same of the partition's log.
  virtual Status scan_log(PartitionId partition, std::string_view begin, std::string_view end,
                          const Visitor& visit) = 0;
  struct Record {
    Bytes key;
    Bytes value;
  };
  // The log record with the greatest key, if there is any.
  virtual Result<std::optional<Record>> last_log_record(PartitionId partition) = 0;

  // Afterwards the store's files hold no record any more that was replaced or erased before the
  // call, as they otherwise may for long; logs are not looked at. It may take minutes, and waits.
  // kServiceUnavailable: there is no room to rewrite them, and nothing has changed. Any thread, one
  // at a time.
  virtual Status forget_replaced() = 0;

  // Whether the partition takes writes; the first failure if not. Any thread.
  virtual Status state(PartitionId partition) const = 0;

  // Whether there is room for more. False: a caller should commit only what cannot be refused, or
  // the disk becomes full and the store fails. It changes by itself. Any thread.
  virtual bool has_room() const = 0;
};

}  // namespace linarite::store
