#include "wire/percent.h"

#include <gtest/gtest.h>

namespace linarite::wire {
namespace {

TEST(PercentEncoded, KeepsUnreservedAndEscapesTheRestInUpperCase) {
  EXPECT_EQ(percent_encoded("AZaz09-._~"), "AZaz09-._~");
  EXPECT_EQ(percent_encoded("a/b c$:;+=&%?"), "a%2Fb%20c%24%3A%3B%2B%3D%26%25%3F");
  EXPECT_EQ(percent_encoded("\xC3\xA4"), "%C3%A4");
  EXPECT_EQ(percent_encoded(std::string_view("\0\x7F", 2)), "%00%7F");
  EXPECT_EQ(percent_encoded(""), "");
}

TEST(PercentEncoded, EveryByteComesBack) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  EXPECT_EQ(percent_decoded(percent_encoded(all)), all);
  EXPECT_EQ(percent_decoded_strictly(percent_encoded(all)), all);
}

TEST(PercentDecoded, DecodesOnceInEitherCaseAndLeavesPlus) {
  EXPECT_EQ(percent_decoded("%2f%2F"), "//");
  EXPECT_EQ(percent_decoded("a+b%20c"), "a+b c");
  EXPECT_EQ(percent_decoded("%252F"), "%2F");
}

TEST(PercentDecoded, TakesABrokenEscapeLiterally) {
  EXPECT_EQ(percent_decoded("100%"), "100%");
  EXPECT_EQ(percent_decoded("%4"), "%4");
  EXPECT_EQ(percent_decoded("%zz%41"), "%zzA");
  EXPECT_EQ(percent_decoded("%%41"), "%A");
}

TEST(PercentDecodedStrictly, RefusesABrokenEscape) {
  EXPECT_EQ(percent_decoded_strictly("a%2Fb"), "a/b");
  for (const char* text : {"%", "100%", "%4", "%zz", "%%41", "%41%4g", "% 1"}) {
    EXPECT_FALSE(percent_decoded_strictly(text)) << text;
  }
}

}  // namespace
}  // namespace linarite::wire
