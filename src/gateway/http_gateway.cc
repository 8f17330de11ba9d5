#include "gateway/http_gateway.h"

#include <fmt/format.h>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "base/text.h"
#include "gateway/http_call.h"
#include "gateway/http_connection.h"
#include "gateway/http_routes.h"
#include "http/http_date.h"
#include "http/websocket_handshake.h"
#include "net/socket_address.h"
#include "wire/device_id.h"
#include "wire/error_body.h"
#include "wire/error_table.h"

namespace linarite::gateway {

struct HttpGateway::State {
  explicit State(Parts p)
      : parts(std::move(p)),
        requests(prometheus::BuildCounter()
                     .Name("linarite_http_requests_total")
                     .Help("Requests of the REST API by operation and HTTP status.")
                     .Register(parts.metrics)),
        connections(prometheus::BuildGauge()
                        .Name("linarite_http_connections")
                        .Help("Open connections of the REST API.")
                        .Register(parts.metrics)
                        .Add({})) {}

  Parts parts;
  prometheus::Family<prometheus::Counter>& requests;
  prometheus::Gauge& connections;
};

namespace {

constexpr std::string_view kJsonType = "application/json; charset=utf-8";
constexpr unsigned kApiYearMin = 2016;

// service-protocol 5.1: YYYY-MM-DD or YYYY-MM-DD-preview, from 2016 on. One behaviour for all.
bool is_api_version(std::string_view text) {
  constexpr std::string_view kPreview = "-preview";
  if (text.size() > 10 && equal_ignoring_case(text.substr(10), kPreview)) text = text.substr(0, 10);
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return false;
  const auto year = whole_number<unsigned>(text.substr(0, 4));
  const auto month = whole_number<unsigned>(text.substr(5, 2));
  const auto day = whole_number<unsigned>(text.substr(8, 2));
  return year && month && day && *year >= kApiYearMin && *month >= 1 && *month <= 12 && *day >= 1 &&
         *day <= 31;
}

// Java's service client cannot send PATCH (service-protocol 5.1).
std::string_view effective_method(const http::Request& request) {
  const auto other = request.headers.find("X-HTTP-Method-Override");
  return request.method == "POST" && other == "PATCH" ? *other : request.method;
}

// Whether a '/' was escaped in the path. Some clients escape the slashes between segments and
// others those inside an id; the second kind of path fits no route.
bool has_escaped_slash(std::string_view target) {
  const std::string path = ascii_lower(target.substr(0, target.find('?')));
  return path.find("%2f") != std::string::npos;
}

class RestService final : public HttpService {
 public:
  RestService(const HttpGateway::Parts& parts, prometheus::Family<prometheus::Counter>& requests,
              prometheus::Gauge& connections, net::Stream& stream)
      : hub_(parts.hub),
        log_(parts.log),
        websockets_(parts.websockets),
        requests_(requests),
        connections_(connections),
        loop_(stream.loop()),
        address_(net::address_key(stream.peer().address)) {
    connections_.Increment();
  }
  ~RestService() override { connections_.Decrement(); }

  std::expected<size_t, http::Response> admit(const http::Request& head) override {
    route_ = nullptr;
    allow_.clear();
    if (auto status = judge(head); !status) return std::unexpected(refused(status.error()));
    return route_->body_max;
  }

  void serve(http::Request request, HttpAnswer answer) override;
  std::optional<HttpUpgrade> upgrade(const http::Request& request) override;
  Duration take_delay() override { return std::exchange(delay_, Duration::zero()); }

  http::Response refuse(int status, std::string_view reason) override {
    ErrorCode code = ErrorCode::kGenericBadRequest;
    if (status == 413) code = route_ ? route_->too_large : ErrorCode::kGenericRequestEntityTooLarge;
    http::Response response = error_response({code, std::string(reason)});
    response.status = status;
    return finished(std::move(response));
  }

 private:
  Status judge(const http::Request& head);
  Status route(const http::Request& head);
  Status admit_caller(const http::Request& head);
  Status throttle(const hub::Principal& principal);
  Error refuse_credential(Error error);
  http::Response refused(const Error& error) { return finished(error_response(error)); }
  http::Response error_response(const Error& error);
  http::Response finished(http::Response response);
  // `operation` is a route's name, or another text that stays.
  void count(std::string_view operation, int status);

