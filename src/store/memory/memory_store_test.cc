#include "store/memory/memory_store.h"

#include "store/store_suite.h"

namespace linarite::store {
namespace {

class MemoryHarness {
 public:
  Store& store() { return store_; }
  void reopen() { store_.crash(nullptr); }
  void fail_next_sync() { store_.fail_next_sync({ErrorCode::kIoError, "the disk broke"}); }

 private:
  MemoryStore store_{kSuitePartitions};
};

INSTANTIATE_TYPED_TEST_SUITE_P(Memory, StoreSuite, MemoryHarness);

class MemoryStoreTest : public ::testing::Test {
 protected:
  MemoryStoreTest() { attach(); }
  void attach() {
    store_.attach(0, *loop_);
    store_.attach(1, *loop_);
  }
  void put(PartitionId partition, const std::string& key) {
    Batch batch;
    batch.put(key, "1");
    store_.commit(partition, std::move(batch), [this, key](const Status& status) {
      answers_ += fmt::format("{}:{} ", key, static_cast<int>(code_of(status)));
    });
  }
  std::string answers() {
    loop_->run_until_idle();
    return std::exchange(answers_, "");
  }
  std::string keys(PartitionId partition) {
    std::string seen;
    EXPECT_TRUE(store_.scan(partition, "", "", [&](std::string_view key, std::string_view) {
      seen += key;
      return true;
    }));
    return seen;
  }
  void crash(Random* survivors = nullptr) {
    loop_->stop();
    loop_ = std::make_unique<ManualLoop>(clock_);
    store_.crash(survivors);
    attach();
  }

  ManualClock clock_{WallTime{}};
  std::unique_ptr<ManualLoop> loop_ = std::make_unique<ManualLoop>(clock_);
  MemoryStore store_{2};
  std::string answers_;
};

TEST_F(MemoryStoreTest, HoldsCommitsUntilTheyAreFlushed) {
  store_.hold_commits(true);
  put(0, "a");
  put(1, "b");
  EXPECT_EQ(answers(), "");
  EXPECT_EQ(keys(0), "");
  EXPECT_EQ(store_.held_count(), 2U);
  store_.flush();
  EXPECT_EQ(keys(0), "a");  // Visible and durable before it is answered.
  EXPECT_EQ(answers(), "a:0 b:0 ");
  put(0, "c");
  EXPECT_EQ(answers(), "");
  store_.hold_commits(false);
  put(0, "d");
  EXPECT_EQ(answers(), "c:0 d:0 ");
}

TEST_F(MemoryStoreTest, HoldingDoesNotDisturbCommitsUnderWay) {
  put(0, "a");
  store_.hold_commits(true);
  put(0, "b");
  store_.flush();
  put(0, "c");
  EXPECT_EQ(answers(), "a:0 b:0 ");
  EXPECT_EQ(store_.held_count(), 1U);
}

TEST_F(MemoryStoreTest, ACrashLosesWhatWasNotDurable) {
  put(0, "a");
  EXPECT_EQ(answers(), "a:0 ");
  store_.hold_commits(true);
  put(0, "b");
  store_.flush();
  put(0, "c");
  crash();
  EXPECT_EQ(answers(), "");
  EXPECT_EQ(keys(0), "ab");  // b was durable, though not answered.
}

TEST_F(MemoryStoreTest, APrefixOfEachPartitionMaySurvive) {
  std::map<std::string, int> outcomes;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    MemoryStore store(1);
    ManualLoop loop(clock_);
    store.attach(0, loop);
    store.hold_commits(true);
    for (const char* key : {"a", "b"}) {
      Batch batch;
      batch.put(key, "1");
      store.commit(0, std::move(batch), [](const Status&) { FAIL(); });
    }
    SeededRandom random(seed);
    store.crash(&random);
    std::string seen;
    ASSERT_TRUE(store.scan(0, "", "", [&](std::string_view key, std::string_view) {
      seen += key;
      return true;
    }));
    ++outcomes[seen];
  }
  EXPECT_EQ(outcomes.size(), 3U);
  EXPECT_GT(outcomes[""], 10);
  EXPECT_GT(outcomes["a"], 10);
  EXPECT_GT(outcomes["ab"], 10);
}

TEST_F(MemoryStoreTest, AFailedSyncFailsEveryPartitionAndItsBatchMaySurvive) {
  store_.hold_commits(true);
  put(0, "a");
  put(1, "b");
  store_.fail_next_sync({ErrorCode::kIoError, "the disk broke"});
  store_.flush();
  put(0, "c");
  store_.flush();
  EXPECT_EQ(answers(), "a:6 b:6 c:1 ");
  EXPECT_FALSE(store_.state(0));
  EXPECT_EQ(store_.state(1).error().message, "the disk broke");
  EXPECT_EQ(keys(0), "");

  class All final : public Random {
    void fill(char* out, size_t size) override { std::fill_n(out, size, '\x01'); }
  };
  All ones;  // An odd number: all of one batch.
  crash(&ones);
  EXPECT_TRUE(store_.state(0));
  EXPECT_EQ(keys(0), "a");
  EXPECT_EQ(keys(1), "b");
}

TEST_F(MemoryStoreTest, TasksMayOutliveTheStore) {
  auto store = std::make_unique<MemoryStore>(1);
  store->attach(0, *loop_);
  bool answered = false;
  store->commit(0, Batch(), [&](const Status&) { answered = true; });
  store.reset();
  loop_->run_until_idle();
  EXPECT_TRUE(answered);
}

}  // namespace
}  // namespace linarite::store
