#include "wire/property_bag.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace linarite::wire {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

PropertyBag parsed(std::string_view bag) {
  auto result = parse_property_bag(bag);
  EXPECT_TRUE(result) << bag;
  return result.value_or(PropertyBag{});
}

TEST(ParsePropertyBag, Empty) {
  for (const char* bag : {"", "/", "/a=b", "&", "&&&", "=", "=x", "&=x&"}) {
    EXPECT_THAT(parsed(bag).properties, IsEmpty()) << bag;
    EXPECT_EQ(parsed(bag).system, PropertyBag::System{}) << bag;
  }
}

TEST(ParsePropertyBag, DecodesNamesAndValuesOnceAndKeepsOrder) {
  EXPECT_THAT(parsed("b=2&a=1%2F2&%C3%A4=%252F&plus=a+b&raw=a b:c").properties,
              ElementsAre(Pair("b", "2"), Pair("a", "1/2"), Pair("\xC3\xA4", "%2F"),
                          Pair("plus", "a+b"), Pair("raw", "a b:c")));
}

TEST(ParsePropertyBag, IsTolerant) {
  EXPECT_THAT(parsed("a&b=&c=1=2&%zz=100%&&d=1&").properties,
              ElementsAre(Pair("a", ""), Pair("b", ""), Pair("c", "1=2"), Pair("%zz", "100%"),
                          Pair("d", "1")));
}

TEST(ParsePropertyBag, EndsAtAnUnencodedSlash) {
  EXPECT_THAT(parsed("a=1/").properties, ElementsAre(Pair("a", "1")));
  EXPECT_THAT(parsed("a=1/b=2&c=3").properties, ElementsAre(Pair("a", "1")));
  EXPECT_THAT(parsed("a=1%2F&b=2/x").properties, ElementsAre(Pair("a", "1/"), Pair("b", "2")));
}

TEST(ParsePropertyBag, OfDuplicatesTheLastWins) {
  const PropertyBag bag = parsed("a=1&b=2&%61=3&$.mid=m1&%24.mid=m2");
  EXPECT_THAT(bag.properties, ElementsAre(Pair("a", "3"), Pair("b", "2")));
  EXPECT_EQ(bag.system.message_id, "m2");
}

TEST(ParsePropertyBag, ReadsEverySystemProperty) {
  const PropertyBag bag = parsed(
      "%24.mid=1&$.cid=2&%24.uid=3&%24.to=%2Ft&%24.ct=5&%24.ce=6&%24.exp=7&%24.on=8&%24.ctime=9&"
      "%24.ifid=10&%24.sub=11&%24.schema=12&%24.diagid=13&%24.diagctx=14&iothub-ack=full&"
      "iothub-operation=16&app=17");
  const PropertyBag::System& s = bag.system;
  EXPECT_EQ(s.message_id, "1");
  EXPECT_EQ(s.correlation_id, "2");
  EXPECT_EQ(s.user_id, "3");
  EXPECT_EQ(s.to, "/t");
  EXPECT_EQ(s.content_type, "5");
  EXPECT_EQ(s.content_encoding, "6");
  EXPECT_EQ(s.expiry, "7");
  EXPECT_EQ(s.output_name, "8");
  EXPECT_EQ(s.creation_time, "9");
  EXPECT_EQ(s.interface_id, "10");
  EXPECT_EQ(s.component, "11");
  EXPECT_EQ(s.message_schema, "12");
  EXPECT_EQ(s.diagnostic_id, "13");
  EXPECT_EQ(s.diagnostic_context, "14");
  EXPECT_EQ(s.ack, "full");
  EXPECT_EQ(s.operation, "16");
  EXPECT_THAT(bag.properties, ElementsAre(Pair("app", "17")));
}

TEST(ParsePropertyBag, SystemNamesAreCaseSensitiveAndUnknownOnesAreProperties) {
  EXPECT_THAT(parsed("$.MID=1&$.new=2&%2524.mid=3").properties,
              ElementsAre(Pair("$.MID", "1"), Pair("$.new", "2"), Pair("%24.mid", "3")));
}

TEST(ParsePropertyBag, NobodySetsTheStampedIdentity) {
  const PropertyBag bag = parsed(
      "$.cdid=other&%24.cmid=other&iothub-connection-device-id=other&"
      "IoTHub%2DConnection%2DAuth-Method=x&iothub-connection-=x&iothub-connection=kept");
  EXPECT_THAT(bag.properties, ElementsAre(Pair("iothub-connection", "kept")));
  EXPECT_EQ(bag.system, PropertyBag::System{});
}

