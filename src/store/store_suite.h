// The tests that every implementation of Store must pass. A test file instantiates them with a
// harness:
//
//   struct Harness {
//     Store& store();              // Open, not attached.
//     void reopen();               // Closes and opens it again; the old reference ends.
//     void fail_next_sync();       // The next commit fails with kIoError.
//   };
//   INSTANTIATE_TYPED_TEST_SUITE_P(Name, StoreSuite, Harness);
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/manual_loop.h"
#include "base/random.h"
#include "store/store.h"

namespace linarite::store {

inline constexpr uint32_t kSuitePartitions = 3;

inline ErrorCode code_of(const Status& status) {
  return status ? ErrorCode{} : status.error().code;
}

template <class Harness>
class StoreSuite : public ::testing::Test {
 protected:
  StoreSuite() { attach(); }

  Store& store() { return harness_.store(); }
  void attach() {
    for (PartitionId partition = 0; partition < kSuitePartitions; ++partition) {
      store().attach(partition, loop_);
    }
  }
  void reopen() {
    loop_.run_until_idle();
    harness_.reopen();
    attach();
  }

  // Commits and waits for the answer.
  Status commit(PartitionId partition, Batch batch) {
    std::optional<Status> answer;
    store().commit(partition, std::move(batch), [&](Status status) { answer = std::move(status); });
    loop_.run_until([&] { return answer.has_value(); });
    return *answer;
  }
  Status put(PartitionId partition, std::string_view key, std::string_view value) {
    Batch batch;
    batch.put(key, value);
    return commit(partition, std::move(batch));
  }
  // What get() finds, "-" for nothing.
  std::string get(PartitionId partition, std::string_view key) {
    const auto found = store().get(partition, key);
    if (!found) return "error";
    return found->value_or("-");
  }
  // What scan() visits, as "a=1 b=2".
  std::string scan(PartitionId partition, std::string_view begin = {}, std::string_view end = {}) {
    std::string seen;
    const Status status =
        store().scan(partition, begin, end, [&](std::string_view key, std::string_view value) {
          seen += fmt::format("{}{}={}", seen.empty() ? "" : " ", key, value);
          return true;
        });
    return status ? seen : "error";
  }

  Status append(PartitionId partition, std::string_view key, std::string_view value) {
    Batch batch;
    batch.append(key, value);
    return commit(partition, std::move(batch));
  }
  Status trim_log(PartitionId partition, std::string_view end) {
    Batch batch;
    batch.trim_log(end);
    return commit(partition, std::move(batch));
  }
  // What scan_log() visits, as scan(); then the last record behind a bar.
  std::string log(PartitionId partition, std::string_view begin = {}, std::string_view end = {}) {
    std::string seen;
    const Status status =
        store().scan_log(partition, begin, end, [&](std::string_view key, std::string_view value) {
          seen += fmt::format("{}={} ", key, value);
          return true;
        });
    const auto last = store().last_log_record(partition);
    if (!status || !last) return "error";
    return seen + "| " + (*last ? (*last)->key + "=" + (*last)->value : "none");
  }

