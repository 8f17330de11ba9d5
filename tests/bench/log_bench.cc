// What a partition's log costs the disk over cycles of retention: blocks are appended to the logs
// of an embedded store and trimmed from the front, as event logs are, until all that is kept has
// been replaced some times. Prints what was written beside what was appended, and what lies on the
// disk at the end.
//
//   log_bench DIRECTORY        on the disk that matters; the directory is created and removed
#include <fmt/format.h>
#include <CLI/CLI.hpp>

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
// The hub trims when its limit is passed by a sixteenth.
constexpr uint64_t kTrimPart = 16;

struct Settings {
  std::string path;
  size_t block_bytes = 65'536;
  uint64_t keep_mib = 64;  // Of each partition.
  uint64_t append_mib = 1024;
  uint32_t first_share = 25;  // Percent of all blocks that go to the first partition.
};

// What this process gave to the disk, without what was deleted before it got there.
uint64_t bytes_to_disk() {
  std::ifstream in("/proc/self/io");
  std::string name;
  uint64_t value = 0;
  while (in >> name >> value) {
    if (name == "write_bytes:") return value;
  }
  return 0;
}

Bytes key_of(uint64_t number) {
  Bytes key;
  ByteWriter(key).number(number);
  return key;
}

class Logs {
 public:
  Logs(const Settings& settings, EmbeddedStore& store) : settings_(settings), store_(store) {
    for (PartitionId partition = 0; partition < kPartitions; ++partition) {
      store.attach(partition, loop_);
    }
  }

  void run() {
    const Bytes block(settings_.block_bytes, 'b');
    const uint64_t count = (settings_.append_mib << 20U) / settings_.block_bytes;
    for (uint64_t i = 0; i < count; ++i) {
      const bool first = i * 61 % 100 < settings_.first_share;
      const auto partition = first ? 0 : static_cast<PartitionId>(1 + i % (kPartitions - 1));
      Batch batch;
      batch.append(key_of(next_[partition]++), block);
      trim(partition, batch);
      commit(partition, std::move(batch));
    }
  }

 private:
  void trim(PartitionId partition, Batch& batch) {
    const uint64_t keep = (settings_.keep_mib << 20U) / settings_.block_bytes;
    if (next_[partition] - begin_[partition] <= keep + keep / kTrimPart) return;
    begin_[partition] = next_[partition] - keep;
    batch.put("t", key_of(begin_[partition]));
    batch.trim_log(key_of(begin_[partition]));
  }
  void commit(PartitionId partition, Batch batch) {
    bool answered = false;
    store_.commit(partition, std::move(batch), [&](const Status& status) {
      CHECK(status);
      answered = true;
    });
    loop_.run_until([&] { return answered; });
  }

  const Settings& settings_;
  EmbeddedStore& store_;
  ManualClock clock_{WallTime{}};
  ManualLoop loop_{clock_};
  std::vector<uint64_t> next_ = std::vector<uint64_t>(kPartitions, 1);
  std::vector<uint64_t> begin_ = std::vector<uint64_t>(kPartitions, 1);
};

uint64_t bytes_in(const std::string& path, std::string_view suffix) {
  uint64_t bytes = 0;
  for (const auto& file : std::filesystem::recursive_directory_iterator(path)) {
    if (file.is_regular_file() && file.path().string().ends_with(suffix)) bytes += file.file_size();
  }
  return bytes;
}

int run(const Settings& settings) {
  if (std::filesystem::exists(settings.path)) {
    fmt::print(stderr, "{} exists already\n", settings.path);
    return 2;
  }
  const SystemClock clock;
  Logger logger(LogLevel::kError, LogFormat::kLogfmt);
  auto store =
      EmbeddedStore::open({.path = settings.path, .partition_count = kPartitions}, clock, logger);
  if (!store) {
    fmt::print(stderr, "{}\n", store.error().message);
    return 1;
  }
  const uint64_t before = bytes_to_disk();
  Logs(settings, **store).run();
  if (!(*store)->close()) return 1;
  const double written = static_cast<double>(bytes_to_disk() - before);
  const auto appended = static_cast<double>(settings.append_mib << 20U);
  fmt::print(
      "{} MiB appended in blocks of {} bytes, {} MiB kept per partition, {} % to the first\n",
      settings.append_mib, settings.block_bytes, settings.keep_mib, settings.first_share);
  fmt::print("written {:.2f} times, RocksDB's own log included; on the disk {} MiB of tables\n",
             written / appended, bytes_in(settings.path, ".sst") >> 20U);
  store->reset();
  std::filesystem::remove_all(settings.path);
  return 0;
}

}  // namespace
}  // namespace linarite::store

int main(int argc, char** argv) {
  linarite::store::Settings settings;
  CLI::App app("Measures what the logs of an embedded store write.");
  app.add_option("directory", settings.path, "New directory on the disk to measure")->required();
  app.add_option("--block", settings.block_bytes, "Bytes of a block");
  app.add_option("--keep", settings.keep_mib, "MiB kept of each partition");
  app.add_option("--append", settings.append_mib, "MiB appended in all");
  app.add_option("--first", settings.first_share, "Percent that go to the first partition");
  CLI11_PARSE(app, argc, argv);
  return linarite::store::run(settings);
}
