#include "cli/rest_client.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "cli/output.h"
#include "cli/version.h"
#include "http/http_date.h"
#include "wire/error_body.h"
#include "wire/error_table.h"
#include "wire/json_text.h"
#include "wire/sas_token.h"

namespace linarite::cli {
namespace {

constexpr std::string_view kApiVersion = "api-version=2021-04-12";
constexpr size_t kJsonSizeMax = size_t{4} << 20U;  // Of a response; 1000 identities are 1 MB.
constexpr size_t kErrorTextMax = 2048;
constexpr auto kTokenLife = std::chrono::minutes(10);
constexpr auto kClockDifferenceMax = std::chrono::minutes(1);

// A member of an error body (service-protocol 5.12); nothing if it is another body.
std::optional<std::string> error_member(const http::Response& response, std::string_view name) {
  const auto value = wire::parse_json(response.body, {.size_max = kJsonSizeMax});
  if (!value || !value->is_object()) return std::nullopt;
  wire::JsonReader reader(value->get_object(), "");
  return reader.text(name);
}

}  // namespace

Error error_of(const http::Response& response) {
  std::string name(response.headers.find(wire::kErrorCodeHeader).value_or(""));
  std::string text;
  // "ErrorCode:Name;text"
  if (auto message = error_member(response, "Message")) {
    std::string_view rest = *message;
    if (rest.starts_with("ErrorCode:")) {
      rest.remove_prefix(std::string_view("ErrorCode:").size());
      const std::string_view in_body = rest.substr(0, rest.find(';'));
      if (name.empty()) name = in_body;
      rest.remove_prefix(std::min(rest.size(), in_body.size() + 1));
    }
    text = rest;
  }
  const auto rows = wire::error_rows();
  const auto row = std::ranges::find(rows, name, &wire::ErrorRow::name);
  const ErrorCode code = row == rows.end() ? ErrorCode::kServerError : row->code;
  if (text.empty()) text = "the hub answered with HTTP status " + std::to_string(response.status);
  std::string message = name.empty() ? text : name + ": " + text;
  // Where the fault is the hub's, its log says more.
  const auto tracking = error_member(response, "ExceptionMessage");
  if (response.status >= 500 && tracking) message += " (" + *tracking + ")";
  if (message.size() > kErrorTextMax) message.resize(kErrorTextMax);
  return {code, one_line(message)};
}

RestClient::RestClient(net::AsioLoop& loop, HubAddress hub, PolicyKey key, Duration hub_ahead,
                       std::shared_ptr<net::TlsClientContext> tls)
    : loop_(loop),
      hub_(std::move(hub)),
      key_(std::move(key)),
      hub_ahead_(hub_ahead),
      http_(loop,
            {.host = hub_.address, .port = hub_.port, .tls = std::move(tls), .tls_name = hub_.host},
            hub_.host) {}

Result<RestClient> RestClient::create(net::AsioLoop& loop, HubAddress hub, PolicyKey key,
                                      Duration hub_ahead) {
  net::TlsClientOptions options;
  options.roots_pem = hub.roots_pem;
  auto tls = net::TlsClientContext::create(options);
  if (!tls) return std::unexpected(tls.error());
  return RestClient(loop, std::move(hub), std::move(key), hub_ahead, *std::move(tls));
}

Result<http::Response> RestClient::call_with_token(const RestCall& call) {
  Result<std::string> token = key_.token;
  if (key_.token.empty()) {
    token = wire::make_sas_token({.audience = hub_.host,
                                  .key = key_.key,
                                  .policy = key_.policy,
                                  .expiry = hub_time() + kTokenLife});
  }
  if (!token) return std::unexpected(token.error());
  http::Request request{.method = call.method, .target = call.path, .headers = call.headers};
  request.target += request.target.find('?') == std::string::npos ? '?' : '&';
  request.target += kApiVersion;
  request.headers.set("Authorization", *token);
  request.headers.set("User-Agent", "linarite/" + std::string(kVersion));
  request.body = call.body;
  return http_.call(std::move(request));
}

bool RestClient::learn_time(const http::Response& response) {
  const auto date = http::parse_http_date(response.headers.find("Date").value_or(""));
  if (!date || std::chrono::abs(*date - hub_time()) < kClockDifferenceMax) return false;
  hub_ahead_ = *date - loop_.clock().wall();
  return true;
}

Result<http::Response> RestClient::call(const RestCall& call) {
  auto response = call_with_token(call);
  if (response && response->status == 401 && key_.token.empty() && learn_time(*response)) {
    response = call_with_token(call);
  }
  if (!response) return response;
  if (response->status / 100 != 2) return std::unexpected(error_of(*response));
  return response;
}

Result<boost::json::value> RestClient::call_json(const RestCall& what) {
  const auto response = call(what);
  if (!response) return std::unexpected(response.error());
  auto value = wire::parse_json(response->body, {.size_max = kJsonSizeMax});
  if (!value) return fail(ErrorCode::kMalformed, "the hub answered with what is no JSON");
  return value;
}

}  // namespace linarite::cli
