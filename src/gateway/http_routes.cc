#include "gateway/http_routes.h"

#include <array>

#include "base/text.h"
#include "gateway/websocket_handshake.h"
#include "wire/c2d_message.h"

namespace linarite::gateway {
namespace {

using enum hub::Action;
constexpr auto kMessageTooLarge = ErrorCode::kMessageTooLarge;
constexpr auto kTooLarge = ErrorCode::kGenericRequestEntityTooLarge;
constexpr size_t kNoBody = kIgnoredBodyMax;
constexpr size_t kMessage = wire::kC2dMessageSizeMax;

constexpr HttpRoute missing(std::string_view method, std::string_view pattern) {
  return {.name = "not_implemented", .method = method, .pattern = pattern};
}

// service-protocol 5.14, and below it what the original has besides (device-protocol 4): these are
// named so that a client hears that the hub lacks them, not that it asked wrongly.
constexpr std::array kRoutes = std::to_array<HttpRoute>({
    {"get_device", "GET", "/devices/{id}", kReadIdentity, kNoBody, kTooLarge, get_device},
    {"put_device", "PUT", "/devices/{id}", kWriteIdentity, kIdentityBodyMax, kTooLarge, put_device},
    {"delete_device", "DELETE", "/devices/{id}", kWriteIdentity, kNoBody, kTooLarge, delete_device},
    {"list_devices", "GET", "/devices", kReadIdentity, kNoBody, kTooLarge, list_devices},
    {"purge_queue", "DELETE", "/devices/{id}/commands", kPurgeQueue, kNoBody, kTooLarge,
     purge_queue},
    {"device_statistics", "GET", "/statistics/devices", kReadDeviceStatistics, kNoBody, kTooLarge,
     device_statistics},
    {"service_statistics", "GET", "/statistics/service", kReadServiceStatistics, kNoBody, kTooLarge,
     service_statistics},
    {"send_message", "POST", "/devices/{id}/messages/devicebound", kSendMessage, kMessage,
     kMessageTooLarge, send_message},
    {"receive_feedback", "GET", "/messages/servicebound/feedback", kReceiveFeedback, kNoBody,
     kTooLarge, receive_feedback},
    {"complete_feedback", "DELETE", "/messages/servicebound/feedback/{token}", kReceiveFeedback,
     kNoBody, kTooLarge, complete_feedback},
    {"abandon_feedback", "POST", "/messages/servicebound/feedback/{token}/abandon",
     kReceiveFeedback, kNoBody, kTooLarge, abandon_feedback},

    {.name = "websocket", .method = "GET", .pattern = kHubWebSocketPath, .websocket = true},
    {.name = "websocket", .method = "GET", .pattern = kEventsWebSocketPath, .websocket = true},

    missing("POST", "/devices"),
    missing("POST", "/devices/query"),
    missing("POST", "/devices/keys/regenerate"),
    missing("POST", "/devices/{id}/applyconfigurationcontent"),
    missing("GET", "/devices/{id}/modules"),
    missing("GET", "/devices/{id}/modules/{module}"),
    missing("PUT", "/devices/{id}/modules/{module}"),
    missing("DELETE", "/devices/{id}/modules/{module}"),
    missing("DELETE", "/devices/{id}/modules/{module}/commands"),
    missing("POST", "/devices/{id}/modules/{module}/messages/devicebound"),
    missing("GET", "/twins/{id}"),
    missing("PATCH", "/twins/{id}"),
    missing("PUT", "/twins/{id}"),
    missing("POST", "/twins/{id}/methods"),
    missing("GET", "/twins/{id}/modules/{module}"),
    missing("PATCH", "/twins/{id}/modules/{module}"),
    missing("PUT", "/twins/{id}/modules/{module}"),
    missing("POST", "/twins/{id}/modules/{module}/methods"),
    missing("GET", "/digitaltwins/{id}"),
    missing("PATCH", "/digitaltwins/{id}"),
    missing("POST", "/digitaltwins/{id}/commands/{command}"),
    missing("POST", "/digitaltwins/{id}/components/{component}/commands/{command}"),
    missing("POST", "/jobs/create"),
    missing("GET", "/jobs"),
    missing("GET", "/jobs/{id}"),
    missing("DELETE", "/jobs/{id}"),
    missing("GET", "/jobs/v2/query"),
    missing("GET", "/jobs/v2/{id}"),
    missing("PUT", "/jobs/v2/{id}"),
    missing("POST", "/jobs/v2/{id}/cancel"),
    missing("GET", "/configurations"),
    missing("POST", "/configurations/testqueries"),
    missing("GET", "/configurations/{id}"),
    missing("PUT", "/configurations/{id}"),
    missing("DELETE", "/configurations/{id}"),
    missing("POST", "/devices/{id}/messages/events"),
    missing("GET", "/devices/{id}/messages/devicebound"),
    missing("DELETE", "/devices/{id}/messages/devicebound/{token}"),
    missing("POST", "/devices/{id}/messages/devicebound/{token}/abandon"),
    missing("POST", "/devices/{id}/files"),
    missing("POST", "/devices/{id}/files/notifications"),
    missing("POST", "/devices/{id}/modules/{module}/methods"),
});

// Whether the pattern fits; then `id` is what stands for its first "{…}".
bool fits(std::string_view pattern, std::span<const std::string> segments, std::string& id) {
  id.clear();
  for (const std::string& segment : segments) {
    if (pattern.empty()) return false;
    pattern.remove_prefix(1);
    const std::string_view expected = pattern.substr(0, pattern.find('/'));
    pattern.remove_prefix(expected.size());
    if (expected.starts_with('{')) {
      if (id.empty()) id = segment;
    } else if (!equal_ignoring_case(expected, segment)) {
      return false;
    }
  }
  return pattern.empty();
}

}  // namespace

std::span<const HttpRoute> http_routes() { return kRoutes; }

RouteMatch match_route(std::string_view method, std::span<const std::string> segments) {
  RouteMatch match;
  std::string id;
  for (const HttpRoute& route : kRoutes) {
    if (!fits(route.pattern, segments, id)) continue;
    if (route.method == method) return {.route = &route, .id = std::move(id), .allow = {}};
    if (!match.allow.empty()) match.allow += ", ";
    match.allow += route.method;
  }
  return match;
}

}  // namespace linarite::gateway
