// Devices and feedback as JSON.
#include <gmock/gmock.h>
#include <linarite/feedback.h>
#include <linarite/registry.h>

#include <chrono>

#include "sdk/registry_json.h"

namespace linarite {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

device everything() {
  return {.device_id = "d1",
          .status = device_status::disabled,
          .status_reason = "on \"trial\"",
          .authentication = authentication_type::self_signed,
          .primary_key = "cA==",
          .secondary_key = "cw==",
          .primary_thumbprint = "AA",
          .secondary_thumbprint = "BB",
          .iot_edge = true,
          .device_scope = "scope",
          .parent_scopes = {"p1", "p2"},
          .etag = "e1",
          .generation_id = "7",
          .connected = true,
          .cloud_to_device_message_count = 3,
          .connection_state_updated = wall_time(std::chrono::milliseconds(1'700'000'000'001)),
          .status_updated = wall_time(std::chrono::milliseconds(1'700'000'000'002)),
          .last_activity = wall_time(std::chrono::milliseconds(1'700'000'000'003))};
}

std::string refusal(const std::string& text) {
  error problem;
  device::from_json(text, problem);
  return problem == errc::invalid_argument ? problem.message() : "not refused";
}

TEST(DeviceAsJson, SurvivesTheWayThereAndBack) {
  EXPECT_EQ(device::from_json(to_json(everything())), everything());
  const device bare{.device_id = "d"};
  EXPECT_EQ(device::from_json(to_json(bare)), bare);
  EXPECT_THAT(to_json(bare), HasSubstr(R"("lastActivityTime":"0001-01-01T00:00:00")"));
}

TEST(DeviceAsJson, NamesAndWordsIgnoreCaseAndTheUnknownIsPassedOver) {
  const device read = device::from_json(
      R"({"DeviceID":"d","Status":"Disabled","later":[1],"authentication":{"type":"SELFSIGNED"}})");
  EXPECT_EQ(read.status, device_status::disabled);
  EXPECT_EQ(read.authentication, authentication_type::self_signed);
}

TEST(DeviceAsJson, WhatDoesNotFitIsNamed) {
  EXPECT_THAT(refusal("[]"), EndsWith("it is no object"));
  EXPECT_THAT(refusal("{"), HasSubstr("JSON"));
  EXPECT_THAT(refusal("{}"), EndsWith("deviceId is missing"));
  EXPECT_THAT(refusal(R"({"deviceId":"d","status":"off"})"), HasSubstr("status"));
  EXPECT_THAT(refusal(R"({"deviceId":"d","capabilities":{"iotEdge":"yes"}})"),
              HasSubstr("capabilities.iotEdge"));
  EXPECT_THAT(refusal(R"({"deviceId":"d","authentication":{"type":"magic"}})"), HasSubstr("type"));
  EXPECT_THAT(refusal(R"({"deviceId":"d","authentication":{"symmetricKey":{"primaryKey":5}}})"),
              HasSubstr("symmetricKey.primaryKey"));
  EXPECT_THAT(refusal(R"({"deviceId":"d","parentScopes":["a",5]})"), HasSubstr("parentScopes"));
  EXPECT_THROW(device::from_json("{}"), exception);
}

TEST(DeviceAsJson, ButAHubsAnswerMayHaveNewWords) {
  const auto read = sdk::parse_device(R"({"deviceId":"d","status":"resting","etag":"e"})");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->status, device_status::enabled);
  EXPECT_EQ(read->etag, "e");
  EXPECT_FALSE(sdk::parse_device(R"({"status":"enabled"})"));
}

TEST(DeviceAsJson, ARequestKeepsWhatWasRead) {
  const Bytes request = sdk::device_request_json(everything());
  for (const char* part : {R"("iotEdge":true)", R"("deviceScope":"scope")", R"("p1","p2")"}) {
    EXPECT_THAT(request, HasSubstr(part));
  }
  EXPECT_THAT(request, ::testing::Not(HasSubstr("etag")));
}

TEST(FeedbackAsJson, IsThatOfTheHub) {
  const feedback_record record{.message_id = "m1",
                               .status = feedback_status::purged,
                               .device_id = "d1",
                               .device_generation_id = "7",
                               .when = wall_time(std::chrono::milliseconds(1'700'000'000'001))};
  EXPECT_EQ(to_json(record),
            R"({"originalMessageId":"m1","enqueuedTimeUtc":"2023-11-14T22:13:20.0010000Z",)"
            R"("statusCode":"Purged","description":"Purged","deviceId":"d1",)"
            R"("deviceGenerationId":"7"})");
}

}  // namespace
}  // namespace linarite
