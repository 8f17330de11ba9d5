// A store that nobody has open, to be looked at and read whatever state it is in. Nothing of it is
// changed but its lock file.
//
// Of a sound store this reads what EmbeddedStore would. Of a damaged one it says which files are
// damaged, and reads what is left. What is left of a partition's log are true records, some of them
// missing. What is left of its records may be old: a newer version, or the fact that one was
// erased, may have been in what is lost. Whoever reads them must ask records_certain().
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/logging.h"
#include "store/embedded/format.h"
#include "store/embedded/stray_files.h"
#include "store/store.h"

namespace linarite::store {

class Database;
class Files;
class FileLock;

struct Damage {
  std::string file;     // In the store's directory.
  std::string content;  // What lies in it.
  std::string what;     // What is wrong with it.
};

// One thread.
class ClosedStore {
 public:
  //   kStoreInUse    a process has the store open
  //   kStoreFormat   there is no store, an unknown version wrote it, or nothing tells any more how
  //                  many partitions it has
  //   kIoError       the operating system refused something
  static Result<std::unique_ptr<ClosedStore>> open(const std::string& path, Logger& logger);
  ~ClosedStore();

  uint32_t partition_count() const { return partition_count_; }
  // Empty: every checksum fits, and nothing that was acknowledged is missing.
  const std::vector<Damage>& damage() const { return damage_; }
  // Whether all records are there, and are the newest.
  bool records_certain() const { return records_certain_; }
  // Whether nothing of the partition's log can be missing.
  bool log_certain(PartitionId partition) const { return log_certain_[partition]; }

  // Visits [begin, end) of the partition's records in the order of their keys. An empty end means
  // no end. If they are not certain: each record that is found, once, in the newest version that is
  // left, unless it is known to be erased.
  Status scan(PartitionId partition, std::string_view begin, std::string_view end,
              const Store::Visitor& visit);
  // The same of the whole log.
  Status scan_log(PartitionId partition, const Store::Visitor& visit);

 private:
  struct Stray {
    std::string name;
    std::unique_ptr<StrayTable> table;
    std::string family;  // Empty: unknown.
  };

  ClosedStore(std::string path, Logger& logger);
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  void add_damage(std::string name, std::string content, std::string what) {
    damage_.push_back({std::move(name), std::move(content), std::move(what)});
  }

  // What open() does, in this order; only the first two if the store is sound.
  Status lock();
  Status open_sound();
  Status survey();
  Status read_own_files();
  Status read_logs();
  Status read_log(const std::string& name, bool newest);
  void open_database();
  void compare_with_mark();
  void read_tables();
  void read_table(const std::string& name, const std::string& family, std::optional<uint64_t> size);
  void doubt(const std::string& family);
  void doubt_everything();
  void read_through();

  Result<std::optional<Bytes>> newest(PartitionId partition, const Bytes& key,
                                      const std::optional<Bytes>& stray) const;

  const std::string path_;
  Logger& logger_;
  std::unique_ptr<Files> files_;
  std::unique_ptr<FileLock> lock_;
  uint32_t partition_count_ = 0;
  std::optional<HighWater> mark_;
  bool mark_damaged_ = false;
  bool torn_log_ = false;
  bool log_damaged_ = false;

  std::vector<Damage> damage_;
  bool records_certain_ = true;
  std::vector<bool> log_certain_;

  std::unique_ptr<Database> database_;  // Null if it can't be opened at all.
  std::vector<Stray> tables_;           // Of a damaged store only, the newest last.
  // What RocksDB's logs write, by stored key; nothing: erased. Of a damaged store only.
  std::map<Bytes, std::optional<Bytes>> written_records_;
  std::map<Bytes, std::optional<Bytes>> written_log_;
};

}  // namespace linarite::store
