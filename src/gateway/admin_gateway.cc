#include "gateway/admin_gateway.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <array>
#include <boost/json.hpp>
#include <utility>

#include "base/text.h"
#include "gateway/http_connection.h"
#include "http/target.h"

namespace linarite::gateway {
namespace {

constexpr std::string_view kText = "text/plain; charset=utf-8";
constexpr std::string_view kJson = "application/json; charset=utf-8";
constexpr size_t kBodyMax = 1024;  // No page takes a body; what comes is ignored.

bool is_ipv4_loopback(std::string_view text) {
  for (int part = 0; part < 4; ++part) {
    const size_t dot = text.find('.');
    if ((dot == std::string_view::npos) != (part == 3)) return false;
    const auto number = whole_number<uint8_t>(text.substr(0, dot));
    if (!number || (part == 0 && *number != 127)) return false;
    text.remove_prefix(part == 3 ? text.size() : dot + 1);
  }
  return true;
}

// Origin is "scheme://host[:port]", or "null" for a page without one.
bool is_loopback_origin(std::string_view origin) {
  const size_t scheme = origin.find("://");
  return scheme != std::string_view::npos && is_loopback_host(origin.substr(scheme + 3));
}

http::Response page(int status, std::string_view type, std::string body) {
  http::Response response{.status = status};
  response.headers.add("Content-Type", type);
  response.headers.add("X-Content-Type-Options", "nosniff");
  response.headers.add("Cache-Control", "no-store");
  response.body = std::move(body);
  return response;
}

// "Bearer TOKEN" (RFC 6750, 2.1), compared in constant time; the length of a token is no secret.
bool is_bearer(std::string_view field, std::string_view token) {
  constexpr std::string_view kScheme = "Bearer ";
  if (!equal_ignoring_case(field.substr(0, kScheme.size()), kScheme)) return false;
  const std::string_view given = field.substr(kScheme.size());
  return !token.empty() && given.size() == token.size() &&
         CRYPTO_memcmp(given.data(), token.data(), token.size()) == 0;
}

boost::json::object policy_json(const hub::Policy& policy) {
  return {{"keyName", policy.name},
          {"primaryKey", policy.primary_key},
          {"rights", rights_text(policy.rights)},
          {"secondaryKey", policy.secondary_key}};
}

class AdminService final : public HttpService {
 public:
  AdminService(const AdminGateway::Parts& parts, Loop& loop) : parts_(parts), loop_(loop) {}

  std::expected<size_t, http::Response> admit(const http::Request& head) override;
  void serve(http::Request request, HttpAnswer answer) override;
  http::Response refuse(int status, std::string_view reason) override {
    return page(status, kText, std::string(reason) + "\n");
  }

 private:
  struct Route {
    std::string_view method;
    std::string_view path;  // A segment "*" stands for any.
    bool needs_token;
    void (AdminService::*serve)(HttpAnswer answer);
  };
  static const std::array<Route, 8> kRoutes;

  std::unexpected<http::Response> refused(int status, std::string_view reason) {
    return std::unexpected(refuse(status, reason));
  }
  void live(HttpAnswer answer) { answer(page(200, kText, "ok\n")); }
  void ready(HttpAnswer answer) {
    const bool yes = parts_.ready();
    answer(page(yes ? 200 : 503, kText, yes ? "ready\n" : "not ready\n"));
  }
  void health(HttpAnswer answer) {
    answer(page(parts_.ready() ? 200 : 503, kJson, parts_.health_json()));
  }
  void metrics(HttpAnswer answer) {
    answer(page(200, "text/plain; version=0.0.4; charset=utf-8",
                prometheus::TextSerializer().Serialize(parts_.metrics.Collect())));
  }
  void ca_certificate(HttpAnswer answer) {
    if (parts_.ca_certificate.empty()) return answer(refuse(404, "there is no certificate"));
    answer(page(200, "application/x-pem-file", parts_.ca_certificate));
  }
  void policies(HttpAnswer answer);
  void renew_policy_key(HttpAnswer answer);
  void advance_clock(HttpAnswer answer);

