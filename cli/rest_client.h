// The hub's REST API as the command line calls it (service-protocol 5): over TLS, with a token of a
// shared access policy, like any other client.
#pragma once

#include <boost/json/value.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/time.h"
#include "cli/http_client.h"

namespace linarite::cli {

struct HubAddress {
  std::string host;     // Of the hub: verified, and what tokens are made for.
  std::string address;  // Name or numeric address to connect to.
  uint16_t port = 443;
  std::string roots_pem;  // Who may vouch for the hub; empty: SSL_CERT_FILE or the machine's roots.
};

struct PolicyKey {
  std::string policy;
  std::string key;         // Base64.
  std::string token = {};  // Instead of a key: a whole token, used as it is.
};

struct RestCall {
  std::string method;
  std::string path;  // Ids in it percent-encoded; without api-version.
  http::Headers headers = {};
  Bytes body = {};
};

class RestClient {
 public:
  // Does not connect yet. `hub_ahead`: how far the hub's clock is before this machine's, if known.
  static Result<RestClient> create(net::AsioLoop& loop, HubAddress hub, PolicyKey key,
                                   Duration hub_ahead);

  // The response if its status is 2xx. Else an error whose message is "Name: text" as the hub words
  // it, on one line. When the hub refuses the token and its clock (Date) shows that the token was
  // made for another time, a token for its time is made and tried: hubs on a manual clock.
  Result<http::Response> call(const RestCall& call);

  // The same for a response with a JSON body.
  Result<boost::json::value> call_json(const RestCall& call);

  const std::string& host() const { return hub_.host; }
  const PolicyKey& key() const { return key_; }
  WallTime hub_time() const { return loop_.clock().wall() + wall_offset(); }

 private:
  RestClient(net::AsioLoop& loop, HubAddress hub, PolicyKey key, Duration hub_ahead,
             std::shared_ptr<net::TlsClientContext> tls);

  std::chrono::milliseconds wall_offset() const {
    return std::chrono::duration_cast<std::chrono::milliseconds>(hub_ahead_);
  }
  Result<http::Response> call_with_token(const RestCall& call);
  bool learn_time(const http::Response& response);

  net::AsioLoop& loop_;
  HubAddress hub_;
  PolicyKey key_;
  Duration hub_ahead_;
  HttpClient http_;
};

// What a response other than 2xx says.
Error error_of(const http::Response& response);

}  // namespace linarite::cli
