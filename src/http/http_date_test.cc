#include "http/http_date.h"

#include <gtest/gtest.h>

namespace linarite::http {
namespace {

TEST(HttpDateTest, WritesAndReadsTheFormOfTheStandard) {
  const WallTime time{std::chrono::seconds(784111777)};
  EXPECT_EQ(http_date(time), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), time);
  EXPECT_EQ(http_date(WallTime{}), "Thu, 01 Jan 1970 00:00:00 GMT");
}

TEST(HttpDateTest, FractionsOfASecondAreCut) {
  EXPECT_EQ(http_date(WallTime{std::chrono::milliseconds(999)}), "Thu, 01 Jan 1970 00:00:00 GMT");
}

TEST(HttpDateTest, OtherFormsAreRefused) {
  for (const char* text : {"", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994",
                           "Mon, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:00:00 GMT",
                           "Sun, 06 Nov 1994 08:60:00 GMT", "Wed, 30 Feb 1994 08:49:37 GMT",
                           "Sun, 06 Foo 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 UTC",
                           "Sun, +6 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMT "}) {
    EXPECT_EQ(parse_http_date(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace linarite::http
