#include "iofail/disk.h"

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string_view>

#include "iofail/faults.h"

namespace linarite::iofail {
namespace {

constexpr size_t kDescriptorsMax = 4096;
constexpr int kNoDescriptor = -1;
constexpr size_t kUnknown = SIZE_MAX;

// Nothing here may allocate: allocations are counted, too.
struct Watch {
  std::mutex mutex;
  std::array<char, 512> folder{};  // With a slash; empty until watch_folder().
  size_t folder_size = 0;
  std::array<size_t, kDescriptorsMax> files{};  // Of shared().files, by descriptor, plus one.
  int torn = 0;                                 // The descriptor whose next write fails.
  bool dead = false;
};
Watch watch;

template <class Function>
Function real(Function /*ours*/, const char* name) {
  return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}
// The definition that this program's hides.
#define REAL(name)                                  \
  ([] {                                             \
    static const auto found = real(&::name, #name); \
    return found;                                   \
  }())

// The name in the folder, or nothing of a path that is not there.
std::string_view inside(const char* path) {
  if (watch.folder_size == 0 || path == nullptr) return {};
  const std::string_view folder(watch.folder.data(), watch.folder_size);
  std::string_view whole(path);
  if (whole == folder.substr(0, folder.size() - 1)) return ".";
  if (!whole.starts_with(folder)) return {};
  whole.remove_prefix(folder.size());
  while (whole.starts_with('/')) whole.remove_prefix(1);
  return whole.empty() ? "." : whole;
}

FileKind kind_of(std::string_view name) {
  const std::string_view plain = name.substr(name.find_last_of('/') + 1);
  if (plain == "." || plain == "rocksdb") return FileKind::kFolder;
  if (plain.ends_with(".log")) return FileKind::kLog;
  if (plain.ends_with(".sst")) return FileKind::kTable;
  if (plain.starts_with("MANIFEST")) return FileKind::kManifest;
  if (plain == "CURRENT") return FileKind::kCurrent;
  if (plain.starts_with("OPTIONS")) return FileKind::kOptions;
  if (plain.starts_with("IDENTITY")) return FileKind::kIdentity;
  if (plain.ends_with(".dbtmp")) return FileKind::kCurrent;
  if (plain == "LOCK" || plain == "lock") return FileKind::kLocks;
  if (plain.starts_with("format")) return FileKind::kFormat;
  if (plain.starts_with("high_water")) return FileKind::kHighWater;
  if (plain == "sync_test") return FileKind::kSyncTest;
  return FileKind::kOther;
}

// --- What is known of the files. All under watch.mutex.

size_t find(std::string_view name) {
  Shared& all = shared();
  for (size_t i = 0; i < all.file_count; ++i) {
    if (name == all.files[i].name.data()) return i;
  }
  return kUnknown;
}

size_t find_or_add(std::string_view name) {
  const size_t found = find(name);
  Shared& all = shared();
  if (found != kUnknown || all.file_count == kFilesMax) return found;
  FileNote& note = all.files[all.file_count];
  note = {};
  std::copy_n(name.data(), std::min(name.size(), note.name.size() - 1), note.name.data());
  return all.file_count++;
}

// Of watch.files; nullptr for no descriptor of ours.
size_t* place_of(int descriptor) {
  const auto index = static_cast<size_t>(descriptor);
  return descriptor < 0 || index >= kDescriptorsMax ? nullptr : &watch.files[index];
}

FileNote* note_of(int descriptor) {
  const size_t* const file = place_of(descriptor);
  return file == nullptr || *file == 0 ? nullptr : &shared().files[*file - 1];
}

// --- The fault.

struct Verdict {
  int error = 0;
  bool half = false;
};

Verdict strike(const Fault& fault, int descriptor) {
  Shared& all = shared();
  all.hit_phase = all.phase;
  all.hit = true;
  switch (fault.how) {
    case How::kNoSpace:
      return {.error = ENOSPC};
    case How::kShort:
      return {.half = true};
    case How::kTorn:
      watch.torn = descriptor;
      return {.half = true};
    case How::kDead:
      watch.dead = true;
      return {.error = EIO};
    case How::kKill:
    case How::kLie:
      ::_exit(kKilled);
    default:
      return {.error = EIO};
  }
}

// Counts a call and says how it ends. Under watch.mutex.
Verdict step(Call call, FileKind kind, int descriptor = kNoDescriptor) {
  Shared& all = shared();
  const uint32_t count = ++all.counts[static_cast<size_t>(call)][static_cast<size_t>(kind)];
  const Fault& fault = all.fault;
  if (watch.dead) return {.error = EIO};
  if (call == Call::kWrite && watch.torn != 0 && watch.torn == descriptor) {
    watch.torn = 0;
    return {.error = EIO};
  }
  if (fault.how == How::kNothing) return {};
  if (fault.call != call || fault.file != kind || fault.ordinal != count) return {};
  return strike(fault, descriptor);
}

// Of a call on a path; true if it fails, with errno.
bool fails(Call call, const char* path) {
  const std::string_view name = inside(path);
  if (name.empty()) return false;
  const std::lock_guard lock(watch.mutex);
  const Verdict verdict = step(call, kind_of(name));
  if (verdict.error != 0) errno = verdict.error;
  return verdict.error != 0;
}

// Of a call on an open file.
bool fails(Call call, int descriptor) {
  if (watch.folder_size == 0) return false;
  const std::lock_guard lock(watch.mutex);
  const FileNote* const note = note_of(descriptor);
  if (note == nullptr) return false;
  const Verdict verdict = step(call, kind_of(note->name.data()), descriptor);
  if (verdict.error != 0) errno = verdict.error;
  return verdict.error != 0;
}

// Cuts `size` in half if the call is to be short; true if it fails.
bool fails_or_halves(Call call, int descriptor, size_t& size) {
  if (watch.folder_size == 0) return false;
  const std::lock_guard lock(watch.mutex);
  const FileNote* const note = note_of(descriptor);
  if (note == nullptr) return false;
  const Verdict verdict = step(call, kind_of(note->name.data()), descriptor);
  if (verdict.half && size > 1) size /= 2;
  if (verdict.error != 0) errno = verdict.error;
  return verdict.error != 0;
}

void opened(int descriptor, const char* path, int flags) {
  const std::string_view name = inside(path);
  if (descriptor < 0 || name.empty()) return;
  const std::lock_guard lock(watch.mutex);
  const size_t file = find_or_add(name);
  size_t* const place = place_of(descriptor);
  if (file == kUnknown || place == nullptr) return;
  FileNote& note = shared().files[file];
  if ((flags & O_TRUNC) != 0) {
    note.size = note.synced = 0;
    note.unsure = false;
  }
  *place = file + 1;
}

void closed(int descriptor) {
  if (size_t* const place = place_of(descriptor)) *place = 0;
}

void wrote(int descriptor, ssize_t size) {
  if (watch.folder_size == 0 || size <= 0) return;
  const std::lock_guard lock(watch.mutex);
  if (FileNote* const note = note_of(descriptor)) note->size += static_cast<uint64_t>(size);
}

// `done` is the real sync; what a failed one leaves in memory may be lost later without a word.
template <class Sync>
int sync(int descriptor, Sync done) {
  if (watch.folder_size == 0) return done(descriptor);
  const bool failed = fails(Call::kSync, descriptor);
  const int error = errno;
  const std::lock_guard lock(watch.mutex);
  FileNote* const note = note_of(descriptor);
  if (note == nullptr) return done(descriptor);
  if (failed) {
    note->unsure = true;
    errno = error;
    return -1;
  }
  if (shared().fault.how == How::kLie && kind_of(note->name.data()) == FileKind::kLog) return 0;
  if (!note->unsure) note->synced = note->size;
  return 0;  // Nobody cuts the real power.
}

}  // namespace

void watch_folder(const std::string& path) {
  const std::string folder = path + "/";
  std::copy_n(folder.data(), folder.size(), watch.folder.data());
  watch.folder_size = folder.size();
}

void cut_power(const std::string& path) {
  const Shared& all = shared();
  for (size_t i = 0; i < all.file_count; ++i) {
    const FileNote& note = all.files[i];
    if (note.name.front() == '\0' || note.size <= note.synced) continue;
    const std::string file = path + "/" + note.name.data();
    if (::truncate(file.c_str(), static_cast<off_t>(note.synced)) != 0) std::abort();
  }
}

}  // namespace linarite::iofail

// --- The C library's names.
// -----------------------------------------------------------------------

// Of a file that is created; else there is none.
static mode_t mode_of(int flags, va_list more) {
  return (flags & O_CREAT) != 0 ? va_arg(more, mode_t) : 0;
}

using namespace linarite::iofail;  // NOLINT: the names of the file above.

extern "C" {

int open(const char* path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const mode_t mode = mode_of(flags, more);
  va_end(more);
  if (fails(Call::kOpen, path)) return -1;
  const int descriptor = REAL(open)(path, flags, mode);
  opened(descriptor, path, flags);
  return descriptor;
}

int openat(int folder, const char* path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const mode_t mode = mode_of(flags, more);
  va_end(more);
  if (fails(Call::kOpen, path)) return -1;
  const int descriptor = REAL(openat)(folder, path, flags, mode);
  opened(descriptor, path, flags);
  return descriptor;
}

FILE* fopen(const char* path, const char* mode) {
  if (fails(Call::kOpen, path)) return nullptr;
  FILE* const file = REAL(fopen)(path, mode);
  if (file != nullptr) opened(::fileno(file), path, *mode == 'w' ? O_TRUNC : 0);
  return file;
}

int close(int descriptor) {
  const bool failed = fails(Call::kClose, descriptor);
  const int error = errno;
  closed(descriptor);
  const int done = REAL(close)(descriptor);
  if (!failed) return done;
  errno = error;
  return -1;
}

int fclose(FILE* file) {
  const int descriptor = ::fileno(file);
  const bool failed = fails(Call::kClose, descriptor);
  const int error = errno;
  closed(descriptor);
  const int done = REAL(fclose)(file);
  if (!failed) return done;
  errno = error;
  return EOF;
}

ssize_t read(int descriptor, void* bytes, size_t size) {
  if (fails_or_halves(Call::kRead, descriptor, size)) return -1;
  return REAL(read)(descriptor, bytes, size);
}

ssize_t pread(int descriptor, void* bytes, size_t size, off_t at) {
  if (fails_or_halves(Call::kRead, descriptor, size)) return -1;
  return REAL(pread)(descriptor, bytes, size, at);
}

// The C library hands fewer out only at the end or with an error.
size_t fread_unlocked(void* bytes, size_t each, size_t count, FILE* file) {
  if (fails(Call::kRead, ::fileno(file))) return 0;
  return REAL(fread_unlocked)(bytes, each, count, file);
}

ssize_t write(int descriptor, const void* bytes, size_t size) {
  if (fails_or_halves(Call::kWrite, descriptor, size)) return -1;
  const ssize_t done = REAL(write)(descriptor, bytes, size);
  wrote(descriptor, done);
  return done;
}

ssize_t pwrite(int descriptor, const void* bytes, size_t size, off_t at) {
  if (fails_or_halves(Call::kWrite, descriptor, size)) return -1;
  const ssize_t done = REAL(pwrite)(descriptor, bytes, size, at);
  wrote(descriptor, done);
  return done;
}

int fsync(int descriptor) { return sync(descriptor, REAL(fsync)); }
int fdatasync(int descriptor) { return sync(descriptor, REAL(fdatasync)); }

int sync_file_range(int descriptor, off_t at, off_t size, unsigned flags) {
  // Without flags it does nothing: RocksDB asks whether there is such a call.
  if (flags != 0 && fails(Call::kSyncRange, descriptor)) return -1;
  return REAL(sync_file_range)(descriptor, at, size, flags);
}

int ftruncate(int descriptor, off_t size) {
  if (fails(Call::kTruncate, descriptor)) return -1;
  return REAL(ftruncate)(descriptor, size);
}

int fallocate(int descriptor, int mode, off_t at, off_t size) {
  if (fails(Call::kAllocate, descriptor)) return -1;
  return REAL(fallocate)(descriptor, mode, at, size);
}

int posix_fallocate(int descriptor, off_t at, off_t size) {
  if (fails(Call::kAllocate, descriptor)) return errno;
  return REAL(posix_fallocate)(descriptor, at, size);
}

int rename(const char* from, const char* to) {
  if (fails(Call::kRename, to)) return -1;
  const int done = REAL(rename)(from, to);
  if (done != 0 || inside(to).empty()) return done;
  const std::lock_guard lock(watch.mutex);
  const size_t moved = find_or_add(inside(from));
  const size_t replaced = find(inside(to));
  if (replaced != kUnknown) shared().files[replaced].name.front() = '\0';
  if (moved == kUnknown) return done;
  auto& name = shared().files[moved].name;
  name = {};
  std::ranges::copy(inside(to).substr(0, name.size() - 1), name.begin());
  return done;
}

int unlink(const char* path) {
  if (fails(Call::kUnlink, path)) return -1;
  const int done = REAL(unlink)(path);
  if (done != 0 || inside(path).empty()) return done;
  const std::lock_guard lock(watch.mutex);
  const size_t file = find(inside(path));
  if (file != kUnknown) shared().files[file].name.front() = '\0';
  return done;
}

int mkdir(const char* path, mode_t mode) {
  return fails(Call::kMakeDirectory, path) ? -1 : REAL(mkdir)(path, mode);
}
DIR* opendir(const char* path) { return fails(Call::kList, path) ? nullptr : REAL(opendir)(path); }
int access(const char* path, int mode) {
  return fails(Call::kStat, path) ? -1 : REAL(access)(path, mode);
}
int stat(const char* path, struct stat* into) noexcept {
  return fails(Call::kStat, path) ? -1 : REAL(stat)(path, into);
}
int fstat(int descriptor, struct stat* into) noexcept {
  return fails(Call::kStat, descriptor) ? -1 : REAL(fstat)(descriptor, into);
}
int statvfs(const char* path, struct statvfs* into) {
  return fails(Call::kSpace, path) ? -1 : REAL(statvfs)(path, into);
}
int chmod(const char* path, mode_t mode) {
  return fails(Call::kChangeMode, path) ? -1 : REAL(chmod)(path, mode);
}
int flock(int descriptor, int how) {
  return fails(Call::kLock, descriptor) ? -1 : REAL(flock)(descriptor, how);
}

int fcntl(int descriptor, int command, ...) {
  va_list more;
  va_start(more, command);
  void* const argument = va_arg(more, void*);
  va_end(more);
  if (command == F_SETLK && fails(Call::kLock, descriptor)) return -1;
  return REAL(fcntl)(descriptor, command, argument);
}

void* mmap(void* at, size_t size, int protection, int flags, int descriptor, off_t offset) {
  if (descriptor >= 0 && fails(Call::kMap, descriptor)) return MAP_FAILED;
  return REAL(mmap)(at, size, protection, flags, descriptor, offset);
}

}  // extern "C"
