#include "base/text.h"

#include <gtest/gtest.h>

namespace linarite {
namespace {

TEST(Iso8601Test, WritesSevenFractionDigits) {
  const auto time = parse_iso8601("2020-07-25T14:14:25.172Z");
  ASSERT_TRUE(time);
  EXPECT_EQ(iso8601(*time), "2020-07-25T14:14:25.1720000Z");
  EXPECT_EQ(us_date_time(*time), "07/25/2020 14:14:25");
}

TEST(Iso8601Test, ReadsZonesAndMissingFractions) {
  EXPECT_EQ(parse_iso8601("2020-07-25T14:14:25"), parse_iso8601("2020-07-25T14:14:25.000Z"));
  EXPECT_EQ(parse_iso8601("2020-07-25T16:14:25+02:00"), parse_iso8601("2020-07-25T14:14:25Z"));
}

TEST(Iso8601Test, RefusesEverythingElse) {
  for (const char* bad : {"", "2020-07-25", "2020-13-01T00:00:00Z", "2020-02-30T00:00:00Z",
                          "2020-07-25T24:00:00Z", "2020-07-25T14:14:25.Z", "2020-07-25T14:14:25Zx",
                          "2020-07-25 14:14:25Z", "-020-07-25T14:14:25Z"}) {
    EXPECT_FALSE(parse_iso8601(bad)) << bad;
  }
}

TEST(Utf8Test, IsStrict) {
  for (size_t size = 0; size < 20; ++size) {
    std::string text(size, 'a');
    EXPECT_EQ(ascii_size(text), size);
    EXPECT_TRUE(is_utf8(text));
    text += "\xC3\xA4 b";
    EXPECT_EQ(ascii_size(text), size);
    EXPECT_TRUE(is_utf8(text));
    text += '\xC3';
    EXPECT_FALSE(is_utf8(text));
  }
  EXPECT_TRUE(is_utf8("plain \xC3\xA4 \xE2\x82\xAC \xF0\x9F\x98\x80"));
  for (const char* bad :
       {"\xC0\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE2\x82", "\x80", "\xFF"}) {
    EXPECT_FALSE(is_utf8(bad));
  }
}

TEST(WholeNumberTest, TakesTheWholeTextOrNothing) {
  EXPECT_EQ(whole_number<uint32_t>("42"), 42U);
  EXPECT_EQ(whole_number<int>("-1"), -1);
  for (const char* bad : {"", " 1", "1 ", "+1", "1e3", "0x1", "4294967296"}) {
    EXPECT_FALSE(whole_number<uint32_t>(bad)) << bad;
  }
}

TEST(TextTest, CaseAndHex) {
  EXPECT_EQ(hex_text(ByteView("\x00\xAf", 2)), "00af");
  EXPECT_TRUE(equal_ignoring_case("DeviceBound", "devicebound"));
  EXPECT_FALSE(equal_ignoring_case("a", "ab"));
}

}  // namespace
}  // namespace linarite
