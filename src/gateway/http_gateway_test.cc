// What all calls of the REST API share: routes, rights, versions, error bodies, connections.
#include "gateway/http_gateway.h"

#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>

#include "gateway/http_gateway_fixture.h"
#include "gateway/http_routes.h"
#include "http/server_connection.h"

namespace linarite::gateway {
namespace {

class HttpGatewayTest : public HttpGatewayFixture {};

TEST_F(HttpGatewayTest, EveryResponseNamesItself) {
  const auto response = put("d1");
  EXPECT_EQ(response.headers.find("Date"), "Fri, 02 Jan 2026 03:04:05 GMT");
  EXPECT_EQ(response.headers.find("x-ms-request-id")->size(), 36U);
  EXPECT_EQ(response.headers.find("Cache-Control"), "no-store");
}

TEST_F(HttpGatewayTest, ErrorsHaveOneForm) {
  const auto response = get("/devices/nobody");
  EXPECT_EQ(response.status, 404);
  EXPECT_EQ(response.headers.find("iothub-errorcode"), "DeviceNotFound");
  const auto body = json(response);
  EXPECT_TRUE(body.at("Message").as_string().starts_with("ErrorCode:DeviceNotFound;"));
  EXPECT_TRUE(body.at("ExceptionMessage").as_string().ends_with("-TimeStamp:01/02/2026 03:04:05"));
}

TEST_F(HttpGatewayTest, PathsInEveryForm) {
  put("d1");
  for (const char* path : {"/devices/d1", "/Devices/d1", "/devices/d1/", "/devices/%64%31",
                           "/devices%2Fd1", "/devices%2fd1%2f"}) {
    EXPECT_EQ(outcome(get(path)), "200") << path;
  }
  EXPECT_EQ(outcome(get("/devices/D1")), "404 DeviceNotFound");
}

TEST_F(HttpGatewayTest, PathsThatAreNotThere) {
  EXPECT_EQ(outcome(get("/nothing")), "404 GenericNotFound");
  EXPECT_EQ(outcome(get("/")), "404 GenericNotFound");
  EXPECT_EQ(outcome(get("/devices/d1/more")), "404 GenericNotFound");
  EXPECT_EQ(outcome(get("/devices/../devices")), "400 GenericBadRequest");
  EXPECT_EQ(outcome(get("/devices//d1")), "400 GenericBadRequest");
  EXPECT_EQ(outcome(get("/devices/%00")), "400 GenericBadRequest");
  EXPECT_EQ(outcome(get("/devices/%c0%af")), "400 GenericBadRequest");
}

TEST_F(HttpGatewayTest, MethodsThatDoNotFitThePath) {
  const auto response = call("POST", "/devices/d1");
  EXPECT_EQ(outcome(response), "405 GenericMethodNotAllowed");
  EXPECT_EQ(response.headers.find("Allow"), "GET, PUT, DELETE");
  EXPECT_EQ(outcome(call("BREW", "/statistics/devices")), "405 GenericMethodNotAllowed");
}

TEST_F(HttpGatewayTest, DeviceIdsOutsideOfTheAlphabetAreRefused) {
  for (const std::string& id :
       {std::string("with%20space"), std::string("slash%2Finside"), std::string("%C3%BCmlaut"),
        std::string(129, 'a'), std::string("a%22b")}) {
    EXPECT_EQ(outcome(put(id)), "400 ArgumentInvalid") << id;
  }
  EXPECT_EQ(outcome(put(std::string(128, 'a'))), "200");
  EXPECT_EQ(outcome(put("A.b-c_d%25e*f%3Fg!h(i)j,k:l=m@n$o'p")), "200");
}

// An operation that this hub lacks says so, with or without a token: 501, never a success.
TEST_F(HttpGatewayTest, OperationsThatAreMissingSaySo) {
  for (const HttpRoute& route : http_routes()) {
    if (route.operation != nullptr || route.websocket) continue;
    EXPECT_EQ(
        outcome(call(std::string(route.method), std::string(route.pattern), {.token = "none"})),
        "501 NotImplemented")
        << route.method << route.pattern;
  }
}

TEST_F(HttpGatewayTest, PatchMayComeAsAPostThatSaysSo) {
  EXPECT_EQ(outcome(call("POST", "/twins/d1", {.headers = {{"X-HTTP-Method-Override", "PATCH"}}})),
            "501 NotImplemented");
  EXPECT_EQ(outcome(call("POST", "/twins/d1")), "405 GenericMethodNotAllowed");
  EXPECT_EQ(
      outcome(call("POST", "/devices/d1", {.headers = {{"X-HTTP-Method-Override", "DELETE"}}})),
      "405 GenericMethodNotAllowed");
}

TEST_F(HttpGatewayTest, HeadIsNotAnotherGet) {
  stream_->receive(bytes_of("HEAD", "/devices"));
  run();
  EXPECT_TRUE(stream_->take_sent().starts_with("HTTP/1.1 405 "));
}

TEST_F(HttpGatewayTest, ApiVersionIsAskedFor) {
  for (const char* query : {"?", "?api-version=", "?api-version=latest", "?api-version=1999-01-01",
                            "?api-version=2021-13-01", "?api-version=2021-04-12-beta",
                            "?api-version=2021-4-12", "?api-version=20210412"}) {
    EXPECT_EQ(outcome(get(std::string("/devices") + query)), "400 InvalidProtocolVersion") << query;
  }
  for (const char* query : {"?api-version=2016-02-03", "?api-version=2021-04-12-preview",
                            "?API-Version=2024-03-31", "?top=1&api-version=2030-12-31"}) {
    EXPECT_EQ(outcome(get(std::string("/devices") + query)), "200") << query;
  }
}

TEST_F(HttpGatewayTest, TokensThatAreWrong) {
  put("d1");
  const std::string good = policy_token("iothubowner");
  const std::string device = device_token(*HubFixture::get("d1"));
  for (const std::string& token : {std::string("none"), std::string("Bearer x"),
                                   std::string("SharedAccessSignature"), good + "x", device}) {
    EXPECT_EQ(outcome(call("GET", "/devices/d1", {.token = token})),
              "401 IotHubUnauthorizedAccess");
  }
  EXPECT_EQ(
      outcome(call("GET", "/devices/d1", {.headers = {{"Authorization", good}}, .token = good})),
      "401 IotHubUnauthorizedAccess");
  EXPECT_EQ(outcome(call("GET", "/devices/d1", {.token = good})), "200");
  advance(std::chrono::hours(2));
  EXPECT_EQ(outcome(call("GET", "/devices/d1", {.token = good})), "401 IotHubUnauthorizedAccess");
}

// A token that was accepted on a connection is compared with the one of the next request; what may
// have changed since is looked at again.
TEST_F(HttpGatewayTest, AnAcceptedTokenEndsWithItsKeyAndItsTime) {
  put("d1");
  const std::string token = policy_token("iothubowner");
  const auto read = [&] { return outcome(call("GET", "/devices/d1", {.token = token})); };
  const auto counts_refusals = [&](int count) {
    const std::string line = "linarite_authentication_failures_total " + std::to_string(count);
    return prometheus::TextSerializer().Serialize(registry_->Collect()).contains(line + "\n");
  };
  EXPECT_EQ(read(), "200");
  EXPECT_EQ(read(), "200");
  EXPECT_EQ(outcome(call("GET", "/devices/d1", {.token = token + "x"})),
            "401 IotHubUnauthorizedAccess");
  EXPECT_EQ(outcome(call("GET", "/devices/d1", {.policy = "device"})), "401 IotHubUnauthorized");
  EXPECT_EQ(read(), "200");
  const auto renewed = wait<Result<hub::Policy>>([&](auto reply) {
    hub_->renew_policy_key("iothubowner", hub::Hub::WhichKey::kPrimary, std::move(reply));
  });
  ASSERT_TRUE(renewed);
  EXPECT_TRUE(counts_refusals(1));
  EXPECT_EQ(read(), "401 IotHubUnauthorizedAccess");
  EXPECT_TRUE(counts_refusals(2)) << "like one that was never accepted";
  const std::string next = policy_token("iothubowner");
  EXPECT_EQ(outcome(call("GET", "/devices/d1", {.token = next})), "200");
  advance(std::chrono::hours(25));
  EXPECT_EQ(outcome(call("GET", "/devices/d1", {.token = next})), "401 IotHubUnauthorizedAccess");
  EXPECT_TRUE(counts_refusals(3));
}

TEST_F(HttpGatewayTest, RightsOfTheDefaultPolicies) {
  put("d1");
  const auto may = [&](const char* method, const char* target) {
    std::string who;
    for (const char* policy :
         {"iothubowner", "service", "device", "registryRead", "registryReadWrite"}) {
      const std::string result = outcome(call(method, target, {.policy = policy}));
      if (result != "401 IotHubUnauthorized") who += std::string(policy) + " ";
    }
    return who;
  };
  EXPECT_EQ(may("GET", "/devices/d1"), "iothubowner registryRead registryReadWrite ");
  EXPECT_EQ(may("GET", "/devices"), "iothubowner registryRead registryReadWrite ");
  EXPECT_EQ(may("PUT", "/devices/d1"), "iothubowner registryReadWrite ");
  EXPECT_EQ(may("DELETE", "/devices/d2"), "iothubowner registryReadWrite ");
  EXPECT_EQ(may("POST", "/devices/d1/messages/devicebound"), "iothubowner service ");
  EXPECT_EQ(may("DELETE", "/devices/d1/commands"), "iothubowner service ");
  EXPECT_EQ(may("GET", "/messages/servicebound/feedback"), "iothubowner service ");
  EXPECT_EQ(may("DELETE", "/messages/servicebound/feedback/00"), "iothubowner service ");
  EXPECT_EQ(may("POST", "/messages/servicebound/feedback/00/abandon"), "iothubowner service ");
}

TEST_F(HttpGatewayTest, ATokenForOneDeviceDoesNotReachAnother) {
  put("d1");
  put("d2");
  const std::string token = policy_token("iothubowner", "127.0.0.1/devices/d1");
  EXPECT_EQ(outcome(call("GET", "/devices/d1", {.token = token})), "200");
  EXPECT_EQ(outcome(call("GET", "/devices/d2", {.token = token})), "401 IotHubUnauthorized");
  EXPECT_EQ(outcome(call("GET", "/devices", {.token = token})), "401 IotHubUnauthorized");
}

TEST_F(HttpGatewayTest, NothingIsAnsweredBeforeItIsDurable) {
  store_.hold_commits(true);
  stream_->receive(bytes_of("PUT", "/devices/d1", {.body = "{}"}));
  run();
  EXPECT_EQ(answer().status, 0);
  store_.flush();
  run();
  EXPECT_EQ(answer().status, 200);
}

TEST_F(HttpGatewayTest, AStoreThatTakesNoWritesIsUnavailable) {
  store_.fail_next_sync({ErrorCode::kIoError, "no space"});
  EXPECT_EQ(outcome(put("d1")), "503 ServiceUnavailable");
  EXPECT_EQ(outcome(put("d2")), "503 ServiceUnavailable");
  EXPECT_EQ(outcome(get("/devices/d1")), "404 DeviceNotFound");
}

TEST_F(HttpGatewayTest, PipelinedRequestsAreAnsweredInOrder) {
  stream_->receive(bytes_of("PUT", "/devices/d1", {.body = "{}"}) + bytes_of("GET", "/devices/d1") +
                   bytes_of("DELETE", "/devices/d1") + bytes_of("GET", "/devices/d1"));
  EXPECT_TRUE(stream_->paused());
  run();
  for (const int status : {200, 200, 204, 404}) EXPECT_EQ(answer().status, status);
  EXPECT_FALSE(stream_->paused());
}

TEST_F(HttpGatewayTest, ALongPipelineIsServedWithoutRecursion) {
  std::string pipeline;
  while (pipeline.size() < http::kUnreadMax - 1000) pipeline += "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
  stream_->receive(pipeline);
  run();
  EXPECT_EQ(answer().status, 404);
  std::string valid;
  for (int i = 0; i < 500; ++i) valid += bytes_of("GET", "/devices/nobody");
  unread_.clear();
  stream_->receive(valid);
  run();
  for (int i = 0; i < 500; ++i) ASSERT_EQ(answer().status, 404);
}

TEST_F(HttpGatewayTest, APeerThatDoesNotReadIsNotReadFrom) {
  stream_->stall(true);
  std::string pipeline;
  while (pipeline.size() < (size_t{64} << 10U)) pipeline += "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
  stream_->receive(pipeline);
  EXPECT_TRUE(stream_->paused());
  stream_->take_sent();
  stream_->stall(false);
  EXPECT_FALSE(stream_->paused());
}

TEST_F(HttpGatewayTest, AnAnswerForAConnectionThatHasGoneIsDropped) {
  stream_->receive(bytes_of("PUT", "/devices/d1", {.body = "{}"}));
  stream_->peer_closes();
  stream_.reset();
  run();
  connect_client();
  EXPECT_EQ(get("/devices/d1").status, 200);
}

TEST_F(HttpGatewayTest, DeadlinesCloseTheConnection) {
  put("d1");
  advance(http::kIdleTime - std::chrono::seconds(1));
  EXPECT_FALSE(stream_->closed());
  EXPECT_EQ(get("/devices/d1").status, 200);
  advance(http::kIdleTime - std::chrono::seconds(1));
  EXPECT_FALSE(stream_->closed());
  advance(std::chrono::seconds(1));
  EXPECT_TRUE(stream_->closed());
  connect_client();
  stream_->receive("GET /dev");
  advance(http::kHeadTime);
  EXPECT_EQ(outcome(answer()), "408 GenericBadRequest");
  EXPECT_TRUE(stream_->closed());
}

TEST_F(HttpGatewayTest, AmbiguousRequestsAreRefusedInTheFormOfErrors) {
  stream_->receive(
      "GET /devices HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(outcome(answer()), "400 GenericBadRequest");
  EXPECT_TRUE(stream_->closed());
}

TEST_F(HttpGatewayTest, BodiesAreRefusedByTheirHead) {
  stream_->receive(
      "POST /devices/d1/messages/devicebound?api-version=2021-04-12 HTTP/1.1\r\nHost: h\r\n"
      "Authorization: " +
      policy_token("service") + "\r\nContent-Length: 65537\r\n\r\n");
  EXPECT_EQ(outcome(answer()), "413 MessageTooLarge");
  connect_client();
  stream_->receive("PUT /devices/d1?api-version=2021-04-12 HTTP/1.1\r\nHost: h\r\nAuthorization: " +
                   policy_token("iothubowner") + "\r\nContent-Length: 262145\r\n\r\n");
  EXPECT_EQ(outcome(answer()), "413 GenericRequestEntityTooLarge");
  connect_client();
  stream_->receive(
      "PUT /devices/d1?api-version=2021-04-12 HTTP/1.1\r\nHost: h\r\n"
      "Expect: 100-continue\r\nContent-Length: 100\r\n\r\n");
  EXPECT_EQ(outcome(answer()), "401 IotHubUnauthorizedAccess");
}

TEST_F(HttpGatewayTest, MetricsNameOperationsAndNoDevices) {
  put("very-special-name");
  get("/devices/very-special-name");
  get("/very-special-path");
  const std::string text = prometheus::TextSerializer().Serialize(registry_->Collect());
  EXPECT_NE(text.find("linarite_http_requests_total{operation=\"put_device\",status=\"200\"} 1"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("linarite_http_connections 1"), std::string::npos);
  EXPECT_EQ(text.find("very-special"), std::string::npos);
}

}  // namespace
}  // namespace linarite::gateway
