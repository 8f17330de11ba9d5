#include "wire/c2d_message.h"

#include <gtest/gtest.h>

namespace linarite::wire {
namespace {

TEST(Ack, ReadsEveryWordInAnyCase) {
  EXPECT_EQ(parse_ack("none"), Ack::kNone);
  EXPECT_EQ(parse_ack("positive"), Ack::kPositive);
  EXPECT_EQ(parse_ack("PositiveOnly"), Ack::kPositive);
  EXPECT_EQ(parse_ack("negative"), Ack::kNegative);
  EXPECT_EQ(parse_ack("NEGATIVEONLY"), Ack::kNegative);
  EXPECT_EQ(parse_ack("Full"), Ack::kFull);
}

TEST(Ack, RefusesOtherWords) {
  for (const char* word : {"", "all", "full ", "both", "positive-only", "ful"}) {
    EXPECT_FALSE(parse_ack(word)) << word;
  }
}

TEST(Ack, WritesTheFourWordsDevicesAccept) {
  EXPECT_EQ(ack_word(Ack::kNone), "none");
  EXPECT_EQ(ack_word(Ack::kPositive), "positive");
  EXPECT_EQ(ack_word(Ack::kNegative), "negative");
  EXPECT_EQ(ack_word(Ack::kFull), "full");
}

TEST(C2dMessageSize, CountsBodyNamesAndValues) {
  C2dMessage message;
  EXPECT_EQ(message.size(), 0U);
  message.body = "12345";
  EXPECT_EQ(message.size(), 5U);
  message.message_id = "m1";  // 10 + 2
  EXPECT_EQ(message.size(), 17U);
  message.to = "";  // 2
  EXPECT_EQ(message.size(), 19U);
  message.expiry = WallTime{};  // 20 + 8
  EXPECT_EQ(message.size(), 47U);
  message.ack = Ack::kFull;  // 10 + 4
  EXPECT_EQ(message.size(), 61U);
  message.properties.emplace_back("key", "value");
  EXPECT_EQ(message.size(), 69U);
}

TEST(CheckC2dMessage, AcceptsUpToTheLimitAndRefusesOneByteMore) {
  C2dMessage message;
  message.body.assign(kC2dMessageSizeMax, 'x');
  EXPECT_TRUE(check_c2d_message(message));
  message.body += 'x';
  EXPECT_EQ(check_c2d_message(message).error().code, ErrorCode::kMessageTooLarge);
}

TEST(CheckC2dMessage, RefusesLongIds) {
  C2dMessage message;
  message.message_id.emplace(kMessageIdSizeMax, 'm');
  message.correlation_id.emplace(kMessageIdSizeMax, 'c');
  EXPECT_TRUE(check_c2d_message(message));
  message.correlation_id->push_back('c');
  EXPECT_EQ(check_c2d_message(message).error().code, ErrorCode::kArgumentInvalid);
  message.correlation_id.reset();
  message.message_id->push_back('m');
  EXPECT_EQ(check_c2d_message(message).error().code, ErrorCode::kArgumentInvalid);
}

TEST(CheckC2dMessage, RefusesBadProperties) {
  C2dMessage message;
  message.properties.assign(kPropertyCountMax, {"n", ""});
  EXPECT_TRUE(check_c2d_message(message));
  message.properties.emplace_back("n", "");
  EXPECT_EQ(check_c2d_message(message).error().code, ErrorCode::kArgumentInvalid);

  message.properties = {{std::string(kPropertyNameSizeMax, 'n'), "v"}};
  EXPECT_TRUE(check_c2d_message(message));
  message.properties = {{std::string(kPropertyNameSizeMax + 1, 'n'), "v"}};
  EXPECT_FALSE(check_c2d_message(message));
  message.properties = {{"", "v"}};
  EXPECT_FALSE(check_c2d_message(message));
  message.properties = {{"n", "\xC0\x80"}};
  EXPECT_FALSE(check_c2d_message(message));
  message.properties = {{"n\xFF", "v"}};
  EXPECT_FALSE(check_c2d_message(message));
}

TEST(CheckC2dMessage, TextIsUtf8ButUserIdIsAnyBytes) {
  C2dMessage message;
  message.user_id = "\xFF\xFE";
  EXPECT_TRUE(check_c2d_message(message));
  message.content_type = "\xFF";
  EXPECT_EQ(check_c2d_message(message).error().code, ErrorCode::kArgumentInvalid);
  message = {.content_encoding = "\xFF"};
  EXPECT_EQ(check_c2d_message(message).error().code, ErrorCode::kArgumentInvalid);
}

}  // namespace
}  // namespace linarite::wire
