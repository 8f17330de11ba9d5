#include "base/token_buckets.h"

#include <gtest/gtest.h>

#include <string>

namespace linarite {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr Duration kNow = Duration::zero();

class TokenBucketsTest : public ::testing::Test {
 protected:
  Instant now_{std::chrono::hours(1)};
};

TEST_F(TokenBucketsTest, ABucketHoldsAPeriodsWorth) {
  TokenBuckets buckets({.tokens = 3, .period = minutes(1)});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(buckets.take("a", 1, now_), kNow);
  EXPECT_EQ(buckets.take("a", 1, now_), seconds(20));
  EXPECT_EQ(buckets.take("b", 1, now_), kNow);
}

TEST_F(TokenBucketsTest, WhoWaitsAsLongAsToldIsServed) {
  TokenBuckets buckets({.tokens = 7, .period = seconds(1)});
  for (int i = 0; i < 100; ++i) {
    const Duration wait = buckets.take("a", 1, now_);
    if (wait == kNow) continue;
    EXPECT_GT(buckets.take("a", 1, now_ + wait - Duration(1)), kNow);
    now_ += wait;
    EXPECT_EQ(buckets.take("a", 1, now_), kNow);
  }
  // A bucket of seven, and then seven a second.
  EXPECT_GT(now_, Instant(std::chrono::hours(1)) + seconds(6));
}

TEST_F(TokenBucketsTest, WhatIsRefusedCostsNothing) {
  TokenBuckets buckets({.tokens = 2, .period = seconds(2)});
  EXPECT_EQ(buckets.take("a", 1, now_), kNow);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(buckets.take("a", 2, now_), seconds(1));
  EXPECT_EQ(buckets.take("a", 1, now_), kNow);
}

TEST_F(TokenBucketsTest, ALongSilenceFillsABucketAndNotMore) {
  TokenBuckets buckets({.tokens = 2, .period = seconds(2)});
  EXPECT_EQ(buckets.take("a", 2, now_), kNow);
  now_ += std::chrono::hours(1000);
  EXPECT_EQ(buckets.take("a", 2, now_), kNow);
  EXPECT_EQ(buckets.take("a", 1, now_), seconds(1));
}

TEST_F(TokenBucketsTest, WhatHasHappenedIsOwed) {
  TokenBuckets buckets({.tokens = 100, .period = seconds(1)});
  EXPECT_EQ(buckets.charge("a", 100, now_), kNow);
  EXPECT_EQ(buckets.charge("a", 50, now_), milliseconds(500));
  EXPECT_EQ(buckets.charge("a", 50, now_), seconds(1));
  now_ += seconds(1);
  EXPECT_EQ(buckets.charge("a", 0, now_), kNow);
}

TEST_F(TokenBucketsTest, DebtHasAnEnd) {
  TokenBuckets buckets({.tokens = 1, .period = seconds(1), .debt_max = seconds(3)});
  EXPECT_EQ(buckets.charge("a", UINT64_MAX, now_), seconds(3));
  EXPECT_EQ(buckets.charge("a", 1, now_), seconds(3));
}

TEST_F(TokenBucketsTest, WithoutALimitNothingIsKept) {
  TokenBuckets buckets({});
  EXPECT_EQ(buckets.take("a", UINT64_MAX, now_), kNow);
  EXPECT_EQ(buckets.charge("a", UINT64_MAX, now_), kNow);
  EXPECT_EQ(buckets.memory(), 0U);
}

TEST_F(TokenBucketsTest, RatesAboveOneEachMicrosecondAreKept) {
  TokenBuckets buckets({.tokens = 10'000'000, .period = seconds(1)});
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(buckets.take("a", 10'000, now_), kNow);
  EXPECT_EQ(buckets.take("a", 10'000, now_), milliseconds(1));
}

// A million addresses, each of which owes: the table stays as it is, and the one that owes most is
// still known.
TEST_F(TokenBucketsTest, ManyKeysTakeNoMoreMemory) {
  TokenBuckets buckets({.tokens = 10, .period = seconds(10)}, 1024);
  const size_t before = buckets.memory();
  EXPECT_EQ(buckets.charge("worst", 20, now_), seconds(10));
  for (int i = 0; i < 1'000'000; ++i) buckets.charge(std::to_string(i), 1, now_);
  EXPECT_EQ(buckets.memory(), before);
  EXPECT_EQ(buckets.charge("worst", 0, now_), seconds(10));
}

}  // namespace
}  // namespace linarite