  hub::Hub& hub_;
  Logger& log_;
  const WebSocketAcceptors& websockets_;
  prometheus::Family<prometheus::Counter>& requests_;
  prometheus::Gauge& connections_;
  Loop& loop_;
  const std::string address_;             // By which the peer is counted.
  Duration delay_{};                      // Of the answer at hand.
  std::optional<hub::Principal> caller_;  // Who was accepted last on this connection,
  std::string caller_token_;              // and by what.
  std::map<std::pair<std::string_view, int>, prometheus::Counter*> counters_;
  // Of the request under way.
  const HttpRoute* route_ = nullptr;
  http::Target target_;
  std::string id_;
  std::string allow_;       // Goes into Allow of a 405.
  Duration retry_after_{};  // Goes into Retry-After of a 429.
  std::shared_ptr<RestService*> self_ = std::make_shared<RestService*>(this);
};

Status RestService::judge(const http::Request& head) {
  if (auto status = route(head); !status) return status;
  if (route_->websocket) return {};  // Who it is shows in the protocol inside.
  if (auto status = admit_caller(head); !status) return status;

  const auto version = target_.parameter("api-version");
  if (!version || !is_api_version(*version)) return fail(ErrorCode::kInvalidProtocolVersion);
  const bool names_device = route_->pattern.starts_with("/devices/{id}");
  if (names_device && !wire::is_valid_device_id(id_)) {
    return fail(ErrorCode::kArgumentInvalid, "the device id is not valid");
  }
  return {};
}

Status RestService::admit_caller(const http::Request& head) {
  const auto token = head.headers.find("Authorization");
  if (!token || head.headers.count("Authorization") > 1) {
    return std::unexpected(refuse_credential({ErrorCode::kIotHubUnauthorizedAccess, {}}));
  }
  // Clients make a token once an hour and send it with each request. What may have changed since it
  // was accepted, allow() looks at each time.
  const bool known = caller_ && caller_token_ == *token;
  if (!known) {
    auto principal = hub_.authenticate_policy(*token);
    if (!principal) return std::unexpected(refuse_credential(std::move(principal.error())));
    caller_ = *std::move(principal);
    caller_token_ = *token;
  }
  const Status allowed = hub_.allow(*caller_, route_->action, {target_.segments});
  if (allowed) return throttle(*caller_);
  if (!known || allowed.error().code != ErrorCode::kIotHubUnauthorizedAccess) return allowed;
  // Its time is over, or its key was renewed: to be refused, and counted, like any other.
  caller_.reset();
  return admit_caller(head);
}

Error RestService::refuse_credential(Error error) {
  delay_ = hub_.throttles().refuse_credential(address_, loop_.clock().now());
  return error;
}

Status RestService::throttle(const hub::Principal& principal) {
  const Instant now = loop_.clock().now();
  switch (route_->action) {
    case hub::Action::kReadIdentity:
    case hub::Action::kWriteIdentity:
    case hub::Action::kReadDeviceStatistics:
    case hub::Action::kReadServiceStatistics:
      retry_after_ = hub_.throttles().call_registry(principal.name, now);
      break;
    case hub::Action::kSendMessage:
      retry_after_ = hub_.throttles().send(principal.name, now);
      break;
    default:
      return {};
  }
  if (retry_after_ == Duration::zero()) return {};
  return fail(ErrorCode::kThrottlingException, "too many calls of this policy, or of this hub");
}

Status RestService::route(const http::Request& head) {
  auto target = http::parse_target(head.target);
  if (!target) return fail(ErrorCode::kGenericBadRequest, target.error().message);
  target_ = std::move(*target);
  RouteMatch match = match_route(effective_method(head), target_.segments);
  if (match.route == nullptr && !match.allow.empty()) {
    allow_ = std::move(match.allow);
    return fail(ErrorCode::kGenericMethodNotAllowed);
  }
  if (match.route == nullptr && has_escaped_slash(head.target)) {
    return fail(ErrorCode::kArgumentInvalid, "an id cannot contain a slash");
  }
  if (match.route == nullptr) return fail(ErrorCode::kGenericNotFound);
  route_ = match.route;
  id_ = std::move(match.id);
  if (route_->operation == nullptr && !route_->websocket) {
    return fail(ErrorCode::kNotImplemented, "this hub does not have this operation");
  }
  return {};
}

void RestService::serve(http::Request request, HttpAnswer answer) {
  HttpDone done = [self = std::weak_ptr(self_),
                   answer = std::move(answer)](Result<http::Response> result) mutable {
    const auto alive = self.lock();
    if (!alive) return;
    RestService& service = **alive;
    answer(result ? service.finished(std::move(*result)) : service.refused(result.error()));
  };
  route_->operation({.hub = hub_,
                     .loop = loop_,
                     .request = std::move(request),
                     .target = std::move(target_),
                     .id = std::move(id_),
                     .done = std::move(done)});
}

std::optional<HttpUpgrade> RestService::upgrade(const http::Request& request) {
  if (!route_->websocket) return std::nullopt;
  auto handshake = judge_handshake(request, target_, websockets_);
  if (handshake) {
    return HttpUpgrade{finished(std::move(handshake->response)), std::move(handshake->accept)};
  }
  http::Response response =
      error_response({ErrorCode::kGenericBadRequest, handshake.error().reason});
  response.status = handshake.error().status;
  if (response.status == kUpgradeRequired) {
    response.headers.add("Upgrade", "websocket");
    response.headers.add("Sec-WebSocket-Version", http::kWebSocketVersion);
  }
  return HttpUpgrade{finished(std::move(response)), {}};
}

// service-protocol 5.12, form (a). The target is not logged: clients put tokens into queries.
http::Response RestService::error_response(const Error& error) {
  const wire::ErrorRow& row = wire::error_row(error.code);
  const std::string tracking_id = wire::make_tracking_id(hub_.random(), hub_.clock().wall());
  http::Response response{.status = row.http_status};
  response.headers.add(wire::kErrorCodeHeader, row.name);
  response.headers.add("Content-Type", kJsonType);
  response.body = wire::error_body(error, tracking_id);
  if (error.code == ErrorCode::kGenericMethodNotAllowed) response.headers.add("Allow", allow_);
  if (error.code == ErrorCode::kThrottlingException) {
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(retry_after_);
    response.headers.add("Retry-After", std::to_string(seconds.count()));
  }
  log_.write(row.http_status >= 500 ? LogLevel::kWarning : LogLevel::kInfo, "request refused",
             {{"protocol", "http"},
              {"operation", std::string(route_ ? route_->name : "unknown")},
              {"error", std::string(row.name)},
              {"reason", error.message},
              {"tracking_id", tracking_id}});
  return response;
}

void RestService::count(std::string_view operation, int status) {
  prometheus::Counter*& counter = counters_[{operation, status}];
  if (counter == nullptr) {
    counter =
        &requests_.Add({{"operation", std::string(operation)}, {"status", std::to_string(status)}});
  }
  counter->Increment();
}

http::Response RestService::finished(http::Response response) {
  count(route_ ? route_->name : "unknown", response.status);
  response.headers.add("Date", http::http_date(hub_.clock().wall()));
  response.headers.add("x-ms-request-id", hub_.random().uuid());
  // Identities carry keys.
  response.headers.add("Cache-Control", "no-store");
  route_ = nullptr;
  return response;
}

}  // namespace

http::Response json_response(std::string body) {
  http::Response response;
  response.headers.add("Content-Type", kJsonType);
  response.body = std::move(body);
  return response;
}

HttpGateway::HttpGateway(Parts parts) : state_(std::make_unique<State>(std::move(parts))) {}

HttpGateway::~HttpGateway() = default;

std::unique_ptr<net::StreamHandler> HttpGateway::accept(net::Stream& stream) {
  return std::make_unique<HttpConnection>(
      stream,
      std::make_unique<RestService>(state_->parts, state_->requests, state_->connections, stream));
}

}  // namespace linarite::gateway
