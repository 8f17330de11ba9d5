#include "store/embedded/embedded_store.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include "store/embedded/fault_file_system.h"
#include "store/embedded/scratch_store.h"
#include "store/store_suite.h"

namespace linarite::store {
namespace {

using ::testing::HasSubstr;

class EmbeddedHarness {
 public:
  EmbeddedHarness() { open(); }
  Store& store() { return *store_; }
  void reopen() {
    store_.reset();
    open();
  }
  void fail_next_sync() {
    faults_->fail_next_log_sync(rocksdb::IOStatus::IOError("the disk broke"));
  }

 private:
  void open() {
    auto opened =
        EmbeddedStore::open({.path = directory_ / "store", .partition_count = kSuitePartitions},
                            clock_, logger_, faults_);
    if (!opened) std::abort();
    store_ = std::move(*opened);
  }
  ScratchDirectory directory_;
  SystemClock clock_;
  Logger logger_ = Logger::none();
  std::shared_ptr<FaultFileSystem> faults_ = std::make_shared<FaultFileSystem>();
  std::unique_ptr<EmbeddedStore> store_;
};

INSTANTIATE_TYPED_TEST_SUITE_P(Embedded, StoreSuite, EmbeddedHarness);

class EmbeddedStoreTest : public ::testing::Test {
 protected:
  std::string file(const std::string& name) const { return directory_ / ("store/" + name); }
  // Opens the store, which must be refused; the code, with the text left in refusal_.
  ErrorCode refused() {
    const Status status = store_.open();
    if (status) return ErrorCode{};
    refusal_ = status.error().message;
    return status.error().code;
  }

  ScratchDirectory directory_;
  ScratchStore store_{directory_ / "store"};
  std::string refusal_;
};

TEST_F(EmbeddedStoreTest, CountsBatchesWithoutAGap) {
  store_.options().partition_count = 2;
  ASSERT_TRUE(store_.open());
  EXPECT_EQ(store_->sequence(0), 0U);
  for (uint64_t i = 1; i <= 10; ++i) {
    ASSERT_TRUE(store_.put("a", "1"));
    EXPECT_EQ(store_->sequence(0), i);
  }
  ASSERT_TRUE(store_.put("a", "1", 1));
  store_.close();
  ASSERT_TRUE(store_.open());
  EXPECT_EQ(store_->sequence(0), 10U);
  EXPECT_EQ(store_->sequence(1), 1U);
  EXPECT_EQ(read_whole(file("high_water")).substr(0, 24), "linarite-high-water 10 1");
}

TEST_F(EmbeddedStoreTest, CloseAnswersEverythingFirst) {
  ASSERT_TRUE(store_.open());
  int answered = 0;
  for (int i = 0; i < 5000; ++i) {
    Batch batch;
    batch.put(std::to_string(i), std::string(1000, 'x'));
    store_->commit(0, std::move(batch), [&](const Status& status) { answered += status ? 1 : 0; });
  }
  EXPECT_GT(store_->queued_bytes(), 0U);
  EXPECT_TRUE(store_->close());
  EXPECT_EQ(store_->queued_bytes(), 0U);
  store_.loop().run_until_idle();
  EXPECT_EQ(answered, 5000);
  EXPECT_EQ(code_of(store_.put("late", "1")), ErrorCode::kShuttingDown);
  EXPECT_EQ(store_.get("4999"), std::string(1000, 'x'));
}

TEST_F(EmbeddedStoreTest, WhatArrivesDuringASyncIsOneGroup) {
  const auto faults = std::make_shared<FaultFileSystem>();
  ASSERT_TRUE(store_.open(faults));
  faults->hold_log_syncs(true);
  for (int i = 0; i < 5000; ++i) store_->commit(0, Batch(), [](const Status&) {});
  faults->hold_log_syncs(false);
  EXPECT_TRUE(store_->close());
  // Those before the thread woke up, and all the others: for each a task that wakes it and one that
  // answers.
  EXPECT_LE(store_.loop().run_until_idle(), 4U);
  EXPECT_EQ(store_->sequence(0), 5000U);
}

TEST_F(EmbeddedStoreTest, AGroupIsBounded) {
  const auto faults = std::make_shared<FaultFileSystem>();
  ASSERT_TRUE(store_.open(faults));
  faults->hold_log_syncs(true);
  for (size_t bytes = 0; bytes < 4 * EmbeddedStore::kGroupBytesMax; bytes += 100'000) {
    Batch batch;
    batch.put("key", Bytes(100'000, 'v'));
    store_->commit(0, std::move(batch), [](const Status&) {});
  }
  faults->hold_log_syncs(false);
  EXPECT_TRUE(store_->close());
  EXPECT_GE(store_.loop().run_until_idle(), 5U);
}

TEST_F(EmbeddedStoreTest, EverythingIsPrivateAndInside) {
  ::umask(0);
  ASSERT_TRUE(store_.open());
  ASSERT_TRUE(store_.put("a", "1"));
  store_.close();
  ::umask(022);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory_ / "")) {
    const auto expected =
        entry.is_directory() ? std::filesystem::perms{0700} : std::filesystem::perms{0600};
    EXPECT_EQ(entry.status().permissions(), expected) << entry.path();
  }
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory_ / ""), {}), 1);
}

