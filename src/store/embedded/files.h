// The few file operations that the embedded store does besides RocksDB's, all of them through the
// same rocksdb::FileSystem, so that one fault injector reaches every operation of a store.
//
// Everything created is private to the user of the process: directories 0700, files 0600.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "base/time.h"
#include "store/embedded/format.h"

namespace rocksdb {
class FileSystem;
}

namespace linarite::store {

// Held until destroyed. The lock ends with the process, however it ends.
class FileLock {
 public:
  // kStoreInUse if another process, or this one, holds it. Creates the file if it is missing.
  static Result<FileLock> take(const std::string& path);
  ~FileLock();
  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&&) = delete;

 private:
  explicit FileLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

struct FileNotes;

// The number of "MANIFEST-000104", or nothing.
std::optional<uint64_t> manifest_number(std::string_view name);

// Failures are kIoError with the operating system's text. One thread at a time.
class Files {
 public:
  // Null stands for the machine's own file system.
  explicit Files(std::shared_ptr<rocksdb::FileSystem> base);
  ~Files();
  Files(Files&&) noexcept;

  Result<bool> exists(const std::string& path) const;
  // Names in a directory, without "." and "..".
  Result<std::vector<std::string>> children(const std::string& path) const;
  // Creates a directory in an existing one, durably; one that is there is left as it is.
  Status make_directory(const std::string& path);
  // The whole file, or nothing if there is none; at most `size_max` bytes are read.
  Result<std::optional<Bytes>> read(const std::string& path, size_t size_max) const;
  // The whole file in blocks of `block_size`, the last one possibly shorter.
  Status read_blocks(const std::string& path, size_t block_size,
                     const std::function<void(ByteView)>& visit) const;
  // Afterwards the file holds `bytes`, durably; whenever the power fails it holds these or the old
  // ones.
  Status replace(const std::string& directory, const std::string& name, ByteView bytes);
  // How long the quickest of a few small synced writes takes, with a file that is removed again.
  Result<Duration> measure_sync(const std::string& directory, const Clock& clock);

  // What this process may still write to the file system of the directory.
  Result<uint64_t> free_bytes(const std::string& directory) const;

  // RocksDB's manifest that was synced last through this, and how much of it. Any thread.
  std::optional<ManifestMark> manifest() const;

  // Whether a log of RocksDB could not be created: see Database::abandon(). Any thread.
  bool log_refused() const;
  // Gives back the lock of a database that will never be closed.
  void unlock_database();

  const std::shared_ptr<rocksdb::FileSystem>& file_system() const { return file_system_; }

 private:
  Status write_synced(const std::string& path, ByteView bytes);
  Status sync_directory(const std::string& path);
  std::shared_ptr<FileNotes> notes_;
  std::shared_ptr<rocksdb::FileSystem> file_system_;
};

}  // namespace linarite::store
