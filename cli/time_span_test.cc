#include "cli/time_span.h"

#include <gtest/gtest.h>

namespace linarite::cli {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

TEST(TimeSpan, AsPeopleWriteThem) {
  EXPECT_EQ(parse_time_span("0"), seconds(0));
  EXPECT_EQ(parse_time_span("90"), seconds(90));
  EXPECT_EQ(parse_time_span("90s"), seconds(90));
  EXPECT_EQ(parse_time_span("61m"), minutes(61));
  EXPECT_EQ(parse_time_span("2h"), hours(2));
  EXPECT_EQ(parse_time_span("1d"), hours(24));
  EXPECT_EQ(parse_time_span("1d2h3m4s"), hours(26) + minutes(3) + seconds(4));
  EXPECT_EQ(parse_time_span("366d"), kTimeSpanMax);
}

TEST(TimeSpan, AndNothingElse) {
  for (const char* text : {"", "m", "-1m", "+1m", " 1m", "1 m", "1.5h", "1w", "1m1h", "1m1m", "1m1",
                           "366d1s", "31622401", "99999999999999999999s", "4294967295d"}) {
    EXPECT_EQ(parse_time_span(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace linarite::cli