TEST_F(EmbeddedStoreTest, RefusesASecondOpening) {
  ASSERT_TRUE(store_.open());
  ScratchStore second(directory_ / "store");
  const Status status = second.open();
  EXPECT_EQ(code_of(status), ErrorCode::kStoreInUse);
  EXPECT_THAT(status.error().message, HasSubstr("is in use"));
  Logger logger = Logger::none();
  EXPECT_EQ(check_store(directory_ / "store", logger).error().code, ErrorCode::kStoreInUse);
  EXPECT_TRUE(store_.put("a", "1"));
  store_.close();
  EXPECT_TRUE(second.open());
}

TEST_F(EmbeddedStoreTest, RefusesAnotherPartitionCount) {
  ASSERT_TRUE(store_.open());
  store_.close();
  store_.options().partition_count = 2;
  EXPECT_EQ(refused(), ErrorCode::kStoreFormat);
  EXPECT_THAT(refusal_, HasSubstr("has 1 partitions and the configuration says 2"));
  store_.options().partition_count = 0;
  EXPECT_TRUE(store_.open());
  EXPECT_EQ(store_->partition_count(), 1U);
}

TEST_F(EmbeddedStoreTest, RefusesAnUnknownVersion) {
  ASSERT_TRUE(store_.open());
  store_.close();
  write_whole(file("format"), format_text({.version = 4, .partition_count = 1}));
  EXPECT_EQ(refused(), ErrorCode::kStoreFormat);
  EXPECT_THAT(refusal_, HasSubstr("format 4"));
}

// Format 1 had no logs, format 2 is what 3 is to the store itself: both are taken over.
TEST_F(EmbeddedStoreTest, TakesOverFormats1And2) {
  ASSERT_TRUE(store_.open());
  ASSERT_TRUE(store_.put("a", "1"));
  for (const uint32_t version : {1U, 2U}) {
    store_.close();
    write_whole(file("format"), format_text({.version = version, .partition_count = 1}));
    ASSERT_TRUE(store_.open());
    EXPECT_EQ(store_.get("a"), "1");
    store_.close();
    EXPECT_EQ(read_whole(file("format")), format_text({.version = 3, .partition_count = 1}));
    ASSERT_TRUE(store_.open());
  }
}

// What was replaced lies on in logs and tables until it is asked to go.
TEST_F(EmbeddedStoreTest, ForgetsWhatWasReplaced) {
  const auto in_files = [this](const std::string& text) {
    for (const auto& entry : std::filesystem::directory_iterator(file("rocksdb"))) {
      if (read_whole(entry.path()).find(text) != std::string::npos) return true;
    }
    return false;
  };
  ASSERT_TRUE(store_.open());
  ASSERT_TRUE(store_.put("a", "the first secret"));
  ASSERT_TRUE(store_.put("b", "it stays"));
  store_.close();  // Into a table.
  ASSERT_TRUE(store_.open());
  ASSERT_TRUE(store_.put("a", "the second secret"));
  ASSERT_TRUE(store_.put("a", "nothing"));
  EXPECT_TRUE(in_files("the first secret"));
  EXPECT_TRUE(in_files("the second secret"));
  ASSERT_TRUE(store_->forget_replaced());
  EXPECT_FALSE(in_files("the first secret"));
  EXPECT_FALSE(in_files("the second secret"));
  EXPECT_EQ(store_.get("a"), "nothing");
  EXPECT_EQ(store_.get("b"), "it stays");
  ASSERT_TRUE(store_.put("c", "it goes on"));
}

TEST_F(EmbeddedStoreTest, RefusesADirectoryThatHoldsSomethingElse) {
  std::filesystem::create_directory(directory_ / "store");
  write_whole(file("letter.txt"), "Dear all");
  EXPECT_EQ(refused(), ErrorCode::kStoreFormat);
  EXPECT_THAT(refusal_, HasSubstr("not empty"));
  EXPECT_FALSE(std::filesystem::exists(file("lock")));
  std::filesystem::remove(file("letter.txt"));
  store_.options().partition_count = 0;
  EXPECT_EQ(refused(), ErrorCode::kStoreFormat);
  store_.options().partition_count = 1;
  EXPECT_TRUE(store_.open());
}

TEST_F(EmbeddedStoreTest, RefusesAPathThatCannotBe) {
  ScratchStore nowhere(directory_ / "missing/store");
  const Status status = nowhere.open();
  EXPECT_EQ(code_of(status), ErrorCode::kIoError);
  EXPECT_THAT(status.error().message, HasSubstr("Check the disk"));
}

