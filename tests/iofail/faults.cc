#include "iofail/faults.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <cstdlib>
#include <new>

namespace linarite::iofail {
namespace {

constexpr std::array<std::string_view, kCalls> kCallNames{
    "open",      "close",     "read",   "write",  "sync",  "sync_file_range",
    "ftruncate", "fallocate", "rename", "unlink", "mkdir", "opendir",
    "stat",      "statvfs",   "chmod",  "lock",   "mmap"};
constexpr std::array<std::string_view, kFileKinds> kFileNames{
    "log",   "table",  "MANIFEST",   "CURRENT",   "OPTIONS", "IDENTITY",
    "locks", "format", "high_water", "sync_test", "folder",  "other"};
constexpr std::array<std::string_view, static_cast<size_t>(How::kCount)> kHowNames{
    "nothing", "EIO", "ENOSPC", "short", "torn", "dead", "kill", "lie"};

Shared* the_shared = nullptr;

bool takes_space(Call call) {
  switch (call) {
    case Call::kOpen:
    case Call::kWrite:
    case Call::kSync:
    case Call::kAllocate:
    case Call::kRename:
    case Call::kMakeDirectory:
      return true;
    default:
      return false;
  }
}

}  // namespace

std::string_view name_of(Call call) { return kCallNames[static_cast<size_t>(call)]; }
std::string_view name_of(FileKind kind) { return kFileNames[static_cast<size_t>(kind)]; }
std::string_view name_of(How how) { return kHowNames[static_cast<size_t>(how)]; }

bool possible(How how, Call call, FileKind file) {
  switch (how) {
    case How::kInputOutput:
    case How::kDead:
    case How::kKill:
      return true;
    case How::kNoSpace:
      return takes_space(call);
    case How::kShort:
      return call == Call::kRead || call == Call::kWrite;
    case How::kTorn:
      return call == Call::kWrite;
    case How::kLie:
      return call == Call::kSync && file == FileKind::kLog;
    default:
      return false;
  }
}

std::string text_of(const Fault& fault) {
  return fmt::format("{} of {} {} of {}", name_of(fault.how), name_of(fault.call), fault.ordinal,
                     name_of(fault.file));
}

Shared& shared() { return *the_shared; }

void make_shared_memory() {
  void* const memory =
      ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) std::abort();
  the_shared = new (memory) Shared;
}

void reset_shared_memory() { the_shared = new (the_shared) Shared; }

}  // namespace linarite::iofail
