// Opening a store: the order in which its files are looked at, and what is refused.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "store/embedded/database.h"
#include "store/embedded/embedded_store.h"
#include "store/embedded/files.h"

namespace linarite::store {

inline constexpr const char* kFormatFile = "format";
inline constexpr const char* kHighWaterFile = "high_water";
inline constexpr const char* kLockFile = "lock";
inline constexpr const char* kDatabaseDirectory = "rocksdb";
inline constexpr std::string_view kLogSuffix = ".log";
inline constexpr std::string_view kTableSuffix = ".sst";

// The first failure of a store, after which it takes no more writes. Any thread.
class Health {
 public:
  explicit Health(Logger& logger) : logger_(logger) {}
  void fail(const Error& error);
  std::optional<Error> failure() const;
  // Says so in the log.
  void room_changed(bool room, uint64_t free_bytes, uint64_t reserved_bytes);

 private:
  Logger& logger_;
  mutable std::mutex mutex_;
  std::optional<Error> failure_;  // Guarded by mutex_.
};

// A store that holds its lock, has passed every check and has a fresh high-water mark. The members
// are destroyed last to first: the database is closed before the lock goes.
struct RecoveredStore {
  std::unique_ptr<Health> health;
  std::unique_ptr<FileLock> lock;
  std::unique_ptr<Files> files;
  std::unique_ptr<Database> database;
  HighWater sequences;
  Duration sync_duration{};
};

// What is wrong with RocksDB's manifest if it is shorter than the mark says; nothing if it is not.
// A manifest with another number is one that RocksDB was about to replace, or had just replaced.
std::optional<Error> short_manifest(const Files& files, const std::string& database,
                                    ByteView mark_text);

// See EmbeddedStore::open() for the errors.
Result<std::unique_ptr<RecoveredStore>> recover(const EmbeddedOptions& options, const Clock& clock,
                                                Logger& logger,
                                                std::shared_ptr<rocksdb::FileSystem> file_system);

}  // namespace linarite::store
