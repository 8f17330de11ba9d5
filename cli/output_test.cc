#include "cli/output.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

namespace linarite::cli {
namespace {

std::string print(const char* json, OutputForm form) {
  return format_result(boost::json::parse(json), form);
}

TEST(Output, JsonHasSortedMembersAndAnIndent) {
  EXPECT_EQ(print(R"({"b":[1,{"d":null,"c":true}],"a":"x\"y","e":{},"f":[]})", OutputForm::kJson),
            "{\n"
            "  \"a\": \"x\\\"y\",\n"
            "  \"b\": [\n"
            "    1,\n"
            "    {\n"
            "      \"c\": true,\n"
            "      \"d\": null\n"
            "    }\n"
            "  ],\n"
            "  \"e\": {},\n"
            "  \"f\": []\n"
            "}\n");
  EXPECT_EQ(print("[]", OutputForm::kJson), "[]\n");
}

TEST(Output, NothingIsPrintedForNothing) {
  for (const auto form : {OutputForm::kJson, OutputForm::kTsv, OutputForm::kTable}) {
    EXPECT_EQ(print("null", form), "");
  }
  EXPECT_EQ(print("{\"a\":1}", OutputForm::kNone), "");
}

TEST(Output, AStreamHasOneLineForEach) {
  const auto item = boost::json::parse(R"({"feedback":{"b":"y","a":[1,2]}})");
  EXPECT_EQ(format_stream_item(item, OutputForm::kJson),
            "{\"feedback\": {\"a\": [1, 2], \"b\": \"y\"}}\n");
}

TEST(Output, TsvHasValuesInTheOrderOfTheirNames) {
  EXPECT_EQ(print(R"({"connectionString":"HostName=h"})", OutputForm::kTsv), "HostName=h\n");
  EXPECT_EQ(print(R"([{"b":1,"a":"x","d":{"y":1},"c":[1,2],"e":null,"f":true},{"a":"z"}])",
                  OutputForm::kTsv),
            "x\t1\t2\t\tNone\tTrue\nz\n");
  EXPECT_EQ(print("[]", OutputForm::kTsv), "");
  EXPECT_EQ(print("true", OutputForm::kTsv), "true\n");
}

TEST(Output, ATableHasAHeaderAndALineEach) {
  EXPECT_EQ(print(R"([{"deviceId":"d1","etag":"e","count":7,"keys":{"a":1}},
                      {"deviceId":"device-2","extra":"ü"}])",
                  OutputForm::kTable),
            "Count  DeviceId  Extra\n"
            "-----  --------  -----\n"
            "7      d1\n"
            "       device-2  ü\n");
  EXPECT_EQ(print("[]", OutputForm::kTable), "");
}

TEST(Output, NoValueDrivesATerminal) {
  const char* json = R"([{"a":"x\ty\nz","b":"\u001b[31mred\u007f"}])";
  EXPECT_EQ(print(json, OutputForm::kTsv), "x y z\t?[31mred?\n");
  EXPECT_EQ(print(json, OutputForm::kTable).find('\x1b'), std::string::npos);
  EXPECT_EQ(print(json, OutputForm::kJson).find('\x1b'), std::string::npos);
}

TEST(Output, Forms) {
  EXPECT_EQ(parse_output_form("JSON"), OutputForm::kJson);
  EXPECT_EQ(parse_output_form("jsonc"), OutputForm::kJson);
  EXPECT_EQ(parse_output_form("tsv"), OutputForm::kTsv);
  EXPECT_EQ(parse_output_form("Table"), OutputForm::kTable);
  EXPECT_EQ(parse_output_form("none"), OutputForm::kNone);
  EXPECT_EQ(parse_output_form("yaml"), std::nullopt);
}

TEST(Output, NumbersAreReadable) {
  EXPECT_EQ(format_result(boost::json::array{887.138, 0.5, 3.0, 12}, OutputForm::kTsv),
            "887.138\n0.5\n3\n12\n");
  EXPECT_EQ(format_stream_item(boost::json::array{887.138, -1e-9}, OutputForm::kJson),
            "[887.138, -1e-09]\n");
}

TEST(Output, BytesThatAreNoTextArePrintable) {
  EXPECT_EQ(printable("gr\xC3\xBCn"), "gr\xC3\xBCn");
  EXPECT_EQ(printable("a\xFF\xC3z"), "a\xEF\xBF\xBD\xEF\xBF\xBDz");
}

}  // namespace
}  // namespace linarite::cli
