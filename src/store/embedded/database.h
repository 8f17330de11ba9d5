// RocksDB behind plain types: its options, its keys and its statuses are known here, and in
// stray_files.h for files that are read without their database, and nowhere else. Stored keys and
// values have the form of format.h; callers see them without prefix and seal.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/logging.h"
#include "store/embedded/format.h"
#include "store/store.h"

namespace rocksdb {
class FileSystem;
}

namespace linarite::store {

enum class OpenMode {
  kCreate,    // Creates the database if it is missing.
  kExisting,  // A missing database is damage.
  kReadOnly,  // Replays the log in memory and writes nothing.
};

struct DatabaseOptions {
  std::string path;
  OpenMode mode = OpenMode::kExisting;
  // The log ends in a group that was never acknowledged; it is to be dropped. See log_inspection.h.
  bool torn_log = false;
  // With kReadOnly only: how much damage the open itself may meet. Reads fail where it is.
  enum class Tolerance : uint8_t {
    kNone,
    kTables,  // Tables may be damaged or missing; the manifest and the logs must be sound.
    kLogs,    // Parts of the logs too: what is damaged of them is left out.
  } tolerance = Tolerance::kNone;
  PartitionId partition_count = 0;
  size_t memtable_bytes = 0;
  // Called on any thread when flushing or compacting has failed; RocksDB then takes no more writes.
  std::function<void(Error)> on_background_error;
};

// What a statement about the whole database counted.
struct Contents {
  uint64_t record_count = 0;
  uint64_t byte_count = 0;  // Keys and values, as the callers see them.
};

// A table file of the database, as its manifest knows it.
struct Table {
  std::string name;    // "000012.sst"
  std::string family;  // kRecordsFamily, or that of a partition's log
  uint64_t size = 0;
};
inline constexpr const char* kRecordsFamily = "default";
std::string log_family(PartitionId partition);

// Reads: any thread. add(), set_sequence(), write(), flush(): one thread at a time.
class Database {
 public:
  // kStoreCorrupt if what is on the disk is damaged, else kIoError. Logs RocksDB's own warnings.
  static Result<std::unique_ptr<Database>> open(DatabaseOptions options,
                                                std::shared_ptr<rocksdb::FileSystem> file_system,
                                                Logger& logger);
  ~Database();

  // Collect one group of writes.
  void add(PartitionId partition, const Batch& batch);
  void set_sequence(PartitionId partition, uint64_t sequence);
  // Writes the group as one and forgets it; with `sync` it is durable when this returns success.
  Status write(bool sync);
  // Moves the memtable into a table file, so that the next open has no log to replay.
  Status flush();
  // Writes all records into new tables, without what was replaced or erased, and deletes the old
  // tables and logs before it returns. Any thread.
  Status rewrite_records();

  Result<std::optional<Bytes>> get(PartitionId partition, std::string_view key) const;
  Status scan(PartitionId partition, std::string_view begin, std::string_view end,
              const Store::Visitor& visit) const;
  Status scan_log(PartitionId partition, std::string_view begin, std::string_view end,
                  const Store::Visitor& visit) const;
  Result<std::optional<Store::Record>> last_log_record(PartitionId partition) const;
  // 0 for a partition that was never written.
  Result<uint64_t> sequence(PartitionId partition) const;
  // Reads everything there is and verifies every checksum, RocksDB's and ours. The first damage if
  // any.
  Result<Contents> verify(uint32_t partition_count) const;
  std::vector<Table> tables() const;

 private:
  enum class Space : uint8_t { kRecords, kLog };  // Of a partition.
  struct Rocks;
  Status scan_space(Space space, PartitionId partition, std::string_view begin,
                    std::string_view end, const Store::Visitor& visit) const;
  explicit Database(std::unique_ptr<Rocks> rocks);
  std::unique_ptr<Rocks> rocks_;
};

}  // namespace linarite::store
