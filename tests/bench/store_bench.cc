// What a durable record costs: a queue on an embedded store. Each message is put by one commit and,
// some messages later, erased by another, as a device queue does (enqueue, complete). A fixed
// number of commits waits for its answer at any time. After each case the process dies without
// closing the store, and the next one measures the recovery.
//
//   store_bench DIRECTORY        on the disk that matters; the directory is created and removed
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/clock.h"
#include "base/logging.h"
#include "base/manual_loop.h"
#include "store/embedded/embedded_store.h"

namespace linarite::store {
namespace {

constexpr uint32_t kPartitions = 4;
constexpr uint64_t kQueued = 1000;  // Messages of a partition between being put and being erased.

struct Settings {
  std::string path;
  uint64_t messages = 200'000;
  size_t value_bytes = 128;
  size_t memtable_mib = 16;
  std::vector<uint64_t> under_way{1, 16, 256, 4096};
  bool unsafe_no_sync = false;
};

EmbeddedOptions options_of(const Settings& settings) {
  return {.path = settings.path,
          .partition_count = kPartitions,
          .memtable_bytes = settings.memtable_mib << 20U,
          .unsafe_no_sync = settings.unsafe_no_sync};
}

int64_t cpu_us(const timeval& time) { return time.tv_sec * 1'000'000 + time.tv_usec; }

uint64_t bytes_to_disk() {
  std::ifstream in("/proc/self/io");
  std::string name;
  uint64_t value = 0;
  while (in >> name >> value) {
    if (name == "write_bytes:") return value;
  }
  return 0;
}

class Queue {
 public:
  Queue(const Settings& settings, uint64_t under_way, EmbeddedStore& store)
      : value_(settings.value_bytes, 'v'),
        // With one commit at a time each waits for a sync of its own; fewer give the same picture.
        commits_(std::min(2 * settings.messages, 2000 * under_way)),
        under_way_(under_way),
        store_(store) {
    for (PartitionId partition = 0; partition < kPartitions; ++partition)
      store.attach(partition, loop_);
    latencies_.reserve(commits_);
  }

  void run() {
    const uint64_t written = bytes_to_disk();
    const Instant start = system_.now();
    while (started_ < std::min(under_way_, commits_)) commit_next();
    while (latencies_.size() < commits_) {
      if (loop_.run_one()) {
        ++groups_;
      } else {
        loop_.wait_for_task();
      }
    }
    const double seconds = std::chrono::duration<double>(system_.now() - start).count();
    report(seconds, bytes_to_disk() - written);
  }

 private:
  // As the hub names a queued message: its kind, and its number within the partition.
  static Bytes key(uint64_t n) {
    Bytes key("m");
    ByteWriter(key).number(n / kPartitions);
    return key;
  }

  // Commits alternate: put message n, erase message n - kQueued.
  void commit_next() {
    const uint64_t n = started_++ / 2;
    const auto partition = static_cast<PartitionId>(n % kPartitions);
    Batch batch;
    if (started_ % 2 == 1) {
      batch.put(key(n), value_);
    } else {
      const uint64_t old = n >= kQueued * kPartitions ? n - kQueued * kPartitions : n;
      batch.erase(key(old));
    }
    store_.commit(partition, std::move(batch), [this, at = system_.now()](const Status& status) {
      CHECK(status);
      latencies_.push_back(system_.now() - at);
      if (started_ < commits_) commit_next();
    });
  }

  void report(double seconds, uint64_t written) {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    std::ranges::sort(latencies_);
    const auto count = static_cast<double>(commits_);
    const auto at = [&](double share) {
      return static_cast<double>(latencies_[static_cast<size_t>(share * (count - 1))].count()) /
             1000;
    };
    const double logical = count / 2 * static_cast<double>(value_.size() + 36);
    fmt::print("{:>9} {:>10.0f} {:>8.1f} {:>8.2f} {:>8.2f} {:>8.2f} {:>8.2f} {:>8.1f}", under_way_,
               count / seconds, count / static_cast<double>(groups_),
               static_cast<double>(cpu_us(usage.ru_utime)) / count,
               static_cast<double>(cpu_us(usage.ru_stime)) / count, at(0.5), at(0.99),
               static_cast<double>(written) / logical);
    std::fflush(stdout);
  }

