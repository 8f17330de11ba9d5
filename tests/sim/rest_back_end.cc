#include "sim/rest_back_end.h"

#include <fmt/format.h>

#include <utility>

#include "base/text.h"

namespace linarite::sim {
namespace {

// The network held the rest of the request back for too long: it was never handed to the hub.
constexpr int kRequestTimeout = 408;

// The error as the response names it; one that leaves everything open for an error of the server.
ErrorCode error_of(const http::Response& response) {
  const std::string_view name = response.headers.find("iothub-errorcode").value_or("");
  if (response.status >= 500) return ErrorCode::kServerError;
  if (name == "DeviceNotFound") return ErrorCode::kDeviceNotFound;
  if (name == "InvalidMessageExpiryTime") return ErrorCode::kInvalidMessageExpiryTime;
  if (name == "DeviceMaximumQueueDepthExceeded") return ErrorCode::kDeviceMaximumQueueDepthExceeded;
  if (response.status == 401) return ErrorCode::kIotHubUnauthorizedAccess;
  return ErrorCode::kArgumentInvalid;
}

}  // namespace

http::Request NetworkWorld::RestBackEnd::request(const std::string& method,
                                                 const std::string& target) const {
  http::Request request{.method = method, .target = target + "?api-version=2021-04-12"};
  request.headers.add("Host", "127.0.0.1");
  request.headers.add("Authorization", token_);
  return request;
}

void NetworkWorld::RestBackEnd::ask(const http::Request& request) {
  const auto bytes = engine_.send(request, world_.clock_.now());
  if (!bytes) return world_.fail("a request could not be sent: " + bytes.error().message);
  connection_.send(*bytes);
}

void NetworkWorld::RestBackEnd::send_message() {
  const auto message = world_.new_message(connection_.number());
  http::Request post =
      request("POST", "/devices/" + device_name(message.device) + "/messages/devicebound");
  post.headers.add("iothub-messageid", std::to_string(message.index));
  post.headers.add("iothub-expiry", iso8601(message.expiry));
  if (message.ack != wire::Ack::kNone) {
    post.headers.add("iothub-ack", wire::ack_word(message.ack));
  }
  post.body = world_.body_of(message.index);
  message_ = message.index;
  ask(post);
}

void NetworkWorld::RestBackEnd::read_device() {
  const auto device = static_cast<uint32_t>(world_.random_.below(world_.options_.devices));
  read_ = Read{device, world_.model_.device(device)};
  ask(request("GET", "/devices/" + device_name(device)));
}

void NetworkWorld::RestBackEnd::receive(ByteView bytes, Moment sent) {
  http::ClientEvents events;
  engine_.receive(bytes, events);
  handle(events, sent);
}

void NetworkWorld::RestBackEnd::tick() {
  const auto deadline = engine_.next_deadline();
  if (!deadline || *deadline > world_.clock_.now()) return;
  http::ClientEvents events;
  engine_.tick(world_.clock_.now(), events);
  handle(events, {});
}

void NetworkWorld::RestBackEnd::handle(const http::ClientEvents& events, Moment sent) {
  if (events.error) {
    if (events.error->code != ErrorCode::kGenericTimeout) {
      world_.fail("the gateway broke HTTP: " + events.error->message);
    }
    return connection_.abort();
  }
  if (events.response) {
    world_.trace("response", connection_.number(), static_cast<uint64_t>(events.response->status));
    if (message_) sent_answered(*events.response, sent);
    if (read_) read_answered(*events.response);
  }
  if (events.close) connection_.close();
}

void NetworkWorld::RestBackEnd::sent_answered(const http::Response& response, Moment sent) {
  const uint32_t index = *message_;
  message_.reset();
  if (response.status == 204) return world_.send_answered(index, std::nullopt, sent);
  const ErrorCode error = error_of(response);
  const bool late = error == ErrorCode::kIotHubUnauthorizedAccess && sent.wall > token_end_;
  if (late || response.status == kRequestTimeout) {
    return world_.expect(
        world_.model_.send_answered(index, /*accepted=*/false, /*unknown=*/false, sent));
  }
  world_.send_answered(index, error, sent);
}

void NetworkWorld::RestBackEnd::read_answered(const http::Response& response) {
  const Read read = *std::exchange(read_, std::nullopt);
  const ModelDevice& known = world_.model_.device(read.device);
  const bool unknown = response.status >= 500 || response.status == 401;
  if (unknown || response.status == kRequestTimeout) return;
  if (read.before.uncertain || read.before.version != known.version) return;
  const bool there = known.presence == Presence::kYes;
  const std::string_view status =
      known.enabled ? "\"status\":\"enabled\"" : "\"status\":\"disabled\"";
  const bool right = there
                         ? response.status == 200 && response.body.find(status) != std::string::npos
                         : response.status == 404;
  if (!right) {
    world_.fail(fmt::format("device {} reads otherwise than it was written", read.device));
  }
}

void NetworkWorld::RestBackEnd::act() {
  if (connection_.client_over() || engine_.closed() || engine_.waiting()) return;
  const uint64_t what = world_.random_.below(100);
  if (what < 60) {
    send_message();
  } else if (what < 80) {
    read_device();
  } else if (what < 83) {
    connection_.close();
  }
}

}  // namespace linarite::sim
