#include "wire/json_text.h"

#include <gtest/gtest.h>

namespace linarite::wire {
namespace {

ErrorCode refusal(std::string_view text, JsonLimits limits = {.size_max = 1000}) {
  const auto value = parse_json(text, limits);
  return value ? ErrorCode{} : value.error().code;
}

TEST(ParseJson, AcceptsEveryKindOfValue) {
  for (const char* text : {"{}", "[]", "null", "true", "-0", "1e3", "18446744073709551615", "\"x\"",
                           " { \"a\" : [ { } , 1 ] } ", R"({"a":{"x":1},"b":{"x":1},"A":1})",
                           R"("\u00e4\ud83d\ude00\u0000")", "\"\xC3\xA4\""}) {
    EXPECT_EQ(refusal(text), ErrorCode{}) << text;
  }
}

TEST(ParseJson, RefusesWhatIsNotJson) {
  for (const char* text : {"",
                           " ",
                           "{",
                           "}",
                           "{]",
                           "nul",
                           "{\"a\":1,}",
                           "[1,]",
                           "{'a':1}",
                           "{a:1}",
                           "01",
                           "+1",
                           "1.",
                           ".5",
                           "NaN",
                           "Infinity",
                           "0x1",
                           "[1] x",
                           "{} {}",
                           "\"\n\"",
                           "\"\\x\"",
                           "\"\\ud800\"",
                           "\"\\udc00\"",
                           "\"\xC0\x80\"",
                           "\"\xED\xA0\x80\"",
                           "\"\xFF\"",
                           "\xEF\xBB\xBF{}",
                           "/**/{}"}) {
    EXPECT_EQ(refusal(text), ErrorCode::kIotHubFormatError) << text;
  }
}

TEST(ParseJson, RefusesANameGivenTwice) {
  for (const char* text : {R"({"a":1,"a":1})", R"({"a":1,"b":{"c":1,"c":2}})", R"([{"":1,"":2}])",
                           R"({"a":1,"\u0061":2})", R"({"a":{},"b":[],"a":null})"}) {
    EXPECT_EQ(refusal(text), ErrorCode::kIotHubFormatError) << text;
  }
  const std::string escaped(3000, 'k');
  EXPECT_EQ(refusal("{\"\\u006b" + escaped + "\":1,\"k" + escaped + "\":2}", {.size_max = 10'000}),
            ErrorCode::kIotHubFormatError)
      << "however long it is, and however it is written";
  std::string longer = "{\"" + std::string(400, 'k') + "\":1,\"" + std::string(400, 'k') + "\":2}";
  EXPECT_EQ(refusal(longer), ErrorCode::kIotHubFormatError);
}

TEST(ParseJson, LimitsSizeAndDepth) {
  EXPECT_EQ(refusal("[1,2]", {.size_max = 5}), ErrorCode{});
  EXPECT_EQ(refusal("[1,2 ]", {.size_max = 5}), ErrorCode::kGenericRequestEntityTooLarge);
  EXPECT_EQ(refusal("[[[]]]", {.size_max = 100, .depth_max = 3}), ErrorCode{});
  EXPECT_EQ(refusal("[[{\"a\":[]}]]", {.size_max = 100, .depth_max = 3}),
            ErrorCode::kIotHubFormatError);
  EXPECT_EQ(refusal(std::string(100000, '['), {.size_max = 1000000}),
            ErrorCode::kIotHubFormatError);
}

TEST(ParseJson, NumbersOutOfRangeDoNoHarm) {
  for (const char* text : {"1e400", "-1e400", "1e-400", "123456789012345678901234567890"}) {
    const auto value = parse_json(text, {.size_max = 100});
    EXPECT_TRUE(!value || value->is_double()) << text;
  }
}

TEST(JsonString, Escapes) {
  EXPECT_EQ(json_string("a\"b\\c\n\x01\xC3\xA4"), "\"a\\\"b\\\\c\\n\\u0001\xC3\xA4\"");
}

TEST(JsonReader, MatchesNamesIgnoringCaseAndNullIsAbsent) {
  const auto value =
      *parse_json(R"({"Text":"t","FLAG":true,"none":null,"obj":{}})", {.size_max = 99});
  JsonReader reader(value.get_object(), "");
  EXPECT_EQ(reader.text("text"), "t");
  EXPECT_EQ(reader.boolean("flag"), true);
  EXPECT_EQ(reader.text("none"), std::nullopt);
  EXPECT_EQ(reader.text("absent"), std::nullopt);
  EXPECT_NE(reader.object("Obj"), nullptr);
  EXPECT_FALSE(reader.error());
}

TEST(JsonReader, KeepsTheFirstMisfit) {
  const auto value = *parse_json(R"({"a":1,"b":"x","B":"y","c":[],"d":"t"})", {.size_max = 99});
  const auto error_after = [&](auto read) {
    JsonReader reader(value.get_object(), "outer.");
    read(reader);
    EXPECT_EQ(reader.text("d"), std::nullopt);
    return reader.error().value_or(Error{}).message;
  };
  EXPECT_EQ(error_after([](JsonReader& r) { r.text("a"); }), "outer.a must be a string");
  EXPECT_EQ(error_after([](JsonReader& r) { r.boolean("a"); }), "outer.a must be true or false");
  EXPECT_EQ(error_after([](JsonReader& r) { r.object("c"); }), "outer.c must be an object");
  EXPECT_EQ(error_after([](JsonReader& r) { r.text("b"); }), "outer.b is given twice");
}

}  // namespace
}  // namespace linarite::wire
