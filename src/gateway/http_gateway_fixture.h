// The REST API of a real hub on the memory store, called by a client on one connection.
#pragma once

#include <gmock/gmock.h>

#include <boost/json.hpp>
#include <memory>
#include <string>

#include "gateway/http_gateway.h"
#include "gateway/http_test_stream.h"
#include "http/client_connection.h"
#include "http/serializer.h"
#include "hub/hub_fixture.h"

namespace linarite::gateway {

// What a call says besides its method and target.
struct CallOptions {
  std::string body = {};
  http::Headers headers = {};
  std::string policy = "iothubowner";
  std::string token = {};  // Instead of one of the policy; "none" for no token.
};

class HttpGatewayFixture : public hub::HubFixture {
 protected:
  HttpGatewayFixture() { connect_client(); }

  void connect_client() {
    stream_ = std::make_unique<TestStream>(loop_);
    stream_->set_handler(gateway_->accept(*stream_));
    closing_ = false;
  }

  // The request on the wire, with a token and, unless the target has a query, an api-version.
  std::string bytes_of(const std::string& method, const std::string& target,
                       const CallOptions& options = {}) {
    http::Request request{.method = method, .target = target, .headers = options.headers};
    if (target.find('?') == std::string::npos) request.target += "?api-version=2021-04-12";
    request.headers.add("Host", "127.0.0.1");
    const std::string token = options.token.empty() ? policy_token(options.policy) : options.token;
    if (token != "none") request.headers.add("Authorization", token);
    request.body = options.body;
    Bytes bytes;
    EXPECT_TRUE(http::append_request(request, bytes));
    return bytes;
  }

  // Sends a request and returns what is answered once everything has come to rest. A client whose
  // connection was closed connects again.
  http::Response call(const std::string& method, const std::string& target,
                      const CallOptions& options = {}) {
    if (closing_ || stream_->closed()) connect_client();
    stream_->receive(bytes_of(method, target, options));
    run();
    return answer();
  }
  // The next response; status 0 if there is none.
  http::Response answer() {
    http::ClientConnection reader({.body_max = size_t{8} << 20U});
    http::Request request{.method = "GET"};
    request.headers.add("Host", "h");
    EXPECT_TRUE(reader.send(request, clock_.now()));
    http::ClientEvents events;
    // One response at a time: what follows is kept for the next call.
    unread_ += stream_->take_sent();
    size_t used = 0;
    while (used < unread_.size() && !events.response && !events.error) {
      reader.receive(unread_.substr(used, 1), events);
      ++used;
    }
    unread_.erase(0, used);
    EXPECT_FALSE(events.error) << events.error->message;
    if (!events.response) return {.status = 0};
    closing_ = events.response->headers.has_token("Connection", "close");
    return *events.response;
  }

  http::Response put(const std::string& id, const std::string& body = "{}",
                     const http::Headers& headers = {}) {
    return call("PUT", "/devices/" + id, {.body = body, .headers = headers});
  }
  http::Response get(const std::string& target, const std::string& policy = "iothubowner") {
    return call("GET", target, {.policy = policy});
  }

  static boost::json::value json(const http::Response& response) {
    EXPECT_EQ(response.headers.find("Content-Type"), "application/json; charset=utf-8");
    boost::json::error_code error;
    auto value = boost::json::parse(response.body, error);
    EXPECT_FALSE(error) << response.body;
    return value;
  }
  // "404 DeviceNotFound" after a look at the whole form of the error, or "204" for a success.
  static std::string outcome(const http::Response& response) {
    std::string text = std::to_string(response.status);
    if (response.status < 400) return text;
    const auto body = json(response);
    const std::string message(body.at("Message").as_string());
    const std::string name(response.headers.find("iothub-errorcode").value_or("?"));
    EXPECT_TRUE(message.starts_with("ErrorCode:" + name + ";")) << message;
    EXPECT_TRUE(body.at("ExceptionMessage").as_string().starts_with("Tracking ID:"));
    return text + " " + name;
  }
  static std::string etag(const http::Response& response) {
    return std::string(json(response).at("etag").as_string());
  }

  std::unique_ptr<HttpGateway> gateway_ =
      std::make_unique<HttpGateway>(HttpGateway::Parts{*hub_, log_, *registry_});
  std::unique_ptr<TestStream> stream_;
  std::string unread_;
  bool closing_ = false;  // The last response said so.
};

}  // namespace linarite::gateway
