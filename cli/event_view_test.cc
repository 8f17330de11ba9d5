#include "cli/event_view.h"

#include <gmock/gmock.h>

#include <boost/json.hpp>

namespace linarite::cli {
namespace {

using ::testing::StartsWith;

event one_event() {
  event out;
  out.content = message("{\"wind\": 12}");
  out.content.content_type = "application/json";
  out.content.message_id = "m1";
  out.content.properties = {{"color", "red\xFF"}};
  out.device_id = "d1";
  out.partition = 2;
  out.sequence_number = 7;
  out.enqueued = wall_time(std::chrono::seconds(1'700'000'000));
  out.annotations = {{"iothub-connection-device-id", "d1"},
                     {"dt-subject", "thermostat"},
                     {"x-opt-sequence-number", std::int64_t{7}}};
  return out;
}

boost::json::value shown(std::vector<std::string> words, std::string type = {},
                         OutputForm form = OutputForm::kJson) {
  return EventView::of(words, std::move(type))->shown(one_event(), form);
}

TEST(EventView, Ids) {
  EXPECT_TRUE(matches_id("", "anything"));
  EXPECT_TRUE(matches_id("d1", "d1"));
  EXPECT_FALSE(matches_id("d1", "d11"));
  EXPECT_FALSE(matches_id("d1", "D1"));
  EXPECT_TRUE(matches_id("*", ""));
  EXPECT_TRUE(matches_id("d*", "d"));
  EXPECT_TRUE(matches_id("*a*b", "xaxbxb"));
  EXPECT_FALSE(matches_id("*a*b", "xaxbxc"));
  EXPECT_TRUE(matches_id("d?", "d1"));
  EXPECT_FALSE(matches_id("d?", "d"));
  EXPECT_FALSE(matches_id("d.", "d1")) << "it is no regular expression";
}

TEST(EventView, TheInterfaceIsTheModelsId) {
  event one;
  EXPECT_EQ(interface_of(one), "");
  one.annotations.emplace_back("dt-dataschema", "dtmi:com:example:Thermostat;1");
  EXPECT_EQ(interface_of(one), "dtmi:com:example:Thermostat;1");
}

TEST(EventView, AsAzShowsIt) {
  EXPECT_EQ(shown({}), boost::json::parse(R"({"event": {"origin": "d1", "module": "",
      "interface": "", "component": "thermostat", "payload": {"wind": 12}}})"));
}

TEST(EventView, WhatIsAskedFor) {
  const auto all = shown({"all"}).at("event").as_object();
  EXPECT_EQ(all.at("properties"), boost::json::parse(R"({"application": {"color": "red\uFFFD"},
      "system": {"content_type": "application/json", "message_id": "m1"}})"));
  EXPECT_EQ(all.at("annotations").at("x-opt-sequence-number"), 7);
  const auto some = shown({"SYS", "app"}).at("event").as_object();
  EXPECT_FALSE(some.contains("annotations"));
  EXPECT_EQ(some.at("properties").as_object().size(), 2U);
  EXPECT_EQ(shown({"anno"}).at("event").at("properties"), boost::json::object());
  EXPECT_THAT(EventView::of({"most"}, {}).error().message, StartsWith("--properties: 'most'"));
}

TEST(EventView, TheTypeOfThePayload) {
  EXPECT_EQ(shown({}, "text/plain").at("event").at("payload"), "{\"wind\": 12}");
  event damaged = one_event();
  damaged.content.set_body("{\"wind\xFF");
  EXPECT_EQ(EventView().shown(damaged, OutputForm::kJson).at("event").at("payload"),
            "{\"wind\xEF\xBF\xBD");
}

TEST(EventView, AsALine) {
  EXPECT_EQ(shown({}, {}, OutputForm::kTsv), boost::json::parse(R"({"origin": "d1", "partition": 2,
      "sequenceNumber": 7, "enqueued": "2023-11-14T22:13:20.0000000Z",
      "payload": "{\"wind\": 12}"})"));
}

}  // namespace
}  // namespace linarite::cli
