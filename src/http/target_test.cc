#include "http/target.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace linarite::http {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> segments(std::string_view text) {
  auto target = parse_target(text);
  if (!target) return {"refused"};
  return target->segments;
}

bool refused(std::string_view text) { return !parse_target(text).has_value(); }

TEST(TargetTest, PathIsSplit) {
  EXPECT_THAT(segments("/devices/d1"), ElementsAre("devices", "d1"));
  EXPECT_THAT(segments("/"), IsEmpty());
}

TEST(TargetTest, TrailingSlashIsAbsent) {
  EXPECT_THAT(segments("/devices/?top=20"), ElementsAre("devices"));
  EXPECT_THAT(segments("/devices/d1/"), ElementsAre("devices", "d1"));
  EXPECT_THAT(segments("/devices%2F"), ElementsAre("devices"));
}

TEST(TargetTest, EscapedSlashSeparates) {
  EXPECT_THAT(segments("/twins%2Fdev1"), ElementsAre("twins", "dev1"));
  EXPECT_THAT(segments("/twins%2fdev1%2Fmethods"), ElementsAre("twins", "dev1", "methods"));
}

TEST(TargetTest, DecodesExactlyOnce) {
  EXPECT_THAT(segments("/devices/a%252Fb"), ElementsAre("devices", "a%2Fb"));
  EXPECT_THAT(segments("/devices/%2500"), ElementsAre("devices", "%00"));
}

TEST(TargetTest, EveryLegalCharacterOfADeviceIdPasses) {
  EXPECT_THAT(segments("/devices/A-:.+_*!(),=@;$'z"), ElementsAre("devices", "A-:.+_*!(),=@;$'z"));
  EXPECT_THAT(segments("/devices/a%25b%23c%3Fd%3B"), ElementsAre("devices", "a%b#c?d;"));
}

TEST(TargetTest, PlusIsABlankInTheQueryOnly) {
  const auto target = parse_target("/a+b?q=a+b%2B");
  ASSERT_TRUE(target);
  EXPECT_THAT(target->segments, ElementsAre("a+b"));
  EXPECT_EQ(target->parameter("q"), "a b+");
}

TEST(TargetTest, QueryParameters) {
  const auto target = parse_target("/devices/?api-version=2021-04-12&&Top=5&flag&empty=&x=a=b%26");
  ASSERT_TRUE(target);
  EXPECT_EQ(target->parameter("api-version"), "2021-04-12");
  EXPECT_EQ(target->parameter("top"), "5");
  EXPECT_EQ(target->parameter("flag"), "");
  EXPECT_EQ(target->parameter("empty"), "");
  EXPECT_EQ(target->parameter("x"), "a=b&");
  EXPECT_EQ(target->parameter("none"), std::nullopt);
}

TEST(TargetTest, ParameterGivenTwiceIsRefused) {
  EXPECT_TRUE(refused("/?top=1&top=2"));
  EXPECT_TRUE(refused("/?top=1&TOP=1"));
  EXPECT_TRUE(refused("/?top=1&t%6Fp=1"));
}

TEST(TargetTest, DotSegmentsAreRefused) {
  for (const char* path : {"/..", "/.", "/a/../b", "/%2e%2e/b", "/a/%2E%2e", "/.%2e/", "/a/./b"}) {
    EXPECT_TRUE(refused(path)) << path;
  }
  EXPECT_THAT(segments("/..."), ElementsAre("..."));
}

TEST(TargetTest, EmptySegmentsAreRefused) {
  for (const char* path : {"//", "//a", "/a//b", "/a//", "/a%2F%2Fb", "/%2F", "/a/%2F"}) {
    EXPECT_TRUE(refused(path)) << path;
  }
}

TEST(TargetTest, ControlCharactersAreRefused) {
  for (const char* path : {"/%00", "/a%0d%0ab", "/a%7F", "/?a=%00", "/?%0a=b", "/?q=a%1fb"}) {
    EXPECT_TRUE(refused(path)) << path;
  }
}

TEST(TargetTest, TextThatIsNotUtf8IsRefused) {
  EXPECT_THAT(segments("/caf%C3%A9"), ElementsAre("caf\xC3\xA9"));
  for (const char* path : {"/%c0%af", "/%c0%ae%c0%ae/", "/%e0%80%af", "/%f8%80%80%80%af", "/%ff",
                           "/%ed%a0%80", "/?q=%c1%bf", "/\xC3\xA9"}) {
    EXPECT_TRUE(refused(path)) << path;
  }
}

TEST(TargetTest, BrokenEscapesAreRefused) {
  for (const char* path : {"/%", "/%4", "/%zz", "/%+1", "/a%2", "/?a=%", "/?%g0=1", "/%u0041"}) {
    EXPECT_TRUE(refused(path)) << path;
  }
}

TEST(TargetTest, OtherFormsAreRefused) {
  for (const char* text :
       {"", "*", "devices", "?a=b", "%2Fdevices", "ftp://h/a", "h:443", "/a#b", "/a?b#c", "/a b"}) {
    EXPECT_TRUE(refused(text)) << text;
  }
}

TEST(TargetTest, AbsoluteForm) {
  const auto target = parse_target("HTTP://hub.example:8080/devices?top=1");
  ASSERT_TRUE(target);
  EXPECT_EQ(target->authority, "hub.example:8080");
  EXPECT_THAT(target->segments, ElementsAre("devices"));
  EXPECT_EQ(target->parameter("top"), "1");
  EXPECT_THAT(segments("https://hub"), IsEmpty());
  EXPECT_TRUE(refused("http:///devices//"));
}

TEST(TargetTest, CountsAreBounded) {
  std::string path;
  for (size_t i = 0; i < kSegmentCountMax; ++i) path += "/s";
  EXPECT_FALSE(refused(path));
  const auto target = parse_target(path + "/s");
  ASSERT_FALSE(target);
  EXPECT_EQ(target.error().code, ErrorCode::kLimitExceeded);
  std::string query = "/?";
  for (size_t i = 0; i < kParameterCountMax; ++i) query += "p" + std::to_string(i) + "&";
  EXPECT_FALSE(refused(query));
  EXPECT_TRUE(refused(query + "more"));
}

TEST(TargetTest, EncodeIsTheInverse) {
  EXPECT_EQ(percent_encode("a-b.c_d~/ %\xC3\xA9"), "a-b.c_d~%2F%20%25%C3%A9");
  EXPECT_THAT(segments("/devices/" + percent_encode("a%2b?#;")), ElementsAre("devices", "a%2b?#;"));
}

}  // namespace
}  // namespace linarite::http
