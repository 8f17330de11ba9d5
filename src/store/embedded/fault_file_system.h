// A rocksdb::FileSystem for tests: counts file operations, fails chosen ones, and forgets what was
// not synced. A failed sync drops the unsynced bytes of its file, as Linux does with dirty pages.
#pragma once

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <condition_variable>
#include <filesystem>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace linarite::store {

class FaultFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  FaultFileSystem() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "Fault"; }

  // Operation number `at`, counted from now on and starting with 1, fails; so do all later ones if
  // `for_good`. Opening, writing, syncing, closing, renaming, reading and looking what is there are
  // operations.
  void fail_at(uint64_t at, bool for_good, rocksdb::IOStatus with) {
    const std::lock_guard lock(mutex_);
    count_ = 0;
    fail_from_ = at;
    fail_to_ = for_good ? std::numeric_limits<uint64_t>::max() : at;
    failure_ = std::move(with);
  }
  // The next sync of RocksDB's log, as opposed to its tables and our own files.
  void fail_next_log_sync(rocksdb::IOStatus with) {
    const std::lock_guard lock(mutex_);
    next_log_sync_ = std::move(with);
  }
  // The next creation of a log of RocksDB.
  void fail_next_log(rocksdb::IOStatus with) {
    const std::lock_guard lock(mutex_);
    next_log_ = std::move(with);
  }
  // Syncs of RocksDB's log wait until they are let go.
  void hold_log_syncs(bool hold) {
    const std::lock_guard lock(mutex_);
    hold_log_syncs_ = hold;
    let_go_.notify_all();
  }
  // What the disk says is free; nothing stands for the truth.
  void set_free_space(std::optional<uint64_t> bytes) {
    const std::lock_guard lock(mutex_);
    free_space_ = bytes;
  }
  rocksdb::IOStatus GetFreeSpace(const std::string& path, const rocksdb::IOOptions& options,
                                 uint64_t* free, rocksdb::IODebugContext* debug) override {
    const std::lock_guard lock(mutex_);
    if (!free_space_) return target()->GetFreeSpace(path, options, free, debug);
    *free = *free_space_;
    return rocksdb::IOStatus::OK();
  }
  void heal() { fail_at(0, false, rocksdb::IOStatus::OK()); }
  uint64_t operation_count() const {
    const std::lock_guard lock(mutex_);
    return count_;
  }
  // Cuts every file that was written through this file system back to its last sync. All must be
  // closed.
  void drop_unsynced() {
    const std::lock_guard lock(mutex_);
    for (const auto& [path, size] : synced_) {
      if (std::filesystem::exists(path) && std::filesystem::file_size(path) > size) {
        std::filesystem::resize_file(path, size);
      }
    }
  }

  // Counts one operation and says whether it may go on.
  rocksdb::IOStatus step() {
    const std::lock_guard lock(mutex_);
    ++count_;
    if (count_ < fail_from_ || count_ > fail_to_) return rocksdb::IOStatus::OK();
    return failure_;
  }
  template <class Sync>
  rocksdb::IOStatus sync(const std::string& path, uint64_t size, Sync real_sync) {
    rocksdb::IOStatus status = step();
    std::unique_lock lock(mutex_);
    let_go_.wait(lock, [&] { return !hold_log_syncs_ || !path.ends_with(".log"); });
    if (status.ok() && path.ends_with(".log")) {
      status = std::exchange(next_log_sync_, rocksdb::IOStatus::OK());
    }
    if (status.ok()) status = real_sync();
    if (status.ok()) {
      synced_[path] = size;
    } else {
      std::error_code ignored;
      std::filesystem::resize_file(path, synced_[path], ignored);
    }
    return status;
  }

  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewSequentialFile(const std::string& path, const rocksdb::FileOptions& options,
                                      std::unique_ptr<rocksdb::FSSequentialFile>* file,
                                      rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewRandomAccessFile(const std::string& path,
                                        const rocksdb::FileOptions& options,
                                        std::unique_ptr<rocksdb::FSRandomAccessFile>* file,
                                        rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewDirectory(const std::string& path, const rocksdb::IOOptions& options,
                                 std::unique_ptr<rocksdb::FSDirectory>* directory,
                                 rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus FileExists(const std::string& path, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override {
    const rocksdb::IOStatus status = step();
    return status.ok() ? target()->FileExists(path, options, debug) : status;
  }
  rocksdb::IOStatus GetChildren(const std::string& path, const rocksdb::IOOptions& options,
                                std::vector<std::string>* names,
                                rocksdb::IODebugContext* debug) override {
    const rocksdb::IOStatus status = step();
    return status.ok() ? target()->GetChildren(path, options, names, debug) : status;
  }
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                               const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override {
    rocksdb::IOStatus status = step();
    if (status.ok()) status = target()->RenameFile(from, to, options, debug);
    if (!status.ok()) return status;
    const std::lock_guard lock(mutex_);
    if (const auto found = synced_.extract(from)) synced_[to] = found.mapped();
    return status;
  }
  rocksdb::IOStatus DeleteFile(const std::string& path, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override {
    rocksdb::IOStatus status = step();
    if (status.ok()) status = target()->DeleteFile(path, options, debug);
    const std::lock_guard lock(mutex_);
    if (status.ok()) synced_.erase(path);
    return status;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable let_go_;
  // All guarded by mutex_.
  uint64_t count_ = 0;
  uint64_t fail_from_ = 0;
  uint64_t fail_to_ = 0;
  bool hold_log_syncs_ = false;
  std::optional<uint64_t> free_space_;
  rocksdb::IOStatus failure_;
  rocksdb::IOStatus next_log_sync_;
  rocksdb::IOStatus next_log_;
  std::map<std::string, uint64_t> synced_;  // How much of each file a power cut leaves.
};

class FaultWritableFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  FaultWritableFile(std::unique_ptr<rocksdb::FSWritableFile> file, std::string path,
                    FaultFileSystem& owner)
      : FSWritableFileOwnerWrapper(std::move(file)), path_(std::move(path)), owner_(owner) {}

  rocksdb::IOStatus Append(const rocksdb::Slice& bytes, const rocksdb::IOOptions& options,
                           rocksdb::IODebugContext* debug) override {
    rocksdb::IOStatus status = owner_.step();
    if (status.ok()) status = FSWritableFileOwnerWrapper::Append(bytes, options, debug);
    if (status.ok()) size_ += bytes.size();
    return status;
  }
  rocksdb::IOStatus Append(const rocksdb::Slice& bytes, const rocksdb::IOOptions& options,
                           const rocksdb::DataVerificationInfo&,
                           rocksdb::IODebugContext* debug) override {
    return Append(bytes, options, debug);
  }
  rocksdb::IOStatus Sync(const rocksdb::IOOptions& options,
                         rocksdb::IODebugContext* debug) override {
    return owner_.sync(path_, size_,
                       [&] { return FSWritableFileOwnerWrapper::Sync(options, debug); });
  }
  rocksdb::IOStatus Fsync(const rocksdb::IOOptions& options,
                          rocksdb::IODebugContext* debug) override {
    return owner_.sync(path_, size_,
                       [&] { return FSWritableFileOwnerWrapper::Fsync(options, debug); });
  }
  rocksdb::IOStatus Close(const rocksdb::IOOptions& options,
                          rocksdb::IODebugContext* debug) override {
    rocksdb::IOStatus status = owner_.step();
    const rocksdb::IOStatus closed = FSWritableFileOwnerWrapper::Close(options, debug);
    return status.ok() ? closed : status;
  }

  // Reserving space costs much time where the files are in memory, and is only an optimisation.
  rocksdb::IOStatus Allocate(uint64_t, uint64_t, const rocksdb::IOOptions&,
                             rocksdb::IODebugContext*) override {
    return rocksdb::IOStatus::OK();
  }

 private:
  const std::string path_;
  FaultFileSystem& owner_;
  uint64_t size_ = 0;
};

class FaultSequentialFile final : public rocksdb::FSSequentialFileOwnerWrapper {
 public:
  FaultSequentialFile(std::unique_ptr<rocksdb::FSSequentialFile> file, FaultFileSystem& owner)
      : FSSequentialFileOwnerWrapper(std::move(file)), owner_(owner) {}
  rocksdb::IOStatus Read(size_t size, const rocksdb::IOOptions& options, rocksdb::Slice* result,
                         char* scratch, rocksdb::IODebugContext* debug) override {
    rocksdb::IOStatus status = owner_.step();
    if (!status.ok()) return status;
    return FSSequentialFileOwnerWrapper::Read(size, options, result, scratch, debug);
  }

 private:
  FaultFileSystem& owner_;
};

class FaultRandomAccessFile final : public rocksdb::FSRandomAccessFileOwnerWrapper {
 public:
  FaultRandomAccessFile(std::unique_ptr<rocksdb::FSRandomAccessFile> file, FaultFileSystem& owner)
      : FSRandomAccessFileOwnerWrapper(std::move(file)), owner_(owner) {}
  rocksdb::IOStatus Read(uint64_t offset, size_t size, const rocksdb::IOOptions& options,
                         rocksdb::Slice* result, char* scratch,
                         rocksdb::IODebugContext* debug) const override {
    rocksdb::IOStatus status = owner_.step();
    if (!status.ok()) return status;
    return FSRandomAccessFileOwnerWrapper::Read(offset, size, options, result, scratch, debug);
  }

 private:
  FaultFileSystem& owner_;
};

class FaultDirectory final : public rocksdb::FSDirectoryWrapper {
 public:
  FaultDirectory(std::unique_ptr<rocksdb::FSDirectory> directory, FaultFileSystem& owner)
      : FSDirectoryWrapper(std::move(directory)), owner_(owner) {}
  rocksdb::IOStatus Fsync(const rocksdb::IOOptions& options,
                          rocksdb::IODebugContext* debug) override {
    rocksdb::IOStatus status = owner_.step();
    return status.ok() ? FSDirectoryWrapper::Fsync(options, debug) : status;
  }
  rocksdb::IOStatus FsyncWithDirOptions(const rocksdb::IOOptions& options,
                                        rocksdb::IODebugContext* debug,
                                        const rocksdb::DirFsyncOptions& how) override {
    rocksdb::IOStatus status = owner_.step();
    return status.ok() ? FSDirectoryWrapper::FsyncWithDirOptions(options, debug, how) : status;
  }

 private:
  FaultFileSystem& owner_;
};

inline rocksdb::IOStatus FaultFileSystem::NewWritableFile(
    const std::string& path, const rocksdb::FileOptions& options,
    std::unique_ptr<rocksdb::FSWritableFile>* file, rocksdb::IODebugContext* debug) {
  rocksdb::IOStatus status = step();
  if (status.ok() && path.ends_with(".log")) {
    const std::lock_guard lock(mutex_);
    status = std::exchange(next_log_, rocksdb::IOStatus::OK());
  }
  if (status.ok()) status = target()->NewWritableFile(path, options, file, debug);
  if (!status.ok()) return status;
  *file = std::make_unique<FaultWritableFile>(std::move(*file), path, *this);
  const std::lock_guard lock(mutex_);
  synced_[path] = 0;
  return status;
}

inline rocksdb::IOStatus FaultFileSystem::NewSequentialFile(
    const std::string& path, const rocksdb::FileOptions& options,
    std::unique_ptr<rocksdb::FSSequentialFile>* file, rocksdb::IODebugContext* debug) {
  rocksdb::IOStatus status = step();
  if (status.ok()) status = target()->NewSequentialFile(path, options, file, debug);
  if (status.ok()) *file = std::make_unique<FaultSequentialFile>(std::move(*file), *this);
  return status;
}

inline rocksdb::IOStatus FaultFileSystem::NewRandomAccessFile(
    const std::string& path, const rocksdb::FileOptions& options,
    std::unique_ptr<rocksdb::FSRandomAccessFile>* file, rocksdb::IODebugContext* debug) {
  rocksdb::IOStatus status = step();
  if (status.ok()) status = target()->NewRandomAccessFile(path, options, file, debug);
  if (status.ok()) *file = std::make_unique<FaultRandomAccessFile>(std::move(*file), *this);
  return status;
}

inline rocksdb::IOStatus FaultFileSystem::NewDirectory(
    const std::string& path, const rocksdb::IOOptions& options,
    std::unique_ptr<rocksdb::FSDirectory>* directory, rocksdb::IODebugContext* debug) {
  rocksdb::IOStatus status = step();
  if (status.ok()) status = target()->NewDirectory(path, options, directory, debug);
  if (status.ok()) *directory = std::make_unique<FaultDirectory>(std::move(*directory), *this);
  return status;
}

}  // namespace linarite::store
