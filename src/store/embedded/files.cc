#include "store/embedded/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <mutex>
#include <system_error>
#include <utility>

#include "base/text.h"

namespace linarite::store {

// What is learnt from the calls of RocksDB.
struct FileNotes {
  std::mutex mutex;
  std::optional<ManifestMark> synced_manifest;  // Guarded by mutex.
  std::atomic<bool> log_refused{false};
  std::atomic<rocksdb::FileLock*> database_lock{nullptr};  // Owned by the database.
};

namespace {

using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

Status to_status(const IOStatus& status) {
  if (status.ok()) return {};
  return fail(ErrorCode::kIoError, status.ToString());
}

std::string system_text(int error) { return std::generic_category().message(error); }

// Notes how much of it is synced.
class ManifestFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  ManifestFile(std::unique_ptr<rocksdb::FSWritableFile> file, uint64_t number,
               std::shared_ptr<FileNotes> notes)
      : FSWritableFileOwnerWrapper(std::move(file)), number_(number), notes_(std::move(notes)) {}

  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
    return note(target()->GetFileSize(options, debug), target()->Sync(options, debug));
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    return note(target()->GetFileSize(options, debug), target()->Fsync(options, debug));
  }

 private:
  IOStatus note(uint64_t size, IOStatus synced) {
    if (synced.ok()) {
      const std::lock_guard lock(notes_->mutex);
      notes_->synced_manifest = {.number = number_, .size = size};
    }
    return synced;
  }
  const uint64_t number_;
  const std::shared_ptr<FileNotes> notes_;
};

// RocksDB creates files with mode 0644 and directories with 0755; the umask belongs to the process.
class PrivateFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  PrivateFileSystem(const std::shared_ptr<rocksdb::FileSystem>& base,
                    std::shared_ptr<FileNotes> notes)
      : FileSystemWrapper(base), notes_(std::move(notes)) {}
  const char* Name() const override { return "LinaritePrivate"; }

  IOStatus NewWritableFile(const std::string& path, const FileOptions& options,
                           std::unique_ptr<rocksdb::FSWritableFile>* file,
                           IODebugContext* debug) override {
    IOStatus made = close_off(path, 0600, target()->NewWritableFile(path, options, file, debug));
    const std::string_view name = std::string_view(path).substr(path.find_last_of('/') + 1);
    const auto number = manifest_number(name);
    if (made.ok() && number) {
      *file = std::make_unique<ManifestFile>(std::move(*file), *number, notes_);
    }
    if (!made.ok() && name.ends_with(".log")) notes_->log_refused = true;
    return made;
  }
  IOStatus ReopenWritableFile(const std::string& path, const FileOptions& options,
                              std::unique_ptr<rocksdb::FSWritableFile>* file,
                              IODebugContext* debug) override {
    return close_off(path, 0600, target()->ReopenWritableFile(path, options, file, debug));
  }
  IOStatus LockFile(const std::string& path, const IOOptions& options, rocksdb::FileLock** lock,
                    IODebugContext* debug) override {
    IOStatus taken = close_off(path, 0600, target()->LockFile(path, options, lock, debug));
    if (taken.ok()) notes_->database_lock = *lock;
    return taken;
  }
  IOStatus CreateDir(const std::string& path, const IOOptions& options,
                     IODebugContext* debug) override {
    return close_off(path, 0700, target()->CreateDir(path, options, debug));
  }

 private:
  static IOStatus close_off(const std::string& path, mode_t mode, IOStatus created) {
    if (!created.ok() || ::chmod(path.c_str(), mode) == 0) return created;
    return IOStatus::IOError("chmod " + path, system_text(errno));
  }
  const std::shared_ptr<FileNotes> notes_;
};

}  // namespace

Result<FileLock> FileLock::take(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (descriptor < 0)
    return fail(ErrorCode::kIoError, fmt::format("{}: {}", path, system_text(errno)));
  FileLock lock(descriptor);
  if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0) return lock;
  if (errno == EWOULDBLOCK) return fail(ErrorCode::kStoreInUse, path + " is locked");
  return fail(ErrorCode::kIoError, fmt::format("{}: {}", path, system_text(errno)));
}

