// The REST service API on port 443 (service-protocol 5): heads are routed and authorised before
// their bodies are read, calls go to the hub, answers come back once they are durable. The same
// port takes MQTT and AMQP over WebSocket.
#pragma once

#include <memory>

#include "base/logging.h"
#include "gateway/websocket_handshake.h"
#include "hub/hub.h"
#include "net/stream.h"

namespace prometheus {
class Registry;
}

namespace linarite::gateway {

// Any thread; a connection lives on the loop of its stream. Must outlive its connections.
class HttpGateway {
 public:
  struct Parts {
    hub::Hub& hub;
    Logger& log;
    prometheus::Registry& metrics;
    WebSocketAcceptors websockets{};
  };

  explicit HttpGateway(Parts parts);
  ~HttpGateway();
  HttpGateway(const HttpGateway&) = delete;
  HttpGateway& operator=(const HttpGateway&) = delete;

  // The handler of a new stream; fits net::StreamAcceptor. On the stream's loop.
  std::unique_ptr<net::StreamHandler> accept(net::Stream& stream);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace linarite::gateway
