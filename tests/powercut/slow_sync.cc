// For the control run of the kills: under LD_PRELOAD of this library each sync takes as long as
// that of a slow disk, so that a server which acknowledges too early always has something in memory
// that it should not have acknowledged. Nothing is synced: a kill loses none of what was written.
#include <unistd.h>

namespace {

constexpr unsigned kSyncMicroseconds = 20'000;

int slow() {
  usleep(kSyncMicroseconds);
  return 0;
}

}  // namespace

extern "C" {

int fsync(int /*descriptor*/) { return slow(); }
int fdatasync(int /*descriptor*/) { return slow(); }

}  // extern "C"