TEST(ParsePropertyBag, TheCreationTimePropertyIsBoth) {
  const PropertyBag bag = parsed("iothub-creation-time-utc=2020-01-01T00%3A00%3A00Z");
  EXPECT_EQ(bag.system.creation_time, "2020-01-01T00:00:00Z");
  EXPECT_THAT(bag.properties,
              ElementsAre(Pair("iothub-creation-time-utc", "2020-01-01T00:00:00Z")));
}

TEST(ParsePropertyBag, LimitsTheNumberOfProperties) {
  std::string bag;
  for (size_t i = 0; i < kPropertyCountMax; ++i) bag += fmt::format("p{}=&", i);
  EXPECT_EQ(parsed(bag).properties.size(), kPropertyCountMax);
  EXPECT_EQ(parsed(bag + "p0=again&$.mid=m").properties.size(), kPropertyCountMax);
  const auto refused = parse_property_bag(bag + "one-more");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kArgumentInvalid);
}

TEST(ParsePropertyBag, RefusesTextThatIsNotUtf8) {
  for (const char* bag : {"a=%FF", "%C0%80=x", "a=%ED%A0%80", "$.mid=%80"}) {
    EXPECT_FALSE(parse_property_bag(bag)) << bag;
  }
  EXPECT_THAT(parsed("a=%00").properties, ElementsAre(Pair("a", std::string(1, '\0'))));
}

std::string c2d_bag(const C2dMessage& message) {
  std::string out;
  append_c2d_bag(out, message, "/devices/dev1/messages/deviceBound");
  return out;
}

TEST(AppendC2dBag, EqualsTheCapturesOfTheRealHub) {  // device-protocol 1.12
  C2dMessage first;
  first.message_id = "f618dedc-210e-4c68-956d-160577b2ca01";
  first.to = "/devices/dev1/messages/devicebound";
  first.properties = {{"key1", "value1"}, {"key2", "value2"}};
  EXPECT_EQ(c2d_bag(first),
            "%24.mid=f618dedc-210e-4c68-956d-160577b2ca01&%24.to=%2Fdevices%2Fdev1%2Fmessages"
            "%2Fdevicebound&key1=value1&key2=value2");

  C2dMessage second;
  second.to = "/devices/dev1/messages/deviceBound";
  second.content_type = "text/plain; charset=UTF-8";
  second.content_encoding = "utf-8";
  second.properties = {{"bbb", "bbbb"}, {"aaa", "aaaa"}};
  EXPECT_EQ(c2d_bag(second),
            "%24.to=%2Fdevices%2Fdev1%2Fmessages%2FdeviceBound&%24.ct=text%2Fplain%3B%20charset"
            "%3DUTF-8&%24.ce=utf-8&bbb=bbbb&aaa=aaaa");

  C2dMessage third;
  third.expiry = WallTime{milliseconds(1595686465172)};
  third.message_id = "Commands:c2d-Fr7guTmpM";
  third.to = "/devices/dev1/messages/devicebound";
  third.ack = Ack::kNone;
  third.properties = {{"method-name", "Commands:c2d"}};
  EXPECT_EQ(c2d_bag(third),
            "%24.exp=2020-07-25T14%3A14%3A25.1720000Z&%24.mid=Commands%3Ac2d-Fr7guTmpM&%24.to=%2F"
            "devices%2Fdev1%2Fmessages%2Fdevicebound&iothub-ack=none&method-name=Commands%3Ac2d");

  C2dMessage fourth;
  fourth.message_id = "2c2db32a-9c41-4073-baa4-db584e021573";
  fourth.to = "/devices/dev1/messages/devicebound";
  fourth.content_encoding = "utf-8";
  fourth.ack = Ack::kNone;
  EXPECT_EQ(c2d_bag(fourth),
            "%24.mid=2c2db32a-9c41-4073-baa4-db584e021573&%24.to=%2Fdevices%2Fdev1%2Fmessages%2F"
            "devicebound&%24.ce=utf-8&iothub-ack=none");
}

TEST(AppendC2dBag, IsNeverEmpty) {
  EXPECT_EQ(c2d_bag({}), "%24.to=%2Fdevices%2Fdev1%2Fmessages%2FdeviceBound");
}

TEST(AppendC2dBag, WritesEverythingInOrderAndSkipsEmptySystemProperties) {
  C2dMessage message;
  message.message_id = "m";
  message.correlation_id = "c/1";
  message.user_id = "u&\xFF";
  message.to = "/t";
  message.content_type = "";
  message.content_encoding = "gzip";
  message.ack = Ack::kFull;
  message.properties = {{"a=b", "c&d"}, {"empty", ""}, {"$.mid", "x"}};
  EXPECT_EQ(c2d_bag(message),
            "%24.mid=m&%24.to=%2Ft&%24.cid=c%2F1&%24.uid=u%26%FF&%24.ce=gzip&iothub-ack=full&"
            "a%3Db=c%26d&empty=&%24.mid=x");
}

}  // namespace
}  // namespace linarite::wire