TEST_F(EmbeddedStoreTest, RefusesAStoreThatLostAcknowledgedBatches) {
  ASSERT_TRUE(store_.open());
  ASSERT_TRUE(store_.put("a", "1"));
  store_.close();
  std::filesystem::copy(file("rocksdb"), directory_ / "old");
  ASSERT_TRUE(store_.open());
  ASSERT_TRUE(store_.put("a", "2"));
  store_.close();
  std::filesystem::remove_all(file("rocksdb"));
  std::filesystem::copy(directory_ / "old", file("rocksdb"));

  EXPECT_EQ(refused(), ErrorCode::kStoreCorrupt);
  EXPECT_THAT(refusal_, HasSubstr("partition 0 ends with batch 1, its high-water mark is 2"));
  EXPECT_THAT(refusal_, HasSubstr("accept_loss"));
  store_.options().accept_loss = true;
  ASSERT_TRUE(store_.open());
  EXPECT_EQ(store_.get("a"), "1");
  store_.close();
  store_.options().accept_loss = false;
  EXPECT_TRUE(store_.open());
}

TEST_F(EmbeddedStoreTest, RefusesAStoreWhoseDatabaseVanished) {
  ASSERT_TRUE(store_.open());
  ASSERT_TRUE(store_.put("a", "1"));
  store_.close();
  std::filesystem::remove_all(file("rocksdb"));
  EXPECT_EQ(refused(), ErrorCode::kStoreCorrupt);
  EXPECT_THAT(refusal_, HasSubstr("Restore the data directory"));
}

TEST_F(EmbeddedStoreTest, RefusesAStoreWithoutItsOwnFiles) {
  ASSERT_TRUE(store_.open());
  ASSERT_TRUE(store_.put("a", "1"));
  store_.close();
  std::filesystem::rename(file("high_water"), directory_ / "kept");
  EXPECT_EQ(refused(), ErrorCode::kStoreCorrupt);
  EXPECT_THAT(refusal_, HasSubstr("high_water is missing"));
  std::filesystem::rename(directory_ / "kept", file("high_water"));
  std::filesystem::rename(file("format"), directory_ / "kept");
  EXPECT_EQ(refused(), ErrorCode::kStoreCorrupt);
  EXPECT_THAT(refusal_, HasSubstr("format is missing"));
}

TEST_F(EmbeddedStoreTest, AMarkIsSavedWhileTheStoreIsOpen) {
  ASSERT_TRUE(store_.open());
  ASSERT_TRUE(store_.put("a", "1"));
  ASSERT_TRUE(store_.put("a", "2"));  // Answered after the mark of the first group was written.
  EXPECT_GE(store_.saved_mark(), 1U);
  store_.wait_for_mark();
  EXPECT_GE(store_.saved_mark(), 2U);
}

TEST_F(EmbeddedStoreTest, AFailedMarkFailsTheStore) {
  ASSERT_TRUE(store_.open());
  ASSERT_TRUE(store_.put("a", "1"));
  ASSERT_TRUE(store_.put("a", "2"));
  std::filesystem::create_directory(file("high_water.new"));  // So that it cannot be created.
  do {
    store_.advance(EmbeddedStore::kMarkInterval);
  } while (store_.put("a", "3"));
  EXPECT_EQ(code_of(store_.put("a", "4")), ErrorCode::kStoreReadOnly);
  EXPECT_EQ(code_of(store_->state(0)), ErrorCode::kIoError);
  EXPECT_FALSE(store_->close());
}

TEST_F(EmbeddedStoreTest, ManyOpeningsLeaveNoFilesBehind) {
  size_t files = 0;
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(store_.open());
    ASSERT_TRUE(store_.put("a", std::to_string(i)));
    store_.close();
    // All but tables: how many of these there are depends on when RocksDB compacts.
    size_t count = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory_ / "")) {
      count += entry.path().extension() == ".sst" ? 0 : 1;
    }
    if (i == 5) files = count;
    if (i > 5) {
      EXPECT_LE(count, files + 2);
    }
  }
}

TEST_F(EmbeddedStoreTest, CheckCountsAndChangesNothing) {
  store_.options().partition_count = 2;
  ASSERT_TRUE(store_.open());
  ASSERT_TRUE(store_.put("a", "123"));
  ASSERT_TRUE(store_.put("b", "123", 1));
  ASSERT_TRUE(store_.put("b", "456", 1));
  store_.close();
  std::map<std::string, std::string> before;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory_ / "")) {
    if (entry.is_regular_file()) before[entry.path()] = read_whole(entry.path());
  }
  Logger logger = Logger::none();
  const auto report = check_store(directory_ / "store", logger);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->partition_count, 2U);
  EXPECT_EQ(report->batch_count, 3U);
  EXPECT_EQ(report->record_count, 2U);
  EXPECT_EQ(report->byte_count, 8U);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory_ / "")) {
    if (!entry.is_regular_file()) continue;
    EXPECT_EQ(before[entry.path()], read_whole(entry.path())) << entry.path();
  }
  EXPECT_EQ(check_store(directory_ / "nothing", logger).error().code, ErrorCode::kIoError);
}

}  // namespace
}  // namespace linarite::store