  const AdminGateway::Parts& parts_;
  Loop& loop_;
  // Of the request under way.
  const Route* route_ = nullptr;
  http::Target target_;
};

const std::array<AdminService::Route, 8> AdminService::kRoutes = {{
    {"GET", "livez", false, &AdminService::live},
    {"GET", "readyz", false, &AdminService::ready},
    {"GET", "health", false, &AdminService::health},
    {"GET", "metrics", false, &AdminService::metrics},
    {"GET", "ca.pem", false, &AdminService::ca_certificate},
    {"GET", "policies", true, &AdminService::policies},
    {"POST", "policies/*/renew-key", true, &AdminService::renew_policy_key},
    {"POST", "clock/advance", true, &AdminService::advance_clock},
}};

// Whether the segments fit a pattern.
bool fits(std::span<const std::string> segments, std::string_view pattern) {
  for (const std::string& segment : segments) {
    const std::string_view wanted = pattern.substr(0, pattern.find('/'));
    if (wanted.empty() || (wanted != "*" && wanted != segment)) return false;
    pattern.remove_prefix(std::min(pattern.size(), wanted.size() + 1));
  }
  return pattern.empty();
}

std::expected<size_t, http::Response> AdminService::admit(const http::Request& head) {
  auto target = http::parse_target(head.target);
  if (!target) return refused(400, target.error().message);
  target_ = std::move(*target);
  const auto host = head.headers.find("Host");
  if (!host || !is_loopback_host(*host) ||
      (!target_.authority.empty() && !is_loopback_host(target_.authority))) {
    return refused(421, "the host is not a loopback name or address");
  }
  const auto origin = head.headers.find("Origin");
  if (origin && !is_loopback_origin(*origin)) return refused(403, "the origin is another site");

  const std::string_view method = head.method == "HEAD" ? "GET" : std::string_view(head.method);
  for (const Route& route : kRoutes) {
    if (!fits(target_.segments, route.path)) continue;
    if (route.needs_token &&
        !is_bearer(head.headers.find("Authorization").value_or(""), parts_.token)) {
      http::Response response = refuse(401, "the token of the hub's control file is missing");
      response.headers.add("WWW-Authenticate", "Bearer");
      return std::unexpected(std::move(response));
    }
    if (route.method != method) {
      http::Response response = refuse(405, "the method does not fit the page");
      response.headers.add("Allow", route.method);
      return std::unexpected(std::move(response));
    }
    route_ = &route;
    return kBodyMax;
  }
  return refused(404, "there is no such page");
}

void AdminService::serve(http::Request, HttpAnswer answer) {
  (this->*route_->serve)(std::move(answer));
}

void AdminService::policies(HttpAnswer answer) {
  boost::json::array all;
  for (const hub::Policy& policy : parts_.hub->policies()->all()) {
    all.emplace_back(policy_json(policy));
  }
  const boost::json::object body = {{"hostName", parts_.hub->options().host_names.front()},
                                    {"time", iso8601(parts_.hub->clock().wall())},
                                    {"policies", std::move(all)}};
  answer(page(200, kJson, boost::json::serialize(body)));
}

void AdminService::renew_policy_key(HttpAnswer answer) {
  using enum hub::Hub::WhichKey;
  const std::string_view key = target_.parameter("key").value_or("");
  const auto which = key == "primary" ? kPrimary : key == "secondary" ? kSecondary : kSwap;
  if (which == kSwap && key != "swap") {
    return answer(refuse(400, "key is neither primary, secondary nor swap"));
  }
  parts_.hub->renew_policy_key(
      target_.segments[1], which,
      {loop_, [answer = std::move(answer)](Result<hub::Policy> policy) mutable {
         if (policy) {
           return answer(page(200, kJson, boost::json::serialize(policy_json(*policy))));
         }
         const int status = policy.error().code == ErrorCode::kGenericNotFound ? 404 : 503;
         answer(page(status, kText, policy.error().message + "\n"));
       }});
}

void AdminService::advance_clock(HttpAnswer answer) {
  if (!parts_.advance_clock) {
    return answer(refuse(409, "the clock is the machine's and cannot be moved"));
  }
  const auto seconds = whole_number<uint32_t>(target_.parameter("by").value_or(""));
  if (!seconds || std::chrono::seconds(*seconds) > kClockAdvanceMax) {
    return answer(refuse(400, "by is not a number of seconds of at most 366 days"));
  }
  parts_.advance_clock(
      std::chrono::seconds(*seconds),
      {loop_, [answer = std::move(answer), seconds = *seconds]() mutable {
         answer(page(200, kJson, fmt::format("{{\"advancedBySeconds\":{}}}\n", seconds)));
       }});
}

}  // namespace

std::string rights_text(hub::Rights rights) {
  using enum hub::Right;
  const std::pair<hub::Right, std::string_view> words[] = {{kRegistryRead, "RegistryRead"},
                                                           {kRegistryWrite, "RegistryWrite"},
                                                           {kServiceConnect, "ServiceConnect"},
                                                           {kDeviceConnect, "DeviceConnect"}};
  std::string out;
  for (const auto& [right, word] : words) {
    // To write implies to read, and is said alone.
    if (!has(rights, right) || (right == kRegistryRead && has(rights, kRegistryWrite))) continue;
    out += (out.empty() ? "" : ", ") + std::string(word);
  }
  return out;
}

bool is_loopback_host(std::string_view host) {
  const size_t colon = host.rfind(':');
  // The colons inside the brackets of an IPv6 address are none of a port.
  if (colon != std::string_view::npos && host.find(']', colon) == std::string_view::npos) {
    if (!whole_number<uint16_t>(host.substr(colon + 1))) return false;
    host = host.substr(0, colon);
  }
  return equal_ignoring_case(host, "localhost") || host == "[::1]" || is_ipv4_loopback(host);
}

std::unique_ptr<net::StreamHandler> AdminGateway::accept(net::Stream& stream) {
  return std::make_unique<HttpConnection>(stream,
                                          std::make_unique<AdminService>(parts_, stream.loop()));
}

}  // namespace linarite::gateway
