#include "gateway/admin_gateway.h"

#include <fmt/format.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <array>
#include <utility>

#include "base/text.h"
#include "gateway/http_connection.h"
#include "http/target.h"

namespace linarite::gateway {
namespace {

constexpr std::string_view kText = "text/plain; charset=utf-8";
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
    std::string_view path;
    void (AdminService::*serve)(HttpAnswer answer);
  };
  static const std::array<Route, 6> kRoutes;

  std::unexpected<http::Response> refused(int status, std::string_view reason) {
    return std::unexpected(refuse(status, reason));
  }
  void live(HttpAnswer answer) { answer(page(200, kText, "ok\n")); }
  void ready(HttpAnswer answer) {
    const bool yes = parts_.ready();
    answer(page(yes ? 200 : 503, kText, yes ? "ready\n" : "not ready\n"));
  }
  void health(HttpAnswer answer) {
    answer(
        page(parts_.ready() ? 200 : 503, "application/json; charset=utf-8", parts_.health_json()));
  }
  void metrics(HttpAnswer answer) {
    answer(page(200, "text/plain; version=0.0.4; charset=utf-8",
                prometheus::TextSerializer().Serialize(parts_.metrics.Collect())));
  }
  void ca_certificate(HttpAnswer answer) {
    if (parts_.ca_certificate.empty()) return answer(refuse(404, "there is no certificate"));
    answer(page(200, "application/x-pem-file", parts_.ca_certificate));
  }
  void advance_clock(HttpAnswer answer);

  const AdminGateway::Parts& parts_;
  Loop& loop_;
  // Of the request under way.
  const Route* route_ = nullptr;
  http::Target target_;
};

const std::array<AdminService::Route, 6> AdminService::kRoutes = {{
    {"GET", "livez", &AdminService::live},
    {"GET", "readyz", &AdminService::ready},
    {"GET", "health", &AdminService::health},
    {"GET", "metrics", &AdminService::metrics},
    {"GET", "ca.pem", &AdminService::ca_certificate},
    {"POST", "clock/advance", &AdminService::advance_clock},
}};

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

  std::string path;
  for (const std::string& segment : target_.segments) {
    path += (path.empty() ? "" : "/") + segment;
  }
  const std::string_view method = head.method == "HEAD" ? "GET" : std::string_view(head.method);
  for (const Route& route : kRoutes) {
    if (route.path != path) continue;
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

void AdminService::advance_clock(HttpAnswer answer) {
  if (!parts_.advance_clock) {
    return answer(refuse(409, "the clock is the machine's and cannot be moved"));
  }
  const auto seconds = whole_number<uint32_t>(target_.parameter("by").value_or(""));
  if (!seconds || std::chrono::seconds(*seconds) > kClockAdvanceMax) {
    return answer(refuse(400, "by is not a number of seconds of at most 366 days"));
  }
  parts_.advance_clock(std::chrono::seconds(*seconds),
                       {loop_, [answer = std::move(answer), seconds = *seconds]() mutable {
                          answer(page(200, "application/json; charset=utf-8",
                                      fmt::format("{{\"advancedBySeconds\":{}}}\n", seconds)));
                        }});
}

}  // namespace

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
