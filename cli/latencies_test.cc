#include "cli/latencies.h"

#include <gtest/gtest.h>

namespace linarite::cli {
namespace {

using std::chrono::microseconds;

TEST(LatenciesTest, SmallOnesAreExact) {
  Latencies all;
  EXPECT_EQ(all.percentile(50), microseconds(0));
  for (int i = 1; i <= 50; ++i) all.add(microseconds(i));
  EXPECT_EQ(all.percentile(0), microseconds(1));
  EXPECT_EQ(all.percentile(50), microseconds(25));
  EXPECT_EQ(all.percentile(100), microseconds(50));
  EXPECT_EQ(all.max(), microseconds(50));
  EXPECT_EQ(all.count(), 50U);
}

TEST(LatenciesTest, LargeOnesAreWithinABucket) {
  for (const int64_t value : {63, 64, 65, 1'000, 65'535, 65'536, 123'456'789}) {
    Latencies all;
    all.add(microseconds(value));
    all.add(microseconds(10 * value));
    const int64_t half = all.percentile(50).count();
    EXPECT_GE(half, value);
    EXPECT_LE(half, value + value / 32 + 1);
    EXPECT_EQ(all.percentile(99).count(), 10 * value) << "never above the greatest";
  }
}

TEST(LatenciesTest, TheEndsOfTheRange) {
  Latencies all;
  all.add(microseconds(-5));
  all.add(microseconds::max());
  EXPECT_EQ(all.percentile(50), microseconds(0));
  EXPECT_EQ(all.max(), microseconds::max());
}

}  // namespace
}  // namespace linarite::cli
