// For tests: a directory that is removed afterwards, and a store in it with a loop.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/logging.h"
#include "base/manual_loop.h"
#include "store/embedded/embedded_store.h"

namespace linarite::store {

// In memory where the machine allows it: these tests are about behaviour, tests/powercut about
// disks.
class ScratchDirectory {
 public:
  ScratchDirectory() {
    const bool in_memory = std::filesystem::is_directory("/dev/shm");
    path_ = (in_memory ? "/dev/shm" : std::filesystem::temp_directory_path().string()) +
            "/linarite_store_XXXXXX";
    if (mkdtemp(path_.data()) == nullptr) std::abort();
  }
  ~ScratchDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchDirectory(const ScratchDirectory&) = delete;
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

inline std::string read_whole(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline void write_whole(const std::string& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

// RocksDB reserves disk space for a log of this size, which in memory costs time.
inline constexpr size_t kScratchMemtable = size_t{256} << 10U;

// One partition, one loop; every call waits for its answer.
class ScratchStore {
 public:
  explicit ScratchStore(std::string path)
      : options_{.path = std::move(path), .partition_count = 1} {}

  EmbeddedOptions& options() { return options_; }
  Status open(std::shared_ptr<rocksdb::FileSystem> file_system = nullptr) {
    auto opened = EmbeddedStore::open(options_, clock_, logger_, std::move(file_system));
    if (!opened) return std::unexpected(opened.error());
    store_ = std::move(*opened);
    for (PartitionId p = 0; p < store_->partition_count(); ++p) store_->attach(p, loop_);
    return {};
  }
  void close() { store_.reset(); }
  EmbeddedStore& operator*() { return *store_; }
  EmbeddedStore* operator->() { return store_.get(); }

  Status put(std::string_view key, std::string_view value, PartitionId partition = 0) {
    Batch batch;
    batch.put(key, value);
    std::optional<Status> answer;
    store_->commit(partition, std::move(batch), [&](Status status) { answer = std::move(status); });
    loop_.run_until([&] { return answer.has_value(); });
    return *answer;
  }
  std::string get(std::string_view key, PartitionId partition = 0) {
    const auto found = store_->get(partition, key);
    return found ? found->value_or("-") : "error: " + found.error().message;
  }
  // The high-water mark of partition 0 on the disk.
  uint64_t saved_mark() const {
    const auto mark = parse_high_water(read_whole(options_.path + "/high_water"));
    return mark ? mark->at(0) : 0;
  }
  // Writes on until the mark covers everything that was acknowledged before the call.
  void wait_for_mark() {
    const uint64_t wanted = store_->sequence(0);
    while (saved_mark() < wanted) {
      clock_.advance(EmbeddedStore::kMarkInterval);
      if (!put("filler", "1")) return;
    }
  }
  void advance(Duration by) { clock_.advance(by); }
  ManualLoop& loop() { return loop_; }

 private:
  ManualClock clock_{WallTime{}};
  ManualLoop loop_{clock_};
  Logger logger_ = Logger::none();
  EmbeddedOptions options_;
  std::unique_ptr<EmbeddedStore> store_;
};

}  // namespace linarite::store
