// Writes to an embedded store until the power is cut; tests/powercut/run cuts it. Each start first
// opens the store that the last cut left behind and compares it with the oracle, a file on another
// file system that names every acknowledged batch.
//
// Batch n of a partition, counted by the store's own sequence, puts record n and erases record n -
// 500, as a queue does: after any cut the partition must hold the records of its last 500 batches,
// no others, each with the content of the run that was acknowledged.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <cstdio>
#include <fstream>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/check.h"
#include "base/clock.h"
#include "base/logging.h"
#include "base/manual_loop.h"
#include "base/random.h"
#include "store/embedded/embedded_store.h"

namespace linarite::store {
namespace {

constexpr uint32_t kPartitions = 2;
constexpr uint64_t kKept = 500;
constexpr uint64_t kValueMax = 1500;
constexpr int kUnderWay = 64;                     // Commits of one partition at a time.
constexpr size_t kMemtable = size_t{512} << 10U;  // Small: tables and compactions in every run.
enum Exit { kDone = 0, kUsage = 2, kViolation = 3 };

struct Settings {
  std::string store;
  std::string oracle;
  uint64_t run = 0;
  bool verify_only = false;
  bool unsafe_no_sync = false;
};

std::string key_of(uint64_t n) { return fmt::format("record {:016x}", n); }

// Differs for each batch, and for the same batch in another run.
std::string value_of(PartitionId partition, uint64_t n, uint64_t run) {
  SeededRandom random((run << 40U) ^ (uint64_t{partition} << 36U) ^ n);
  std::string value = fmt::format("run {} ", run);
  return value + random.bytes(random.below(kValueMax));
}

// Which run wrote each acknowledged batch.
using Acknowledged = std::vector<std::unordered_map<uint64_t, uint64_t>>;

Acknowledged read_oracle(const std::string& path) {
  Acknowledged all(kPartitions);
  std::ifstream in(path);
  PartitionId partition = 0;
  uint64_t n = 0;
  uint64_t run = 0;
  while (in >> partition >> n >> run) {
    CHECK(partition < kPartitions);
    all[partition][n] = run;
  }
  return all;
}

[[noreturn]] void violation(const std::string& text) {
  fmt::print("VIOLATION {}\n", text);
  std::fflush(stdout);
  std::_Exit(kViolation);
}

void verify_partition(EmbeddedStore& store, PartitionId partition,
                      const std::unordered_map<uint64_t, uint64_t>& acknowledged) {
  const uint64_t last = store.sequence(partition);
  uint64_t last_acknowledged = 0;
  for (const auto& [n, run] : acknowledged) last_acknowledged = std::max(last_acknowledged, n);
  if (last < last_acknowledged) {
    violation(fmt::format("partition {} ends with batch {}, batch {} was acknowledged", partition,
                          last, last_acknowledged));
  }
  uint64_t expected = last > kKept ? last - kKept + 1 : 1;
  const Status read =
      store.scan(partition, "", "", [&](std::string_view key, std::string_view value) {
        if (key != key_of(expected)) {
          violation(fmt::format("partition {} has {} in the place of {}", partition, key,
                                key_of(expected)));
        }
        // An unacknowledged batch may have survived in the version of any run; its own text names
        // it.
        uint64_t run = 0;
        if (std::sscanf(value.data(), "run %lu ", &run) != 1 ||
            value != value_of(partition, expected, run)) {
          violation(fmt::format("partition {} {} has a wrong content", partition, key));
        }
        const auto promised = acknowledged.find(expected);
        if (promised != acknowledged.end() && promised->second != run) {
          violation(fmt::format("partition {} {} is of run {}, acknowledged was run {}", partition,
                                key, run, promised->second));
        }
        ++expected;
        return true;
      });
  if (!read) violation(read.error().message);
  if (expected != last + 1) {
    violation(fmt::format("partition {} ends with record {}, its sequence is {}", partition,
                          expected - 1, last));
  }
}

class Writer {
 public:
  Writer(const Settings& settings, EmbeddedStore& store)
      : run_(settings.run),
        store_(store),
        oracle_(::open(settings.oracle.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600)) {
    CHECK(oracle_ >= 0);
    for (PartitionId partition = 0; partition < kPartitions; ++partition) {
      next_.push_back(store.sequence(partition) + 1);
      store.attach(partition, loop_);
    }
  }

  // Until the harness kills the process.
  [[noreturn]] void run() {
    for (PartitionId partition = 0; partition < kPartitions; ++partition) {
      for (int i = 0; i < kUnderWay; ++i) write_next(partition);
    }
    while (true) {
      loop_.wait_for_task();
      loop_.run_until_idle();
    }
  }

 private:
  void write_next(PartitionId partition) {
    const uint64_t n = next_[partition]++;
    Batch batch;
    batch.put(key_of(n), value_of(partition, n, run_));
    if (n > kKept) batch.erase(key_of(n - kKept));
    store_.commit(partition, std::move(batch), [this, partition, n](const Status& status) {
      if (status) {
        acknowledge(partition, n);
        write_next(partition);
      } else if (!failed_) {
        failed_ = true;
        fmt::print("failed {}\n", status.error().message);
        std::fflush(stdout);
      }
    });
  }

  void acknowledge(PartitionId partition, uint64_t n) {
    if (failed_) violation("a batch was acknowledged after a failure");
    const std::string line = fmt::format("{} {} {}\n", partition, n, run_);
    CHECK(::write(oracle_, line.data(), line.size()) == static_cast<ssize_t>(line.size()));
  }

  const uint64_t run_;
  EmbeddedStore& store_;
  const int oracle_;
  ManualClock clock_{WallTime{}};
  ManualLoop loop_{clock_};
  std::vector<uint64_t> next_;
  bool failed_ = false;
};

int work(const Settings& settings) {
  const SystemClock clock;
  Logger logger(LogLevel::kWarning, LogFormat::kLogfmt);
  auto opened = EmbeddedStore::open({.path = settings.store,
                                     .partition_count = kPartitions,
                                     .memtable_bytes = kMemtable,
                                     .unsafe_no_sync = settings.unsafe_no_sync},
                                    clock, logger);
  if (!opened) violation(opened.error().message);
  const Acknowledged acknowledged = read_oracle(settings.oracle);
  for (PartitionId partition = 0; partition < kPartitions; ++partition) {
    verify_partition(**opened, partition, acknowledged[partition]);
  }
  fmt::print("ready\n");
  std::fflush(stdout);
  if (settings.verify_only) return kDone;
  Writer(settings, **opened).run();
}

}  // namespace
}  // namespace linarite::store

int main(int argc, char** argv) {
  linarite::store::Settings settings;
  CLI::App app("Writes to an embedded store and verifies it against an oracle.");
  app.add_option("store", settings.store)->required();
  app.add_option("oracle", settings.oracle)->required();
  app.add_option("--run", settings.run, "A number that no other run has");
  app.add_flag("--verify-only", settings.verify_only);
  app.add_flag("--unsafe-no-sync", settings.unsafe_no_sync, "The control: must lose data");
  CLI11_PARSE(app, argc, argv);
  return linarite::store::work(settings);
}
