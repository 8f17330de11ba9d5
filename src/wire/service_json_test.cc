#include "wire/service_json.h"

#include <gtest/gtest.h>

namespace linarite::wire {
namespace {

using std::chrono::milliseconds;

TEST(StatisticsJson, HasAzuresMembers) {
  EXPECT_EQ(device_statistics_json(3, 2, 1),
            R"({"totalDeviceCount":3,"enabledDeviceCount":2,"disabledDeviceCount":1})");
  EXPECT_EQ(service_statistics_json(7), R"({"connectedDeviceCount":7})");
}

TEST(PurgeJson, NamesTheModuleOnlyIfThereIsOne) {
  EXPECT_EQ(purge_json(5, {"d1", ""}),
            R"({"totalMessagesPurged":5,"deviceId":"d1","moduleId":null})");
  EXPECT_EQ(purge_json(0, {"d1", "m1"}),
            R"({"totalMessagesPurged":0,"deviceId":"d1","moduleId":"m1"})");
}

const FeedbackRecord kRecord{.original_message_id = "m\"1",
                             .enqueued = WallTime{milliseconds(1438100184789)},
                             .status = FeedbackStatus::kDeliveryCountExceeded,
                             .device_id = "d1",
                             .device_generation_id = "635",
                             .module_id = ""};

TEST(FeedbackJson, DescriptionIsTheStatusWord) {
  EXPECT_EQ(feedback_json({{kRecord}}),
            R"([{"originalMessageId":"m\"1","enqueuedTimeUtc":"2015-07-28T16:16:24.7890000Z",)"
            R"("statusCode":"DeliveryCountExceeded","description":"DeliveryCountExceeded",)"
            R"("deviceId":"d1","deviceGenerationId":"635"}])");
}

TEST(FeedbackJson, EveryStatusHasItsWord) {
  EXPECT_EQ(feedback_word(FeedbackStatus::kSuccess), "Success");
  EXPECT_EQ(feedback_word(FeedbackStatus::kExpired), "Expired");
  EXPECT_EQ(feedback_word(FeedbackStatus::kDeliveryCountExceeded), "DeliveryCountExceeded");
  EXPECT_EQ(feedback_word(FeedbackStatus::kRejected), "Rejected");
  EXPECT_EQ(feedback_word(FeedbackStatus::kPurged), "Purged");
}

TEST(FeedbackJson, WhatItWritesItReads) {
  FeedbackRecord module = kRecord;
  module.module_id = "m1";
  module.status = FeedbackStatus::kPurged;
  module.original_message_id = "";
  const std::vector<FeedbackRecord> records{kRecord, module};
  EXPECT_EQ(parse_feedback(feedback_json(records)), records);
  EXPECT_EQ(feedback_json({}), "[]");
  EXPECT_EQ(parse_feedback("[]"), std::vector<FeedbackRecord>{});
}

TEST(ParseFeedback, IsTolerantWithNamesAndExtraMembers) {
  const auto records = parse_feedback(
      R"([{"EnqueuedTimeUtc":"2015-07-28T16:24:48.789Z","StatusCode":"success","DeviceId":"d",)"
      R"("Description":null,"x":[1]}])");
  ASSERT_TRUE(records);
  EXPECT_EQ(records->at(0).status, FeedbackStatus::kSuccess);
  EXPECT_EQ(records->at(0).device_id, "d");
}

TEST(ParseFeedback, RefusesOtherThings) {
  for (const char* json :
       {"{}", "null", "[1]", "[{}]",
        R"([{"enqueuedTimeUtc":"2015-07-28T16:24:48Z","statusCode":"Success"}])",
        R"([{"enqueuedTimeUtc":"yesterday","statusCode":"Success","deviceId":"d"}])",
        R"([{"enqueuedTimeUtc":"2015-07-28T16:24:48Z","statusCode":"Fine","deviceId":"d"}])",
        R"([{"enqueuedTimeUtc":"2015-07-28T16:24:48Z","statusCode":0,"deviceId":"d"}])"}) {
    const auto records = parse_feedback(json);
    ASSERT_FALSE(records) << json;
    EXPECT_EQ(records.error().code, ErrorCode::kArgumentInvalid) << json;
  }
  EXPECT_EQ(parse_feedback("[").error().code, ErrorCode::kIotHubFormatError);
  EXPECT_EQ(parse_feedback(std::string(kFeedbackJsonSizeMax + 1, ' ')).error().code,
            ErrorCode::kGenericRequestEntityTooLarge);
  std::string many = "[1";
  for (size_t i = 0; i < kFeedbackRecordsMax; ++i) many += ",1";
  EXPECT_EQ(parse_feedback(many + "]").error().code, ErrorCode::kArgumentInvalid);
}

}  // namespace
}  // namespace linarite::wire
