#include "wire/error_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <map>
#include <set>

#include "wire/error_body.h"

namespace linarite::wire {
namespace {

using enum ErrorCode;

// Every enumerator of ErrorCode. A new one makes the compiler ask for it here (-Wswitch), and the
// test below then asks for its row.
bool is_listed(ErrorCode code) {
  switch (code) {
    case kStoreReadOnly:
    case kStoreCorrupt:
    case kStoreFormat:
    case kStoreInUse:
    case kShuttingDown:
    case kIoError:
    case kMalformed:
    case kLimitExceeded:
    case kMasterKeyUnusable:
    case kGenericBadRequest:
    case kInvalidProtocolVersion:
    case kInvalidOperation:
    case kArgumentInvalid:
    case kArgumentNull:
    case kIotHubFormatError:
    case kDeserializationError:
    case kConnectionForcefullyClosedOnNewConnection:
    case kIotHubNotFound:
    case kIotHubUnauthorizedAccess:
    case kIotHubUnauthorized:
    case kIotHubQuotaExceeded:
    case kDeviceMaximumQueueDepthExceeded:
    case kIotHubMaxCbsTokenExceeded:
    case kDeviceMaximumQueueSizeExceeded:
    case kInvalidMessageExpiryTime:
    case kDeviceDisabled:
    case kGenericNotFound:
    case kDeviceNotFound:
    case kAmqpAddressNotFound:
    case kModuleNotFound:
    case kDeviceNotOnline:
    case kDeviceConnectionClosedRemotely:
    case kGenericMethodNotAllowed:
    case kGenericConflict:
    case kDeviceAlreadyExists:
    case kPreconditionFailed:
    case kDeviceMessageLockLost:
    case kGenericRequestEntityTooLarge:
    case kMessageTooLarge:
    case kTooManyDevices:
    case kGenericUnsupportedMediaType:
    case kThrottlingException:
    case kServerError:
    case kGenericTimeout:
    case kNotImplemented:
    case kServiceUnavailable:
      return true;
  }
  return false;
}

TEST(ErrorTable, HasARowForEveryCodeFrom400000On) {
  std::set<int> listed;
  for (int number = 400000; number < 600000; ++number) {
    if (is_listed(static_cast<ErrorCode>(number))) listed.insert(number);
  }
  std::set<int> rows;
  for (const ErrorRow& row : error_rows()) rows.insert(row.number());
  EXPECT_EQ(rows, listed);
}

TEST(ErrorTable, StatusIsTheFirstThreeDigits) {
  for (const ErrorRow& row : error_rows()) {
    EXPECT_EQ(row.http_status, row.number() / 1000) << row.name;
    EXPECT_EQ(row.text.find(';'), std::string_view::npos) << row.name;
    EXPECT_FALSE(row.text.empty()) << row.name;
    EXPECT_EQ(&error_row(row.code), &row);
  }
}

TEST(ErrorTable, NamesAreAzures) {
  EXPECT_EQ(error_row(kDeviceNotFound).name, "DeviceNotFound");
  EXPECT_EQ(error_row(kDeviceNotFound).number(), 404001);
  EXPECT_EQ(error_row(kIotHubUnauthorizedAccess).name, "IotHubUnauthorizedAccess");
  EXPECT_EQ(error_row(kPreconditionFailed).amqp_condition, "com.microsoft:precondition-failed");
}

TEST(ErrorTable, OurCodesLeaveAsUnavailableOrServerError) {
  const std::map<ErrorCode, int> expected{
      {kStoreReadOnly, 503001}, {kStoreInUse, 503001},    {kShuttingDown, 503001},
      {kIoError, 503001},       {kLimitExceeded, 503001}, {kStoreCorrupt, 500001},
      {kStoreFormat, 500001},   {kMalformed, 500001},     {kMasterKeyUnusable, 500001}};
  for (const auto& [code, number] : expected) {
    EXPECT_EQ(error_row(code).number(), number) << static_cast<int>(code);
  }
  for (int number = 1; number < 1000; ++number) {
    EXPECT_GE(error_row(static_cast<ErrorCode>(number)).number(), 500001);
  }
}

TEST(ErrorTable, AnUnknownNumberIsAServerError) {
  EXPECT_EQ(error_row(static_cast<ErrorCode>(499999)).code, kServerError);
  EXPECT_EQ(error_row(static_cast<ErrorCode>(-1)).code, kServerError);
}

struct C2dCase {
  ErrorCode code;
  int number;
  std::string_view condition;
};

TEST(C2dSendErrorRow, FollowsTheOutcomeTable) {  // service-protocol 2.3
  const C2dCase cases[] = {
      {kDeviceNotFound, 404001, "amqp:not-found"},
      {kModuleNotFound, 404010, "amqp:not-found"},
      {kDeviceDisabled, 404001, "amqp:not-found"},
      {kDeviceMaximumQueueDepthExceeded, 403004, "amqp:resource-limit-exceeded"},
      {kDeviceMaximumQueueSizeExceeded, 403007, "amqp:resource-limit-exceeded"},
      {kMessageTooLarge, 413001, "amqp:link:message-size-exceeded"},
      {kInvalidMessageExpiryTime, 403009, "com.microsoft:argument-error"},
      {kArgumentInvalid, 400004, "com.microsoft:argument-error"},
      {kInvalidOperation, 400003, "amqp:not-allowed"},
      {kIotHubUnauthorized, 401003, "amqp:unauthorized-access"},
      {kThrottlingException, 429001, "com.microsoft:device-container-throttled"},
      {kIotHubQuotaExceeded, 403002, "com.microsoft:quota-exceeded"},
      {kServerError, 500001, "amqp:internal-error"},
      {kServiceUnavailable, 503001, "com.microsoft:timeout"},
      {kGenericTimeout, 503001, "com.microsoft:timeout"},
      {kStoreReadOnly, 503001, "com.microsoft:timeout"},
      {kShuttingDown, 503001, "com.microsoft:timeout"},
      {kStoreCorrupt, 500001, "amqp:internal-error"},
  };
  for (const C2dCase& c : cases) {
    EXPECT_EQ(c2d_send_error_row(c.code).number(), c.number);
    EXPECT_EQ(c2d_send_error_row(c.code).amqp_condition, c.condition);
  }
}

const WallTime kNow = std::chrono::sys_days{std::chrono::year{2018} / 11 / 7} +
                      std::chrono::hours(9) + std::chrono::minutes(22) +
                      std::chrono::milliseconds(57605);

TEST(TrackingId, HasAzuresForm) {
  SeededRandom random(1);
  EXPECT_THAT(make_tracking_id(random, kNow),
              ::testing::MatchesRegex("[0-9a-f]+-G:0-TimeStamp:11/07/2018 09:22:57"));
  EXPECT_EQ(make_tracking_id(random, kNow).size(), 32U + 34U);
}

TEST(ErrorBody, FormA) {
  EXPECT_EQ(error_body({kDeviceAlreadyExists, "Conflict"}, "ab-G:0-TimeStamp:07/16/2016 00:12:41"),
            R"({"Message":"ErrorCode:DeviceAlreadyExists;Conflict",)"
            R"("ExceptionMessage":"Tracking ID:ab-G:0-TimeStamp:07/16/2016 00:12:41"})");
}

TEST(ErrorBody, TextHasNoSemicolonAndIsEscaped) {
  EXPECT_EQ(
      error_body({kArgumentInvalid, "a;b\"c\n"}, "t"),
      R"({"Message":"ErrorCode:ArgumentInvalid;a,b\"c\n","ExceptionMessage":"Tracking ID:t"})");
}

TEST(ErrorBody, UsesTheTableTextWhenThereIsNoUsableMessage) {
  EXPECT_EQ(error_body({kIotHubUnauthorizedAccess, ""}, "t"),
            R"({"Message":"ErrorCode:IotHubUnauthorizedAccess;Unauthorized",)"
            R"("ExceptionMessage":"Tracking ID:t"})");
  EXPECT_EQ(error_body({kIotHubUnauthorizedAccess, "\xFF"}, "t"),
            error_body({kIotHubUnauthorizedAccess, ""}, "t"));
}

TEST(ErrorBody, DoesNotShowWhatWentWrongInside) {
  EXPECT_EQ(error_body({kStoreCorrupt, "/var/lib/linarite: checksum"}, "t"),
            error_body({kServerError, ""}, "t"));
}

TEST(ErrorBody, FormBIsJsonInsideJson) {
  const std::string body = method_error_body({kDeviceNotOnline, ""}, "dde6-G:11", kNow);
  EXPECT_EQ(body, R"({"Message":"{\"errorCode\":404103,\"trackingId\":\"dde6-G:11\",)"
                  R"(\"message\":\"Timed out waiting for device to connect.\",)"
                  R"(\"timestampUtc\":\"2018-11-07T09:22:57.6050000Z\"}","ExceptionMessage":""})");
  const auto outer = boost::json::parse(body);
  const auto inner = boost::json::parse(outer.at("Message").as_string());
  EXPECT_EQ(inner.at("errorCode").as_int64(), 404103);
}

}  // namespace
}  // namespace linarite::wire