  ManualClock clock_{WallTime{}};
  ManualLoop loop_{clock_};
  Harness harness_;
};

TYPED_TEST_SUITE_P(StoreSuite);

TYPED_TEST_P(StoreSuite, StartsEmpty) {
  EXPECT_EQ(this->store().partition_count(), kSuitePartitions);
  EXPECT_EQ(this->get(0, "a"), "-");
  EXPECT_EQ(this->scan(0), "");
  EXPECT_TRUE(this->store().state(0));
}

TYPED_TEST_P(StoreSuite, ReadsWhatWasCommitted) {
  ASSERT_TRUE(this->put(0, "a", "1"));
  EXPECT_EQ(this->get(0, "a"), "1");
  ASSERT_TRUE(this->put(0, "a", "2"));
  EXPECT_EQ(this->get(0, "a"), "2");
  Batch erase;
  erase.erase("a");
  erase.erase("never there");
  ASSERT_TRUE(this->commit(0, std::move(erase)));
  EXPECT_EQ(this->get(0, "a"), "-");
}

TYPED_TEST_P(StoreSuite, AppliesABatchInItsOrder) {
  Batch batch;
  batch.put("a", "1");
  batch.put("b", "1");
  batch.put("c", "1");
  batch.erase("a");
  batch.erase("b");
  batch.put("b", "2");
  batch.erase("c");
  batch.put("d", "1");
  batch.put("d", "2");
  ASSERT_TRUE(this->commit(0, std::move(batch)));
  EXPECT_EQ(this->scan(0), "b=2 d=2");
}

TYPED_TEST_P(StoreSuite, AnswersInOrderAndNeverInsideCommit) {
  std::vector<int> answers;
  constexpr int kCommits = 500;
  for (int i = 0; i < kCommits; ++i) {
    Batch batch;
    batch.put("counter", std::to_string(i));
    this->store().commit(1, std::move(batch), [&answers, i](Status status) {
      EXPECT_TRUE(status);
      answers.push_back(i);
    });
    EXPECT_TRUE(answers.empty());
  }
  this->loop_.run_until([&] { return answers.size() == kCommits; });
  for (int i = 0; i < kCommits; ++i) ASSERT_EQ(answers[static_cast<size_t>(i)], i);
  EXPECT_EQ(this->get(1, "counter"), std::to_string(kCommits - 1));
}

TYPED_TEST_P(StoreSuite, AnswersOnTheLoopOfThePartition) {
  this->harness_.reopen();
  ManualLoop other(this->clock_);
  this->store().attach(0, this->loop_);
  this->store().attach(1, other);
  bool answered = false;
  Batch batch;
  batch.put("a", "1");
  this->store().commit(1, std::move(batch), [&](Status status) {
    EXPECT_TRUE(status);
    EXPECT_TRUE(other.in_loop());
    answered = true;
  });
  other.run_until([&] { return answered; });
}

TYPED_TEST_P(StoreSuite, AnAnswerMayCommitAndRead) {
  std::string seen;
  Batch first;
  first.put("a", "1");
  this->store().commit(0, std::move(first), [&](Status) {
    Batch second;
    second.put("b", this->get(0, "a"));
    this->store().commit(0, std::move(second), [&](Status) { seen = this->get(0, "b"); });
  });
  this->loop_.run_until([&] { return !seen.empty(); });
  EXPECT_EQ(seen, "1");
}

TYPED_TEST_P(StoreSuite, AnswersAnEmptyBatch) { EXPECT_TRUE(this->commit(0, Batch())); }

TYPED_TEST_P(StoreSuite, ScansFromBeginUpToEnd) {
  Batch batch;
  for (const char* key : {"a", "b", "ba", "c", "d"}) batch.put(key, "1");
  ASSERT_TRUE(this->commit(0, std::move(batch)));
  EXPECT_EQ(this->scan(0, "b", "c"), "b=1 ba=1");
  EXPECT_EQ(this->scan(0, "aa", "bb"), "b=1 ba=1");
  EXPECT_EQ(this->scan(0, "c"), "c=1 d=1");
  EXPECT_EQ(this->scan(0, "", "b"), "a=1");
  EXPECT_EQ(this->scan(0, "c", "c"), "");
  EXPECT_EQ(this->scan(0, "d", "a"), "");
  int visits = 0;
  const auto visit = [&](std::string_view, std::string_view) { return ++visits < 2; };
  EXPECT_TRUE(this->store().scan(0, "", "", visit));
  EXPECT_EQ(visits, 2);
}

TYPED_TEST_P(StoreSuite, KeepsPartitionsApart) {
  const std::string high(16, '\xFF');
  for (PartitionId partition = 0; partition < kSuitePartitions; ++partition) {
    ASSERT_TRUE(this->put(partition, "", fmt::format("first of {}", partition)));
    ASSERT_TRUE(this->put(partition, high, fmt::format("last of {}", partition)));
  }
  Batch erase;
  erase.erase("");
  erase.erase(high);
  ASSERT_TRUE(this->commit(1, std::move(erase)));
  EXPECT_EQ(this->scan(0), fmt::format("=first of 0 {}=last of 0", high));
  EXPECT_EQ(this->scan(1), "");
  EXPECT_EQ(this->scan(2), fmt::format("=first of 2 {}=last of 2", high));
}

TYPED_TEST_P(StoreSuite, KeysAndValuesAreBytes) {
  const std::string zeros("\0a\0", 3);
  const std::string odd("\xFF\0\n\x80", 4);
  ASSERT_TRUE(this->put(0, zeros, odd));
  ASSERT_TRUE(this->put(0, odd, ""));
  this->reopen();
  EXPECT_EQ(this->get(0, zeros), odd);
  EXPECT_EQ(this->get(0, odd), "");
}

TYPED_TEST_P(StoreSuite, TakesTheLargestRecordAndLargeBatches) {
  const std::string key(kKeySizeMax, 'k');
  const std::string value(kValueSizeMax, 'v');
  ASSERT_TRUE(this->put(0, key, value));
  Batch large;
  for (int i = 0; i < 20'000; ++i) large.put(fmt::format("{:06}", i), std::string(100, 'x'));
  ASSERT_TRUE(this->commit(0, std::move(large)));
  this->reopen();
  EXPECT_EQ(this->get(0, key), value);
  int count = 0;
  const auto visit = [&](std::string_view, std::string_view) { return ++count > 0; };
  ASSERT_TRUE(this->store().scan(0, "0", "1", visit));
  EXPECT_EQ(count, 20'000);
}

TYPED_TEST_P(StoreSuite, RefusesWritesAfterTheFirstFailure) {
  ASSERT_TRUE(this->put(0, "a", "1"));
  this->harness_.fail_next_sync();
  EXPECT_EQ(code_of(this->put(0, "b", "1")), ErrorCode::kIoError);
  EXPECT_EQ(this->get(0, "b"), "-");
  EXPECT_EQ(code_of(this->put(0, "c", "1")), ErrorCode::kStoreReadOnly);
  EXPECT_EQ(code_of(this->put(0, "c", "1")), ErrorCode::kStoreReadOnly);
  EXPECT_EQ(code_of(this->store().state(0)), ErrorCode::kIoError);
  EXPECT_EQ(this->get(0, "a"), "1");

  this->reopen();
  EXPECT_TRUE(this->store().state(0));
  EXPECT_EQ(this->get(0, "a"), "1");
  EXPECT_EQ(this->get(0, "c"), "-");
  EXPECT_TRUE(this->put(0, "c", "2"));
}

TYPED_TEST_P(StoreSuite, QueuedCommitsFailInOrderToo) {
  this->harness_.fail_next_sync();
  std::vector<std::pair<int, ErrorCode>> answers;
  for (int i = 0; i < 100; ++i) {
    Batch batch;
    batch.put("a", "1");
    this->store().commit(0, std::move(batch), [&answers, i](const Status& status) {
      answers.emplace_back(i, code_of(status));
    });
  }
  this->loop_.run_until([&] { return answers.size() == 100; });
  EXPECT_EQ(answers.front(), std::pair(0, ErrorCode::kIoError));
  EXPECT_EQ(answers.back().first, 99);
  for (const auto& [i, code] : answers) EXPECT_NE(code, ErrorCode{}) << i;
  EXPECT_EQ(this->get(0, "a"), "-");
}

TYPED_TEST_P(StoreSuite, KeepsALogBesideTheRecords) {
  EXPECT_EQ(this->log(0), "| none");
  Batch batch;
  batch.append("a", "1");
  batch.put("a", "record");
  batch.append("b", "2");
  ASSERT_TRUE(this->commit(0, std::move(batch)));
  ASSERT_TRUE(this->append(1, "a", "other"));
  ASSERT_TRUE(this->append(0, "c", "3"));
  EXPECT_EQ(this->scan(0), "a=record");
  EXPECT_EQ(this->log(0), "a=1 b=2 c=3 | c=3");
  EXPECT_EQ(this->log(0, "b"), "b=2 c=3 | c=3");
  EXPECT_EQ(this->log(0, "aa", "c"), "b=2 | c=3");
  EXPECT_EQ(this->log(1), "a=other | a=other");
  this->reopen();
  EXPECT_EQ(this->log(0), "a=1 b=2 c=3 | c=3");
  EXPECT_EQ(this->log(1), "a=other | a=other");
}

// What is before the end may go at any time; what is behind it stays.
TYPED_TEST_P(StoreSuite, TrimsALogFromTheFront) {
  const std::string value(100'000, 'x');
  for (int i = 10; i < 99; ++i) ASSERT_TRUE(this->append(0, fmt::format("{}", i), value));
  ASSERT_TRUE(this->append(1, "1", "other"));
  this->reopen();
  ASSERT_TRUE(this->trim_log(0, "50"));
  for (int i = 0; i < 2; ++i) {
    std::string kept;
    ASSERT_TRUE(this->store().scan_log(0, "50", {}, [&](std::string_view key, std::string_view v) {
      EXPECT_EQ(v, value);
      kept += key;
      return true;
    }));
    EXPECT_EQ(kept.size(), 2U * 49);
    EXPECT_EQ(kept.substr(0, 4), "5051");
    EXPECT_EQ(this->log(1), "1=other | 1=other");
    this->reopen();
  }
  ASSERT_TRUE(this->trim_log(0, "99"));
  ASSERT_TRUE(this->append(0, "99", "1"));
  EXPECT_EQ(this->log(0, "99"), "99=1 | 99=1");
}

// Random batches against a map, with the store reopened now and then.
TYPED_TEST_P(StoreSuite, BehavesLikeAMap) {
  SeededRandom random(20240607);
  std::map<std::string, std::string> model;
  const auto key = [&] { return fmt::format("{:02}", random.below(60)); };
  for (int round = 0; round < 300; ++round) {
    Batch batch;
    for (uint64_t i = random.below(8); i > 0; --i) {
      const std::string first = key();
      const std::string second = key();
      if (random.below(10) < 6) {
        batch.put(first, second);
        model[first] = second;
      } else {
        batch.erase(first);
        model.erase(first);
      }
    }
    ASSERT_TRUE(this->commit(2, std::move(batch)));
    if (round % 50 == 49) this->reopen();
    std::string expected;
    for (const auto& [k, v] : model)
      expected += fmt::format("{}{}={}", expected.empty() ? "" : " ", k, v);
    ASSERT_EQ(this->scan(2), expected) << "round " << round;
  }
}

REGISTER_TYPED_TEST_SUITE_P(StoreSuite, StartsEmpty, ReadsWhatWasCommitted, AppliesABatchInItsOrder,
                            AnswersInOrderAndNeverInsideCommit, AnswersOnTheLoopOfThePartition,
                            AnAnswerMayCommitAndRead, AnswersAnEmptyBatch, ScansFromBeginUpToEnd,
                            KeepsPartitionsApart, KeysAndValuesAreBytes,
                            TakesTheLargestRecordAndLargeBatches, RefusesWritesAfterTheFirstFailure,
                            QueuedCommitsFailInOrderToo, KeepsALogBesideTheRecords,
                            TrimsALogFromTheFront, BehavesLikeAMap);

}  // namespace linarite::store