  const std::string value_;
  const uint64_t commits_;
  const uint64_t under_way_;
  EmbeddedStore& store_;
  const SystemClock system_;
  ManualClock clock_{WallTime{}};
  ManualLoop loop_{clock_};
  uint64_t started_ = 0;
  uint64_t groups_ = 0;  // Each group is one task of the loop.
  std::vector<Duration> latencies_;
};

// Runs one case and dies, leaving the store as a crash would.
[[noreturn]] void run_case(const Settings& settings, uint64_t under_way) {
  const SystemClock clock;
  Logger logger(LogLevel::kError, LogFormat::kLogfmt);
  auto store = EmbeddedStore::open(options_of(settings), clock, logger);
  if (!store) {
    fmt::print(stderr, "{}\n", store.error().message);
    std::_Exit(1);
  }
  Queue(settings, under_way, **store).run();
  std::_Exit(0);
}

[[noreturn]] void run_recovery(const Settings& settings) {
  const SystemClock clock;
  Logger logger(LogLevel::kError, LogFormat::kLogfmt);
  const Instant start = clock.now();
  const auto store = EmbeddedStore::open(options_of(settings), clock, logger);
  const auto passed = std::chrono::duration<double>(clock.now() - start);
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const int64_t cpu = cpu_us(usage.ru_utime) + cpu_us(usage.ru_stime);
  fmt::print(" {:>9.0f} {:>9.0f}\n", passed.count() * 1000, static_cast<double>(cpu) / 1000);
  std::fflush(stdout);
  std::_Exit(store ? 0 : 1);
}

// In processes of their own: RocksDB's threads do not survive a fork, so this one must never have
// any.
bool measure(const Settings& settings, uint64_t under_way) {
  for (const bool recovery : {false, true}) {
    const pid_t child = ::fork();
    if (child == 0 && recovery) run_recovery(settings);
    if (child == 0) run_case(settings, under_way);
    int status = -1;
    if (::waitpid(child, &status, 0) != child || status != 0) return false;
  }
  return true;
}

int run_all(const Settings& settings) {
  if (std::filesystem::exists(settings.path)) {
    fmt::print(stderr, "{} exists already\n", settings.path);
    return 2;
  }
  fmt::print("{}-byte values, {} MiB memtable, {}\n", settings.value_bytes, settings.memtable_mib,
             settings.unsafe_no_sync ? "NO SYNC" : "synced");
  fmt::print("{:>9} {:>10} {:>8} {:>8} {:>8} {:>8} {:>8} {:>9} {:>9}\n", "under way", "commits/s",
             "group", "user us", "sys us", "p50 ms", "p99 ms", "written", "reopen ms", "cpu ms");
  std::fflush(stdout);
  bool good = true;
  for (const uint64_t under_way : settings.under_way) {
    good = good && measure(settings, under_way);
    std::error_code ignored;
    std::filesystem::remove_all(settings.path, ignored);
  }
  return good ? 0 : 1;
}

}  // namespace
}  // namespace linarite::store

int main(int argc, char** argv) {
  linarite::store::Settings settings;
  CLI::App app("Measures durable commits of an embedded store.");
  app.add_option("directory", settings.path, "New directory on the disk to measure")->required();
  app.add_option("--messages", settings.messages, "Messages per case; each is two commits");
  app.add_option("--value", settings.value_bytes, "Bytes of a value");
  app.add_option("--memtable", settings.memtable_mib, "MiB");
  app.add_option("--under-way", settings.under_way, "Commits waiting at a time, one case for each");
  app.add_flag("--unsafe-no-sync", settings.unsafe_no_sync,
               "Without syncing, to see what that costs");
  CLI11_PARSE(app, argc, argv);
  return linarite::store::run_all(settings);
}
