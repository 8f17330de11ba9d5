#include "wire/if_match.h"

#include <gtest/gtest.h>

namespace linarite::wire {
namespace {

using Kind = IfMatch::Kind;

TEST(ParseIfMatch, None) {
  EXPECT_EQ(parse_if_match(std::nullopt).kind, Kind::kNone);
  for (const char* header : {"", "  ", "\"\"", "W/\"\""}) {
    EXPECT_EQ(parse_if_match(header).kind, Kind::kNone) << header;
  }
}

TEST(ParseIfMatch, AnyAlsoInQuotes) {
  for (const char* header : {"*", "\"*\"", " * ", "W/\"*\""}) {
    EXPECT_EQ(parse_if_match(header).kind, Kind::kAny) << header;
  }
}

TEST(ParseIfMatch, EtagQuotedRawOrWeak) {
  for (const char* header : {"abc==", "\"abc==\"", "W/\"abc==\"", " \"abc==\"\t"}) {
    EXPECT_EQ(parse_if_match(header), (IfMatch{Kind::kEtag, "abc=="})) << header;
  }
}

TEST(ParseIfMatch, ARawEtagMayBeginLikeAWeakOne) { EXPECT_EQ(parse_if_match("W/bc").etag, "W/bc"); }

TEST(ParseIfMatch, OtherTextEqualsNoEtag) {
  for (const char* header : {"\"a\",\"b\"", "\"", "abc\"", "W/", "**", "w/\"a\""}) {
    EXPECT_EQ(parse_if_match(header).kind, Kind::kEtag) << header;
    EXPECT_NE(parse_if_match(header).etag, "a") << header;
  }
}

}  // namespace
}  // namespace linarite::wire
