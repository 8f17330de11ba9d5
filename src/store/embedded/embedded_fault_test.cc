// Every file operation of a scenario fails once, and single bits of a store flip: no crash, no
// false acknowledgement, no wrong answer.
#include <sys/stat.h>

#include <algorithm>
#include <map>

#include "base/random.h"
#include "store/embedded/fault_file_system.h"
#include "store/embedded/scratch_store.h"

namespace linarite::store {
namespace {

constexpr size_t kSmallMemtable = size_t{64} << 10U;
constexpr int kBatches = 60;
constexpr int kWave = 10;  // Commits that wait at the same time.

std::string key_of(int i) { return fmt::format("key {:03}", i % 50); }
std::string value_of(int i) { return fmt::format("value {} ", i) + std::string(4000, 'v'); }

// What a run was promised, and what it asked for.
struct Oracle {
  std::map<std::string, int> acknowledged;  // The last acknowledged write of each key.
  std::map<std::string, int> attempted;     // The last one of all.
  uint64_t count = 0;
};

// Writes enough for several table files and a compaction, stops at the first refusal, closes.
void run_scenario(const std::string& path, std::shared_ptr<FaultFileSystem> faults,
                  Oracle& oracle) {
  ScratchStore store(path);
  store.options().memtable_bytes = kSmallMemtable;
  if (!store.open(std::move(faults))) return;
  bool healthy = true;
  for (int i = 0; i < kBatches && healthy; i += kWave) {
    int answers = 0;
    for (int j = i; j < i + kWave; ++j) {
      oracle.attempted[key_of(j)] = j;
      Batch batch;
      batch.put(key_of(j), value_of(j));
      store->commit(0, std::move(batch), [&, j](const Status& status) {
        ++answers;
        EXPECT_FALSE(status && !healthy);  // Nothing is acknowledged after a failure.
        healthy = status.has_value();
        if (!healthy) return;
        oracle.acknowledged[key_of(j)] = j;
        ++oracle.count;
      });
    }
    store.loop().run_until([&] { return answers == kWave; });
    static_cast<void>(store.get(key_of(i / 2)));
  }
  EXPECT_TRUE(healthy || !store->state(0));
  if (!healthy) {
    EXPECT_FALSE(store.put("after", "failure"));
  }
}

// Each key has its last acknowledged value, or the one later attempt that may have reached the
// disk.
void expect_kept(ScratchStore& store, const Oracle& oracle, const std::string& what) {
  for (const auto& [key, last] : oracle.acknowledged) {
    const std::string found = store.get(key);
    const bool kept = found == value_of(last) || found == value_of(oracle.attempted.at(key));
    EXPECT_TRUE(kept) << what << ": " << key << " is " << found.substr(0, 20);
  }
  EXPECT_GE(store->sequence(0), oracle.count) << what;
  EXPECT_EQ(store.get("after"), "-") << what;
}

void sweep(bool for_good, const rocksdb::IOStatus& failure, uint64_t step) {
  const ScratchDirectory directory;
  const auto counter = std::make_shared<FaultFileSystem>();
  Oracle clean;
  run_scenario(directory / "clean", counter, clean);
  const uint64_t operations = counter->operation_count();
  ASSERT_EQ(clean.count, static_cast<uint64_t>(kBatches));
  ASSERT_GT(operations, 60U);
  ::testing::Test::RecordProperty("operations", static_cast<int>(operations));

  for (uint64_t at = 1; at <= operations; at += step) {
    const std::string path = directory / fmt::format("store_{}", at);
    const std::string what = fmt::format("operation {} of {}", at, operations);
    const auto faults = std::make_shared<FaultFileSystem>();
    faults->fail_at(at, for_good, failure);
    Oracle oracle;
    run_scenario(path, faults, oracle);
    faults->heal();
    faults->drop_unsynced();
    ScratchStore store(path);
    const Status reopened = store.open();
    ASSERT_TRUE(reopened) << what << ": " << reopened.error().message;
    expect_kept(store, oracle, what);
    EXPECT_TRUE(store.put("works", "again")) << what;
    store.close();
    std::filesystem::remove_all(path);
  }
}

TEST(EmbeddedFaultTest, EachOperationFailsOnce) {
  sweep(false, rocksdb::IOStatus::IOError("injected"), 1);
}

TEST(EmbeddedFaultTest, TheDiskIsFullFromSomeOperationOn) {
  sweep(true, rocksdb::IOStatus::NoSpace("injected"), 5);
}

TEST(EmbeddedFaultTest, EachOperationFailsOnceWithARetryableError) {
  rocksdb::IOStatus retryable = rocksdb::IOStatus::IOError("injected");
  retryable.SetRetryable(true);
  sweep(false, retryable, 5);
}

// The records and both logs of events want new memtables at once, and these a new log: RocksDB
// alone would abort when it is closed.
TEST(EmbeddedFaultTest, AStoreThatGotNoNewLogIsClosedAndOpenedAgain) {
  const ScratchDirectory directory;
  const auto disk = std::make_shared<FaultFileSystem>();
  ScratchStore store(directory / "store");
  store.options().partition_count = 2;
  store.options().memtable_bytes = kSmallMemtable;
  ASSERT_TRUE(store.open(disk));
  // All three memtables are full with it, and the log is not yet too long by itself.
  const std::string value(kSmallMemtable / 2 + 1000, 'v');
  const auto fill = [&](const std::string& key) {
    size_t answers = 0;
    Status last;
    const auto answered = [&](Status status) {
      ++answers;
      last = std::move(status);
    };
    for (PartitionId p = 0; p < 2; ++p) {
      Batch batch;
      batch.put(key + std::to_string(p), value);
      batch.append(key, std::string(kSmallMemtable, 'e'));
      store->commit(p, std::move(batch), answered);
    }
    store.loop().run_until([&] { return answers == 2; });
    return last;
  };
  ASSERT_TRUE(fill("kept"));
  disk->fail_next_log(rocksdb::IOStatus::IOError("injected"));
  const Status refused = fill("refused");
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("injected"), std::string::npos);
  store.close();
  ASSERT_TRUE(store.open(disk));
  EXPECT_EQ(store.get("kept0"), value);
  EXPECT_EQ(store.get("refused0"), "-");
  EXPECT_TRUE(store.put("works", "again"));
}

TEST(EmbeddedFaultTest, ADiskThatIsNearlyFullIsSaidBeforeItIsFull) {
  const ScratchDirectory directory;
  const auto disk = std::make_shared<FaultFileSystem>();
  ScratchStore store(directory / "store");
  const uint64_t needed = EmbeddedStore::kReservedMemtables * store.options().memtable_bytes;
  disk->set_free_space(needed - 1);
  ASSERT_TRUE(store.open(disk));
  EXPECT_FALSE(store->has_room());
  EXPECT_TRUE(store.put("what cannot be refused", "is written"));
  disk->set_free_space(needed);
  EXPECT_TRUE(store.put("looks", "again"));
  EXPECT_TRUE(store->has_room());
  disk->set_free_space(0);
  EXPECT_TRUE(store.put("looks", "once more"));
  EXPECT_FALSE(store->has_room());
  EXPECT_TRUE(store->state(0));
}

class BitFlipTest : public ::testing::Test {
 protected:
  std::string path(const std::string& name) const { return directory_ / name; }
  void copy(const std::string& from, const std::string& to) {
    std::filesystem::remove_all(path(to));
    std::filesystem::copy(path(from), path(to), std::filesystem::copy_options::recursive);
  }
  std::vector<std::string> files(const std::string& store) const {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path(store))) {
      if (entry.is_regular_file() && entry.file_size() > 0) found.push_back(entry.path());
    }
    std::ranges::sort(found);
    return found;
  }
  // Opens a damaged copy and reads all of it. True if it was refused, at opening or at reading.
  bool refused(const std::string& store, const std::map<std::string, std::string>& expected) {
    ScratchStore opened(path(store));
    if (const Status status = opened.open(); !status) {
      EXPECT_TRUE(status.error().code == ErrorCode::kStoreCorrupt ||
                  status.error().code == ErrorCode::kIoError)
          << status.error().message;
      return true;
    }
    for (const auto& [key, value] : expected) {
      const auto found = opened->get(0, key);
      if (!found) {
        EXPECT_EQ(found.error().code, ErrorCode::kStoreCorrupt);
        return true;
      }
      EXPECT_EQ(found->value_or("-").substr(0, 20), value.substr(0, 20));
      EXPECT_TRUE(*found == value);
    }
    return false;
  }
  // Flips bits of copies of `store` one by one. Returns how many of them were refused.
  int flip(const std::string& store, int count, uint64_t seed,
           const std::map<std::string, std::string>& expected) {
    SeededRandom random(seed);
    const std::string original = path(store);
    const std::vector<std::string> all = files(store);
    int refusals = 0;
    for (int i = 0; i < count; ++i) {
      copy(store, "flipped");
      const std::string& from = all[random.below(all.size())];
      const std::string victim = path("flipped") + from.substr(original.size());
      std::string bytes = read_whole(victim);
      const uint64_t bit = random.below(bytes.size() * 8);
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
      write_whole(victim, bytes);
      SCOPED_TRACE(fmt::format("flip {} of seed {}: bit {} of {}", i, seed, bit, victim));
      if (refused("flipped", expected)) ++refusals;
    }
    return refusals;
  }

  ScratchDirectory directory_;
};

