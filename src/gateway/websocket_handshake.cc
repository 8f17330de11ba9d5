#include "gateway/websocket_handshake.h"

#include <algorithm>
#include <utility>

#include "base/base64.h"
#include "base/text.h"
#include "http/websocket_handshake.h"

namespace linarite::gateway {
namespace {

bool is_key(std::string_view text) {
  constexpr size_t kNonceSize = 16;
  const auto nonce = base64_decode(text);
  return nonce && nonce->size() == kNonceSize;
}

std::unexpected<HandshakeRefusal> refused(int status, std::string reason) {
  return std::unexpected(HandshakeRefusal{status, std::move(reason)});
}

std::string_view trimmed(std::string_view text) {
  const size_t first = std::min(text.find_first_not_of(" \t"), text.size());
  return text.substr(first, text.find_last_not_of(" \t") + 1 - first);
}

struct Choice {
  std::string name;  // As the client spells it.
  const net::StreamAcceptor* accept = nullptr;
};

Choice choose(const http::Request& request, const http::Target& target,
              const WebSocketAcceptors& acceptors) {
  const bool mqtt_here = equal_ignoring_case(target.segments.front(), "$iothub");
  for (const http::Header& header : request.headers) {
    if (!equal_ignoring_case(header.name, "Sec-WebSocket-Protocol")) continue;
    std::string_view list = header.value;
    while (!list.empty()) {
      const size_t end = std::min(list.find(','), list.size());
      const std::string_view name = trimmed(list.substr(0, end));
      list.remove_prefix(std::min(end + 1, list.size()));
      if (mqtt_here && acceptors.mqtt && equal_ignoring_case(name, "mqtt")) {
        return {std::string(name), &acceptors.mqtt};
      }
      if (acceptors.amqp && equal_ignoring_case(name, "AMQPWSB10")) {
        return {std::string(name), &acceptors.amqp};
      }
    }
  }
  return {};
}

}  // namespace

std::expected<Handshake, HandshakeRefusal> judge_handshake(const http::Request& request,
                                                           const http::Target& target,
                                                           const WebSocketAcceptors& acceptors) {
  const http::Headers& headers = request.headers;
  if (!headers.has_token("Upgrade", "websocket")) {
    return refused(kUpgradeRequired, "this path takes WebSockets only");
  }
  if (request.minor_version < 1 || !headers.has_token("Connection", "Upgrade")) {
    return refused(400, "the handshake is not one of a WebSocket");
  }
  if (headers.find("Sec-WebSocket-Version") != http::kWebSocketVersion ||
      headers.count("Sec-WebSocket-Version") != 1) {
    return refused(kUpgradeRequired, "the version of WebSockets is 13");
  }
  const auto key = headers.find("Sec-WebSocket-Key");
  if (!key || headers.count("Sec-WebSocket-Key") != 1 || !is_key(*key)) {
    return refused(400, "Sec-WebSocket-Key is not the base64 of 16 bytes");
  }
  const Choice choice = choose(request, target, acceptors);
  if (choice.accept == nullptr) {
    return refused(400, "none of the sub-protocols is served here: mqtt, AMQPWSB10");
  }
  Handshake out{.response = {.status = 101}, .accept = *choice.accept};
  out.response.headers.add("Upgrade", "websocket");
  out.response.headers.add("Sec-WebSocket-Accept", http::websocket_accept(*key));
  out.response.headers.add("Sec-WebSocket-Protocol", choice.name);
  return out;
}

}  // namespace linarite::gateway