FileLock::FileLock(FileLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

FileLock::~FileLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Files::Files(std::shared_ptr<rocksdb::FileSystem> base)
    : notes_(std::make_shared<FileNotes>()),
      file_system_(std::make_shared<PrivateFileSystem>(
          base != nullptr ? std::move(base) : rocksdb::FileSystem::Default(), notes_)) {}

Files::~Files() = default;
Files::Files(Files&&) noexcept = default;

std::optional<ManifestMark> Files::manifest() const {
  const std::lock_guard lock(notes_->mutex);
  return notes_->synced_manifest;
}

bool Files::log_refused() const { return notes_->log_refused; }

void Files::unlock_database() {
  rocksdb::FileLock* const lock = notes_->database_lock.exchange(nullptr);
  if (lock == nullptr) return;
  file_system_->UnlockFile(lock, IOOptions(), nullptr).PermitUncheckedError();
}

std::optional<uint64_t> manifest_number(std::string_view name) {
  constexpr std::string_view kPrefix = "MANIFEST-";
  if (!name.starts_with(kPrefix)) return std::nullopt;
  return whole_number<uint64_t>(name.substr(kPrefix.size()));
}

Result<bool> Files::exists(const std::string& path) const {
  const IOStatus status = file_system_->FileExists(path, IOOptions(), nullptr);
  if (status.IsNotFound()) return false;
  if (!status.ok()) return std::unexpected(to_status(status).error());
  return true;
}

Result<std::vector<std::string>> Files::children(const std::string& path) const {
  std::vector<std::string> names;
  const IOStatus status = file_system_->GetChildren(path, IOOptions(), &names, nullptr);
  if (!status.ok()) return std::unexpected(to_status(status).error());
  std::erase_if(names, [](const std::string& name) { return name == "." || name == ".."; });
  return names;
}

Status Files::make_directory(const std::string& path) {
  const auto there = exists(path);
  if (!there) return std::unexpected(there.error());
  if (*there) return {};
  if (Status made = to_status(file_system_->CreateDir(path, IOOptions(), nullptr)); !made)
    return made;
  const size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return sync_directory(".");
  return sync_directory(slash == 0 ? "/" : path.substr(0, slash));
}

Result<std::optional<Bytes>> Files::read(const std::string& path, size_t size_max) const {
  std::unique_ptr<rocksdb::FSSequentialFile> file;
  const IOStatus opened = file_system_->NewSequentialFile(path, FileOptions(), &file, nullptr);
  if (opened.IsPathNotFound()) return std::nullopt;
  if (!opened.ok()) return std::unexpected(to_status(opened).error());
  Bytes space(size_max, '\0');
  rocksdb::Slice content;
  const IOStatus status = file->Read(size_max, IOOptions(), &content, space.data(), nullptr);
  if (!status.ok()) return std::unexpected(to_status(status).error());
  return Bytes(content.data(), content.size());
}

Status Files::read_blocks(const std::string& path, size_t block_size,
                          const std::function<void(ByteView)>& visit) const {
  std::unique_ptr<rocksdb::FSSequentialFile> file;
  IOStatus status = file_system_->NewSequentialFile(path, FileOptions(), &file, nullptr);
  Bytes space(block_size, '\0');
  while (status.ok()) {
    rocksdb::Slice content;
    status = file->Read(block_size, IOOptions(), &content, space.data(), nullptr);
    if (!status.ok() || content.empty()) break;
    visit(ByteView(content.data(), content.size()));
    if (content.size() < block_size) break;
  }
  return to_status(status);
}

Result<uint64_t> Files::free_bytes(const std::string& directory) const {
  uint64_t free = 0;
  const Status asked =
      to_status(file_system_->GetFreeSpace(directory, IOOptions(), &free, nullptr));
  if (!asked) return std::unexpected(asked.error());
  return free;
}

Status Files::write_synced(const std::string& path, ByteView bytes) {
  std::unique_ptr<rocksdb::FSWritableFile> file;
  IOStatus status = file_system_->NewWritableFile(path, FileOptions(), &file, nullptr);
  if (status.ok()) {
    status = file->Append(rocksdb::Slice(bytes.data(), bytes.size()), IOOptions(), nullptr);
  }
  if (status.ok()) status = file->Fsync(IOOptions(), nullptr);
  if (status.ok()) status = file->Close(IOOptions(), nullptr);
  return to_status(status);
}

Status Files::sync_directory(const std::string& path) {
  std::unique_ptr<rocksdb::FSDirectory> directory;
  IOStatus status = file_system_->NewDirectory(path, IOOptions(), &directory, nullptr);
  if (status.ok()) status = directory->Fsync(IOOptions(), nullptr);
  return to_status(status);
}

Status Files::replace(const std::string& directory, const std::string& name, ByteView bytes) {
  const std::string path = directory + "/" + name;
  const std::string fresh = path + ".new";
  if (Status written = write_synced(fresh, bytes); !written) return written;
  const IOStatus renamed = file_system_->RenameFile(fresh, path, IOOptions(), nullptr);
  if (!renamed.ok()) return to_status(renamed);
  return sync_directory(directory);
}

Result<Duration> Files::measure_sync(const std::string& directory, const Clock& clock) {
  constexpr int kTries = 3;
  const std::string path = directory + "/sync_test";
  std::unique_ptr<rocksdb::FSWritableFile> file;
  IOStatus status = file_system_->NewWritableFile(path, FileOptions(), &file, nullptr);
  Duration quickest = Duration::max();
  for (int i = 0; i < kTries && status.ok(); ++i) {
    status = file->Append(rocksdb::Slice(Bytes(512, 'x')), IOOptions(), nullptr);
    const Instant start = clock.now();
    if (status.ok()) status = file->Sync(IOOptions(), nullptr);
    quickest = std::min(quickest, clock.now() - start);
  }
  if (status.ok()) status = file->Close(IOOptions(), nullptr);
  if (status.ok()) status = file_system_->DeleteFile(path, IOOptions(), nullptr);
  if (!status.ok()) return std::unexpected(to_status(status).error());
  return quickest;
}

}  // namespace linarite::store
