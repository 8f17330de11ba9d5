// Cloud-to-device messages and their feedback over REST (service-protocol 2.3, 2.6, 3.2, 5.8).
#include <gtest/gtest.h>

#include "gateway/http_gateway_fixture.h"

namespace linarite::gateway {
namespace {

constexpr char kFeedback[] = "/messages/serviceBound/feedback";

class HttpMessagesTest : public HttpGatewayFixture {
 protected:
  HttpMessagesTest() { put("d1"); }

  http::Response post(const std::string& body, const http::Headers& headers = {},
                      const std::string& id = "d1") {
    return call("POST", "/devices/" + id + "/messages/deviceBound",
                {.body = body, .headers = headers, .policy = "service"});
  }
  // What a device that connects now is given.
  wire::C2dMessage received() {
    hub::NotingLink link;
    connect("d1", link, 1);
    partition("d1").detach(link);
    return link.last;
  }
  http::Response take() { return call("GET", kFeedback, {.policy = "service"}); }
  std::string settle(const std::string& method, const std::string& path) {
    return outcome(call(method, kFeedback + path, {.policy = "service"}));
  }
};

TEST_F(HttpMessagesTest, AMessageWithEverything) {
  const auto response = post("body", {{"iothub-messageid", "m1"},
                                      {"iothub-correlationid", "c1"},
                                      {"iothub-userid", "u1"},
                                      {"iothub-to", "somewhere"},
                                      {"IoTHub-Ack", "PositiveOnly"},
                                      {"iothub-expiry", "2026-01-02T04:00:00Z"},
                                      {"Content-Type", "text/plain"},
                                      {"Content-Encoding", "utf-8"},
                                      {"iothub-app-One", "1"},
                                      {"IOTHUB-APP-two", ""}});
  EXPECT_EQ(response.status, 204);
  EXPECT_EQ(response.body, "");
  const wire::C2dMessage expected{
      .message_id = "m1",
      .correlation_id = "c1",
      .user_id = "u1",
      .to = "somewhere",
      .content_type = "text/plain",
      .content_encoding = "utf-8",
      .expiry = parse_iso8601("2026-01-02T04:00:00Z"),
      .ack = wire::Ack::kPositive,
      .properties = {{"One", "1"}, {"two", ""}},
      .body = "body",
  };
  EXPECT_EQ(received(), expected);
}

TEST_F(HttpMessagesTest, ABareMessage) {
  EXPECT_EQ(outcome(post("")), "204");
  EXPECT_EQ(received(), wire::C2dMessage{});
}

TEST_F(HttpMessagesTest, ExpiryMayBeADateOfHttp) {
  EXPECT_EQ(outcome(post("x", {{"iothub-expiry", "Fri, 02 Jan 2026 04:00:00 GMT"}})), "204");
  EXPECT_EQ(received().expiry, parse_iso8601("2026-01-02T04:00:00Z"));
}

TEST_F(HttpMessagesTest, Refusals) {
  EXPECT_EQ(outcome(post("x", {}, "nobody")), "404 DeviceNotFound");
  EXPECT_EQ(outcome(post("x", {{"iothub-ack", "maybe"}})), "400 ArgumentInvalid");
  EXPECT_EQ(outcome(post("x", {{"iothub-expiry", "soon"}})), "400 ArgumentInvalid");
  EXPECT_EQ(outcome(post("x", {{"iothub-expiry", "2001-01-01T00:00:00Z"}})),
            "403 InvalidMessageExpiryTime");
  EXPECT_EQ(outcome(post("x", {{"iothub-messageid", std::string(129, 'm')}})),
            "400 ArgumentInvalid");
  EXPECT_EQ(outcome(post("x", {{"iothub-messageid", "a"}, {"iothub-messageid", "b"}})),
            "400 ArgumentInvalid");
  EXPECT_EQ(outcome(post("x", {{"iothub-app-a", "1"}, {"iothub-app-a", "2"}})),
            "400 ArgumentInvalid");
  EXPECT_EQ(outcome(post("x", {{"iothub-app-", "1"}})), "400 ArgumentInvalid");
  EXPECT_EQ(outcome(post("x", {{"iothub-app-a", "\xff"}})), "400 ArgumentInvalid");
  EXPECT_EQ(outcome(post(std::string(65'536, 'x'), {{"iothub-app-a", "1"}})),
            "413 MessageTooLarge");
  EXPECT_EQ(outcome(post(std::string(65'537, 'x'))), "413 MessageTooLarge");
  EXPECT_EQ(json(get("/devices/d1")).at("cloudToDeviceMessageCount").to_number<int>(), 0);
}

TEST_F(HttpMessagesTest, ADisabledDeviceReadsAsNotFound) {
  put("d1", R"({"status":"disabled"})", {{"If-Match", "*"}});
  EXPECT_EQ(outcome(post("x")), "404 DeviceNotFound");
}

TEST_F(HttpMessagesTest, AFullQueue) {
  for (int i = 0; i < 50; ++i) ASSERT_EQ(outcome(post("x")), "204");
  EXPECT_EQ(outcome(post("x")), "403 DeviceMaximumQueueDepthExceeded");
}

TEST_F(HttpMessagesTest, Purge) {
  post("x");
  post("y");
  EXPECT_EQ(call("DELETE", "/devices/d1/commands").body,
            R"({"totalMessagesPurged":2,"deviceId":"d1","moduleId":null})");
  EXPECT_EQ(call("DELETE", "/devices/d1/commands").body,
            R"({"totalMessagesPurged":0,"deviceId":"d1","moduleId":null})");
  EXPECT_EQ(outcome(call("DELETE", "/devices/nobody/commands")), "404 DeviceNotFound");
}

TEST_F(HttpMessagesTest, FeedbackIsTakenAndCompleted) {
  EXPECT_EQ(outcome(take()), "204");
  post("x", {{"iothub-messageid", "m1"}, {"iothub-ack", "full"}});
  call("DELETE", "/devices/d1/commands");
  const auto batch = take();
  EXPECT_EQ(batch.status, 200);
  const std::string generation = HubFixture::get("d1")->identity.generation_id;
  EXPECT_EQ(batch.body, R"([{"originalMessageId":"m1","description":"Purged",)"
                        R"("deviceGenerationId":")" +
                            generation +
                            R"(","deviceId":"d1","enqueuedTimeUtc":"2026-01-02T03:04:05.0000000Z",)"
                            R"("statusCode":"Purged"}])");
  const std::string token(*batch.headers.find("iothub-messagelocktoken"));
  EXPECT_EQ(token.size(), 32U);
  EXPECT_EQ(batch.headers.find("ETag"), "\"" + token + "\"");
  EXPECT_EQ(outcome(take()), "204") << "it is locked";

  EXPECT_EQ(settle("POST", "/" + token + "/abandon"), "204");
  EXPECT_EQ(settle("DELETE", "/" + token), "412 DeviceMessageLockLost");
  const std::string again(*take().headers.find("iothub-messagelocktoken"));
  EXPECT_EQ(settle("DELETE", "/" + again), "204");
  EXPECT_EQ(settle("DELETE", "/" + again), "412 DeviceMessageLockLost");
  EXPECT_EQ(outcome(take()), "204");
}

TEST_F(HttpMessagesTest, TokensThatAreNone) {
  for (const char* token :
       {"/x", "/00000000000000000000000000000000", "/zz000000000000000000000000000000",
        "/-1000000000000000000000000000000", "/000000000000000000000000000000000"}) {
    EXPECT_EQ(settle("DELETE", token), "412 DeviceMessageLockLost") << token;
    EXPECT_EQ(settle("POST", std::string(token) + "/abandon"), "412 DeviceMessageLockLost");
  }
}

TEST_F(HttpMessagesTest, FeedbackOfEachOutcomeIsOneWordTwice) {
  hub::NotingLink link;
  post("x", {{"iothub-messageid", "m1"}, {"iothub-ack", "full"}});
  connect("d1", link);
  complete("d1", link, 0);
  const auto record = json(take()).at(0);
  EXPECT_EQ(record.at("statusCode"), "Success");
  EXPECT_EQ(record.at("description"), "Success");
  partition("d1").detach(link);
}

}  // namespace
}  // namespace linarite::gateway