TEST_F(BitFlipTest, ClosedStoreWithTables) {
  std::map<std::string, std::string> expected;
  {
    ScratchStore store(path("store"));
    store.options().memtable_bytes = kSmallMemtable;
    ASSERT_TRUE(store.open());
    for (int i = 0; i < kBatches; ++i) {
      ASSERT_TRUE(store.put(key_of(i), value_of(i)));
      expected[key_of(i)] = value_of(i);
    }
  }
  const int refusals = flip("store", 200, 1, expected);
  EXPECT_GT(refusals, 100);
  RecordProperty("refusals", refusals);
}

TEST_F(BitFlipTest, StoreThatWasKilledWithItsLog) {
  std::map<std::string, std::string> expected;
  ScratchStore store(path("store"));
  store.options().memtable_bytes =
      4 * kScratchMemtable;  // Nothing is written out while it is copied.
  ASSERT_TRUE(store.open());
  for (int i = 0; i < kBatches; ++i) {
    ASSERT_TRUE(store.put(key_of(i), value_of(i)));
    expected[key_of(i)] = value_of(i);
  }
  // The mark of the last batch is on the disk once this later batch is answered; no mark covers it
  // yet.
  ASSERT_TRUE(store.put("unmarked", "1"));
  copy("store", "killed");
  const int refusals = flip("killed", 200, 2, expected);
  EXPECT_GT(refusals, 100);
  RecordProperty("refusals", refusals);
}

TEST_F(BitFlipTest, CheckNamesTheDamage) {
  {
    ScratchStore store(path("store"));
    ASSERT_TRUE(store.open());
    for (int i = 0; i < kBatches; ++i) ASSERT_TRUE(store.put(key_of(i), value_of(i)));
  }
  Logger logger = Logger::none();
  ASSERT_TRUE(check_store(path("store"), logger));
  for (const std::string& file : files("store")) {
    if (!file.ends_with(".sst")) continue;
    std::string bytes = read_whole(file);
    bytes[100] = static_cast<char>(bytes[100] ^ 1);
    write_whole(file, bytes);
    const auto checked = check_store(path("store"), logger);
    ASSERT_FALSE(checked);
    EXPECT_EQ(checked.error().code, ErrorCode::kStoreCorrupt);
    EXPECT_NE(checked.error().message.find(std::filesystem::path(file).filename()),
              std::string::npos)
        << checked.error().message;
  }
}

}  // namespace
}  // namespace linarite::store
