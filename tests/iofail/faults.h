// What may go wrong in a trial, and what all processes of a trial know of it: the memory that the
// trial's processes share, so that it outlives one that ends in the middle.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "iofail/promises.h"

namespace linarite::iofail {

// The operating system's calls on the store's folder, by what they do: kOpen is open, openat and
// fopen; kRead is read, pread and fread; kSync is fsync and fdatasync; kStat is stat, fstat and
// access.
enum class Call : uint8_t {
  kOpen,
  kClose,
  kRead,
  kWrite,
  kSync,
  kSyncRange,
  kTruncate,
  kAllocate,
  kRename,
  kUnlink,
  kMakeDirectory,
  kList,
  kStat,
  kSpace,
  kChangeMode,
  kLock,
  kMap,
  kCount,
};
inline constexpr size_t kCalls = static_cast<size_t>(Call::kCount);

enum class FileKind : uint8_t {
  kLog,
  kTable,
  kManifest,
  kCurrent,  // With the file that replaces it.
  kOptions,
  kIdentity,
  kLocks,
  kFormat,
  kHighWater,
  kSyncTest,
  kFolder,
  kOther,
  kCount,
};
inline constexpr size_t kFileKinds = static_cast<size_t>(FileKind::kCount);

enum class How : uint8_t {
  kNothing,
  kInputOutput,  // The call fails with EIO, once.
  kNoSpace,      // With ENOSPC, once.
  kShort,        // Half of it is read or written, which is no error.
  kTorn,         // Half of it is written, and the next write of the file fails with EIO.
  kDead,         // This call and all later ones fail with EIO.
  kKill,         // The process ends in this call, before it did anything.
  kLie,          // The same, and every sync of a log until then was a lie: the control.
  kCount,
};

std::string_view name_of(Call call);
std::string_view name_of(FileKind kind);
std::string_view name_of(How how);

inline constexpr int kKilled = 9;  // The exit code.

// The `ordinal`th call of its kind on files of its kind, from 1.
struct Fault {
  How how = How::kNothing;
  Call call = Call::kOpen;
  FileKind file = FileKind::kOther;
  uint32_t ordinal = 0;
};
// Whether such a call can end so.
bool possible(How how, Call call, FileKind file);
std::string text_of(const Fault& fault);

// How much of a file is there, and how much of it a power cut leaves.
struct FileNote {
  std::array<char, 64> name{};  // In the folder; empty if it was removed.
  uint64_t size = 0;
  uint64_t synced = 0;
  bool unsure = false;  // A sync of it failed: later ones prove nothing.
};
inline constexpr size_t kFilesMax = 4096;

using Counts = std::array<std::array<uint32_t, kFileKinds>, kCalls>;

// Where in its work the process was, for the report.
enum class Phase : uint8_t { kOpening, kWorking, kClosing };

// The places that allocate, each by a number made of its call stack.
inline constexpr size_t kPlacesMax = size_t{1} << 16U;

struct Shared {
  Fault fault;
  uint64_t failing_allocation = 0;  // From 1; 0 is none.
  uint64_t failing_place = 0;       // The first allocation there; 0 is none.
  bool collect_places = false;
  std::array<std::atomic<uint64_t>, kPlacesMax> places{};  // 0 is free.
  std::atomic<bool> hit{false};
  std::atomic<Phase> phase{Phase::kOpening};
  Phase hit_phase = Phase::kOpening;
  Counts counts{};
  std::atomic<uint64_t> allocations{0};
  std::array<FileNote, kFilesMax> files;
  size_t file_count = 0;
  Promises promises;
};

// The one of this process and those that it forks. Null before it is made.
Shared& shared();
void make_shared_memory();
// Forgets the last trial.
void reset_shared_memory();

}  // namespace linarite::iofail
