#include "mqtt/topic_filter.h"

#include <gtest/gtest.h>

#include <string>

namespace linarite::mqtt {
namespace {

// The examples of MQTT 3.1.1, 4.7.
TEST(TopicFilter, MultiLevelWildcardMatchesTheLevelAndEverythingBelow) {
  EXPECT_TRUE(filter_matches("sport/tennis/player1/#", "sport/tennis/player1"));
  EXPECT_TRUE(filter_matches("sport/tennis/player1/#", "sport/tennis/player1/ranking"));
  EXPECT_TRUE(filter_matches("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon"));
  EXPECT_TRUE(filter_matches("sport/#", "sport"));
  EXPECT_TRUE(filter_matches("#", "a"));
  EXPECT_TRUE(filter_matches("#", "/a//b"));
  EXPECT_FALSE(filter_matches("sport/tennis/#", "sport/tenni"));
  EXPECT_FALSE(filter_matches("sport/#", "sports"));
}

TEST(TopicFilter, SingleLevelWildcardMatchesExactlyOneLevel) {
  EXPECT_TRUE(filter_matches("sport/tennis/+", "sport/tennis/player1"));
  EXPECT_TRUE(filter_matches("sport/tennis/+", "sport/tennis/"));
  EXPECT_FALSE(filter_matches("sport/tennis/+", "sport/tennis/player1/ranking"));
  EXPECT_FALSE(filter_matches("sport/+", "sport"));
  EXPECT_TRUE(filter_matches("sport/+", "sport/"));
  EXPECT_TRUE(filter_matches("+/+", "/finance"));
  EXPECT_TRUE(filter_matches("/+", "/finance"));
  EXPECT_FALSE(filter_matches("+", "/finance"));
  EXPECT_TRUE(filter_matches("+/tennis/#", "x/tennis"));
  EXPECT_TRUE(filter_matches("+/#", "x"));
}

TEST(TopicFilter, LeadingWildcardDoesNotMatchDollarTopics) {
  EXPECT_FALSE(filter_matches("#", "$SYS/x"));
  EXPECT_FALSE(filter_matches("+/monitor/Clients", "$SYS/monitor/Clients"));
  EXPECT_TRUE(filter_matches("$SYS/#", "$SYS/monitor"));
  EXPECT_TRUE(filter_matches("$SYS/monitor/+", "$SYS/monitor/Clients"));
  EXPECT_TRUE(filter_matches("$iothub/#", "$iothub/methods/POST/x"));
}

TEST(TopicFilter, ComparesLevelsByteForByte) {
  EXPECT_TRUE(filter_matches("a/b", "a/b"));
  EXPECT_FALSE(filter_matches("a/b", "a/B"));
  EXPECT_FALSE(filter_matches("a/b", "a/b/"));
  EXPECT_FALSE(filter_matches("a/b/", "a/b"));
  EXPECT_FALSE(filter_matches("/a", "a"));
  EXPECT_FALSE(filter_matches("a", "a/b"));
  EXPECT_FALSE(filter_matches("", "a"));
  EXPECT_FALSE(filter_matches("a", ""));
}

TEST(TopicFilter, WildcardsAreAllowedOnlyAsWholeLevels) {
  for (const char* good : {"#", "+", "a/#", "+/a", "a/+/b", "+/+/#", "/", "a//b", "$x/#"}) {
    EXPECT_TRUE(is_valid_filter(good)) << good;
  }
  for (const char* bad :
       {"", "a#", "a/#/b", "#/a", "sport+", "a/+b", "a/b+/c", "##", "++", "a/#+"}) {
    EXPECT_FALSE(is_valid_filter(bad)) << bad;
  }
  EXPECT_TRUE(is_valid_topic_name("a/b"));
  for (const char* bad : {"", "a/+", "#", "a+b"}) EXPECT_FALSE(is_valid_topic_name(bad)) << bad;
}

TEST(TopicFilter, TakesTheDeepestTopic) {
  const std::string slashes(65'535, '/');
  EXPECT_TRUE(filter_matches("#", slashes));
  EXPECT_TRUE(filter_matches(slashes, slashes));
  EXPECT_TRUE(is_valid_filter(slashes));
  std::string pluses;
  while (pluses.size() + 2 <= 65'535) pluses += "+/";
  EXPECT_TRUE(is_valid_filter(pluses));
  EXPECT_FALSE(filter_matches(pluses, slashes));
}

}  // namespace
}  // namespace linarite::mqtt
