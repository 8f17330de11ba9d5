// The admin pages that need the token of the control file, on a real hub.
#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "gateway/admin_gateway.h"
#include "gateway/http_test_stream.h"
#include "hub/hub_fixture.h"

namespace linarite::gateway {
namespace {

using ::testing::HasSubstr;

constexpr const char* kToken = "0123456789abcdef";

class AdminPoliciesTest : public hub::HubFixture {
 protected:
  // The status and body of the answer to a request line, asked with `authorization`.
  std::string ask(const std::string& line,
                  const std::string& authorization = std::string("Bearer ") + kToken) {
    AdminGateway gateway({.metrics = *registry_,
                          .ready = [] { return true; },
                          .health_json = [] { return std::string("{}"); },
                          .ca_certificate = {},
                          .hub = hub_.get(),
                          .token = token_,
                          .advance_clock = [](Duration, Reply<> done) { done(); }});
    TestStream stream(loop_);
    stream.set_handler(gateway.accept(stream));
    stream.receive(line + " HTTP/1.1\r\nHost: localhost\r\nAuthorization: " + authorization +
                   "\r\n\r\n");
    loop_.run_until_idle();
    const std::string answer = stream.take_sent();
    stream.peer_closes();
    return answer.substr(9, 3) + " " + answer.substr(answer.find("\r\n\r\n") + 4);
  }
  boost::json::object json(const std::string& answer) {
    EXPECT_EQ(answer.substr(0, 4), "200 ") << answer;
    return boost::json::parse(answer.substr(4)).as_object();
  }

  std::string token_ = kToken;
};

TEST_F(AdminPoliciesTest, WithoutTheTokenNothing) {
  for (const char* line : {"GET /policies", "POST /policies/service/renew-key?key=primary",
                           "POST /clock/advance?by=1"}) {
    for (const char* authorization :
         {"", "Bearer", "Bearer ", "Bearer 0123456789abcdee", "Bearer 0123456789abcde",
          "Bearer 0123456789abcdef0", "Basic 0123456789abcdef", "0123456789abcdef"}) {
      EXPECT_EQ(ask(line, authorization).substr(0, 3), "401") << line << " " << authorization;
    }
  }
  // A hub without a token has nobody who knows it.
  token_.clear();
  EXPECT_EQ(ask("GET /policies", "Bearer ").substr(0, 3), "401");
}

TEST_F(AdminPoliciesTest, ThePoliciesWithTheirKeysAndTheHubsTime) {
  const auto body = json(ask("GET /policies"));
  EXPECT_EQ(body.at("hostName").as_string(), "127.0.0.1");
  EXPECT_EQ(body.at("time").as_string(), iso8601(clock_.wall()).c_str());
  const auto& all = body.at("policies").as_array();
  ASSERT_EQ(all.size(), 5U);
  const std::string service = boost::json::serialize(
      boost::json::object{{"keyName", "service"},
                          {"primaryKey", hub_->policies()->find("service")->primary_key},
                          {"rights", "ServiceConnect"},
                          {"secondaryKey", hub_->policies()->find("service")->secondary_key}});
  EXPECT_THAT(boost::json::serialize(all), HasSubstr(service));
  EXPECT_THAT(boost::json::serialize(all),
              HasSubstr("\"rights\":\"RegistryWrite, ServiceConnect, DeviceConnect\""));
}

TEST_F(AdminPoliciesTest, AKeyIsRenewed) {
  const hub::Policy before = *hub_->policies()->find("service");
  const auto renewed = json(ask("POST /policies/service/renew-key?key=secondary"));
  EXPECT_EQ(renewed.at("primaryKey").as_string(), before.primary_key.c_str());
  EXPECT_NE(renewed.at("secondaryKey").as_string(), before.secondary_key.c_str());
  EXPECT_EQ(renewed.at("secondaryKey").as_string(),
            hub_->policies()->find("service")->secondary_key.c_str());
  const auto swapped = json(ask("POST /policies/service/renew-key?key=swap"));
  EXPECT_EQ(swapped.at("primaryKey").as_string(), renewed.at("secondaryKey").as_string());
}

TEST_F(AdminPoliciesTest, RenewalsThatAreRefused) {
  EXPECT_EQ(ask("POST /policies/nobody/renew-key?key=primary"), "404 no policy has this name\n");
  for (const char* query : {"", "?key=", "?key=both", "?key=Primary"}) {
    EXPECT_EQ(ask(std::string("POST /policies/service/renew-key") + query).substr(0, 3), "400");
  }
  EXPECT_EQ(ask("GET /policies/service/renew-key").substr(0, 3), "405");
  EXPECT_EQ(ask("GET /policies/service").substr(0, 3), "404");
  EXPECT_EQ(ask("GET /policies/service/renew-key/x").substr(0, 3), "404");
}

}  // namespace
}  // namespace linarite::gateway
