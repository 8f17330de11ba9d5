#include "http/headers.h"

#include <gtest/gtest.h>

namespace linarite::http {
namespace {

TEST(HeadersTest, NamesCompareWithoutCase) {
  const Headers headers = {{"Host", "hub"}, {"X-A", "1"}, {"x-a", "2"}};
  EXPECT_EQ(headers.find("HOST"), "hub");
  EXPECT_EQ(headers.find("x-A"), "1");
  EXPECT_EQ(headers.count("X-a"), 2U);
  EXPECT_EQ(headers.find("X-B"), std::nullopt);
}

TEST(HeadersTest, SetLeavesOneFieldOfTheName) {
  Headers headers = {{"Accept", "a"}, {"Host", "old"}, {"HOST", "older"}};
  headers.set("host", "hub");
  EXPECT_EQ(headers, (Headers{{"Accept", "a"}, {"host", "hub"}}));
}

TEST(HeadersTest, ATokenIsFoundInAnyListOfTheName) {
  const Headers headers = {{"Connection", "keep-alive , Upgrade"}, {"connection", "x"}};
  EXPECT_TRUE(headers.has_token("Connection", "upgrade"));
  EXPECT_TRUE(headers.has_token("Connection", "X"));
  EXPECT_FALSE(headers.has_token("Connection", "close"));
  EXPECT_FALSE(headers.has_token("Upgrade", "x"));
}

}  // namespace
}  // namespace linarite::http
