#include "wire/c2d_headers.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace linarite::wire {
namespace {

using Headers = std::vector<std::pair<std::string, std::string>>;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::Pair;

Result<C2dMessage> read(const Headers& headers, std::string body = "") {
  C2dHeaderReader reader;
  for (const auto& [name, value] : headers) reader.add(name, value);
  return reader.finish(std::move(body));
}

TEST(C2dHeaderReader, ReadsEveryHeaderInAnyCase) {
  const auto message = read({{"Host", "h"},
                             {"Content-Type", "text/plain"},
                             {"Content-Encoding", "utf-8"},
                             {"IoTHub-MessageId", "m1"},
                             {"iothub-correlationid", "c1"},
                             {"iothub-userid", "u1"},
                             {"iothub-to", "/devices/d/messages/devicebound"},
                             {"iothub-ack", "Full"},
                             {"iothub-expiry", "2020-07-25T14:14:25.172Z"},
                             {"iothub-app-Name", "v a l"},
                             {"IOTHUB-APP-b", ""},
                             {"Authorization", "x"}},
                            "body");
  ASSERT_TRUE(message);
  EXPECT_EQ(message->message_id, "m1");
  EXPECT_EQ(message->correlation_id, "c1");
  EXPECT_EQ(message->user_id, "u1");
  EXPECT_EQ(message->to, "/devices/d/messages/devicebound");
  EXPECT_EQ(message->content_type, "text/plain");
  EXPECT_EQ(message->content_encoding, "utf-8");
  EXPECT_EQ(message->ack, Ack::kFull);
  EXPECT_EQ(message->expiry, WallTime{milliseconds(1595686465172)});
  EXPECT_THAT(message->properties, ElementsAre(Pair("Name", "v a l"), Pair("b", "")));
  EXPECT_EQ(message->body, "body");
}

TEST(C2dHeaderReader, NothingIsSetWithoutHeaders) { EXPECT_EQ(read({}), C2dMessage{}); }

TEST(C2dHeaderReader, RefusesInvalidHeaders) {
  for (const Headers& headers : std::initializer_list<Headers>{
           {{"iothub-ack", "maybe"}},
           {{"iothub-expiry", "tomorrow"}},
           {{"iothub-expiry", "1595686465"}},
           {{"iothub-messageid", "a"}, {"IoTHub-MessageId", "a"}},
           {{"iothub-ack", "none"}, {"iothub-ack", "none"}},
           {{"iothub-app-a", "1"}, {"iothub-app-A", "2"}},
           {{"iothub-app-", "1"}},
           {{"iothub-app-a", "\xFF"}},
           {{"iothub-messageid", std::string(kMessageIdSizeMax + 1, 'm')}}}) {
    const auto message = read(headers);
    ASSERT_FALSE(message) << headers[0].first;
    EXPECT_EQ(message.error().code, ErrorCode::kArgumentInvalid);
  }
  EXPECT_EQ(read({}, std::string(kC2dMessageSizeMax + 1, 'x')).error().code,
            ErrorCode::kMessageTooLarge);
}

TEST(C2dHeaderReader, LimitsTheProperties) {
  Headers headers;
  for (size_t i = 0; i < kPropertyCountMax; ++i)
    headers.emplace_back(fmt::format("iothub-app-{}", i), "");
  EXPECT_TRUE(read(headers));
  headers.emplace_back("iothub-app-more", "");
  EXPECT_FALSE(read(headers));
}

TEST(C2dRequestHeaders, WhatAClientSendsTheServerReads) {
  C2dMessage message;
  message.message_id = "m1";
  message.content_type = "text/plain; charset=utf-8";
  message.ack = Ack::kNegative;
  message.expiry = WallTime{milliseconds(1595686465172)};
  message.properties = {{"a", "1"}, {"B", "\xC3\xA4"}};
  const auto headers = c2d_request_headers(message);
  ASSERT_TRUE(headers);
  EXPECT_EQ(read(*headers), message);
}

TEST(C2dRequestHeaders, NothingBreaksOutOfAHeader) {
  for (const char* value : {"a\r\nEvil: 1", "a\n", "\x01", "a\x7F", " a", "a "}) {
    C2dMessage message;
    message.message_id = value;
    EXPECT_FALSE(c2d_request_headers(message)) << value;
    message.message_id.reset();
    message.properties = {{"name", value}};
    EXPECT_FALSE(c2d_request_headers(message)) << value;
  }
  for (const char* name : {"", "a b", "a:", "a\r\n", "\xC3\xA4"}) {
    C2dMessage message;
    message.properties = {{name, "v"}};
    EXPECT_FALSE(c2d_request_headers(message)) << name;
  }
}

TEST(ParseHttpDate, ReadsTheFixedForm) {
  EXPECT_EQ(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), WallTime{seconds(784111777)});
  EXPECT_EQ(parse_http_date("Sat, 29 Feb 2020 00:00:00 GMT"), WallTime{seconds(1582934400)});
  for (const char* text : {"", "Sun, 06 Nov 1994 08:49:37 UTC", "Sun, 06 nov 1994 08:49:37 GMT",
                           "Sun, 31 Feb 2020 00:00:00 GMT", "Sun, 06 Nov 1994 24:00:00 GMT",
                           "Sunday, 06-Nov-94 08:49:37 GMT", "Sun, 06 anF 1994 08:49:37 GMT",
                           "Sun, 06 Nov 1994 08:49:37 GM", "S1n, 06 Nov 1994 08:49:37 GMT",
                           "Sun, -6 Nov 1994 08:49:37 GMT"}) {
    EXPECT_FALSE(parse_http_date(text)) << text;
  }
}

}  // namespace
}  // namespace linarite::wire
