// What a client of the REST API meets that does too much (service-protocol 5.12, 7.1).
#include "gateway/http_gateway_fixture.h"

namespace linarite::gateway {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

hub::HubOptions limited() {
  return {.throttle = {.authentication_failures_per_minute = 5,
                       .policy_c2d_sends_per_minute = 3,
                       .policy_registry_calls_per_minute = 5}};
}

class HttpThrottleTest : public HttpGatewayFixture {
 protected:
  HttpThrottleTest() {
    stream_.reset();
    gateway_.reset();
    stop();
    options_ = limited();
    start();
    gateway_ = std::make_unique<HttpGateway>(HttpGateway::Parts{*hub_, log_, *registry_});
    connect_client();
  }
  std::string send_c2d(const std::string& policy = "service") {
    return outcome(
        call("POST", "/devices/dev1/messages/devicebound", {.body = "body", .policy = policy}));
  }
  http::Response wrong() { return call("GET", "/devices", {.token = "nonsense"}); }
};

TEST_F(HttpThrottleTest, CallsBeyondTheRateOfAPolicyAre429WithTheTimeToWait) {
  EXPECT_EQ(outcome(put("dev1")), "200");
  for (int i = 0; i < 4; ++i) EXPECT_EQ(outcome(get("/devices/dev1")), "200");
  const auto refused = get("/devices/dev1");
  EXPECT_EQ(outcome(refused), "429 ThrottlingException");
  EXPECT_EQ(refused.headers.find("Retry-After"), "12");
  EXPECT_EQ(outcome(put("dev2")), "429 ThrottlingException") << "with a body that was not read";
  EXPECT_EQ(outcome(get("/devices/dev1", "registryRead")), "200") << "another policy";
  advance(seconds(12));
  EXPECT_EQ(outcome(get("/devices/dev1")), "200");
}

TEST_F(HttpThrottleTest, SendingHasALimitOfItsOwn) {
  ASSERT_TRUE(create("dev1"));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(send_c2d(), "204");
  EXPECT_EQ(send_c2d(), "429 ThrottlingException");
  EXPECT_EQ(send_c2d("iothubowner"), "204");
}

TEST_F(HttpThrottleTest, RefusalsOfOneAddressAreHeldBackAndGoodTokensAreNot) {
  for (int i = 0; i < 5; ++i) EXPECT_EQ(outcome(wrong()), "401 IotHubUnauthorizedAccess");
  EXPECT_EQ(wrong().status, 0);
  EXPECT_TRUE(stream_->paused());
  const auto held = std::move(stream_);
  connect_client();
  EXPECT_EQ(outcome(get("/devices")), "200");
  stream_->peer_closes();
  stream_ = std::make_unique<TestStream>(loop_);
  EXPECT_EQ(held->take_sent(), "");
  advance(milliseconds(99));
  EXPECT_EQ(held->take_sent(), "");
  advance(milliseconds(1));
  EXPECT_TRUE(held->take_sent().starts_with("HTTP/1.1 401"));
}

TEST_F(HttpThrottleTest, AMissingTokenCountsToo) {
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(outcome(call("GET", "/devices", {.token = "none"})), "401 IotHubUnauthorizedAccess");
  }
  EXPECT_EQ(wrong().status, 0);
  advance(milliseconds(100));
  EXPECT_EQ(outcome(answer()), "401 IotHubUnauthorizedAccess");
}

// Answers of one connection keep their order and leave together.
TEST_F(HttpThrottleTest, AHeldAnswerOfAPipelineHoldsThePipeline) {
  for (int i = 0; i < 5; ++i) wrong();
  connect_client();
  stream_->receive(bytes_of("GET", "/devices") +
                   bytes_of("GET", "/devices", {.token = "nonsense"}));
  run();
  EXPECT_EQ(answer().status, 0);
  advance(milliseconds(100));
  EXPECT_EQ(outcome(answer()), "200");
  EXPECT_EQ(outcome(answer()), "401 IotHubUnauthorizedAccess");
}

TEST_F(HttpThrottleTest, WhoLeavesWhileItsRefusalIsHeldBackLeavesNothing) {
  for (int i = 0; i < 5; ++i) wrong();
  EXPECT_EQ(wrong().status, 0);
  stream_->peer_closes();
  advance(seconds(10));
}

}  // namespace
}  // namespace linarite::gateway
