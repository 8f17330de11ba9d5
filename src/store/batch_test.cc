#include <gtest/gtest.h>

#include "store/store.h"

namespace linarite::store {
namespace {

TEST(BatchTest, MergesBehindWhatIsThere) {
  Batch first;
  first.put("k", "1");
  first.erase("gone");
  Batch later;
  later.put("k", "2");
  later.append("log", "event");
  later.trim_log("end");
  first.merge(later);
  first.merge(Batch());
  ASSERT_EQ(first.size(), 5U);
  EXPECT_EQ(first.byte_count(), 2U + 4U + 2U + 8U + 3U);
  EXPECT_EQ(first.operation(0).value, "1");
  EXPECT_EQ(first.operation(1).key, "gone");
  EXPECT_EQ(first.operation(2).key, "k");
  EXPECT_EQ(first.operation(2).value, "2");
  EXPECT_EQ(first.operation(3).kind, Batch::Kind::kAppend);
  EXPECT_EQ(first.operation(3).value, "event");
  EXPECT_EQ(first.operation(4).key, "end");
}

TEST(BatchTest, KeepsItsOperationsInOrder) {
  Batch batch;
  EXPECT_TRUE(batch.empty());
  batch.put("key", "value");
  batch.erase("other");
  batch.trim_log("ab");
  batch.put("", "");
  ASSERT_EQ(batch.size(), 4U);
  EXPECT_EQ(batch.byte_count(), 15U);
  EXPECT_EQ(batch.operation(0).kind, Batch::Kind::kPut);
  EXPECT_EQ(batch.operation(0).key, "key");
  EXPECT_EQ(batch.operation(0).value, "value");
  EXPECT_EQ(batch.operation(1).kind, Batch::Kind::kErase);
  EXPECT_EQ(batch.operation(1).key, "other");
  EXPECT_EQ(batch.operation(2).kind, Batch::Kind::kTrimLog);
  EXPECT_EQ(batch.operation(2).key, "ab");
  EXPECT_EQ(batch.operation(3).key, "");
}

TEST(BatchDeathTest, RefusesWhatShouldHaveBeenRefusedBefore) {
  Batch batch;
  batch.put(std::string(kKeySizeMax, 'k'), std::string(kValueSizeMax, 'v'));
  EXPECT_DEATH(batch.put(std::string(kKeySizeMax + 1, 'k'), ""), "check failed");
  EXPECT_DEATH(batch.put("k", std::string(kValueSizeMax + 1, 'v')), "check failed");
  EXPECT_DEATH(batch.operation(1), "check failed");
}

}  // namespace
}  // namespace linarite::store
