// The opening handshake of WebSockets on the HTTPS port (RFC 6455, 4.2; device-protocol 2): which
// protocol a client asks for, and what it is answered.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "http/request.h"
#include "http/response.h"
#include "http/target.h"
#include "net/stream.h"

namespace linarite::gateway {

inline constexpr std::string_view kHubWebSocketPath = "/$iothub/websocket";         // MQTT, AMQP
inline constexpr std::string_view kEventsWebSocketPath = "/$servicebus/websocket";  // AMQP
inline constexpr int kUpgradeRequired = 426;

// Who takes the streams inside. One that is empty is not served.
struct WebSocketAcceptors {
  net::StreamAcceptor mqtt;  // Sub-protocol "mqtt".
  net::StreamAcceptor amqp;  // Sub-protocol "AMQPWSB10".
};

struct Handshake {
  http::Response response;  // 101
  net::StreamAcceptor accept;
};
struct HandshakeRefusal {
  int status;  // 400 or 426
  std::string reason;
};

// A GET of one of the paths. Names of sub-protocols compare in any case; the first one of the
// client that is served here is chosen, and said in the client's own spelling. Queries, extensions
// and Origin mean nothing: no credential of a browser is taken here.
std::expected<Handshake, HandshakeRefusal> judge_handshake(const http::Request& request,
                                                           const http::Target& target,
                                                           const WebSocketAcceptors& acceptors);

}  // namespace linarite::gateway
