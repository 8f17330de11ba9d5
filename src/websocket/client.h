// A client's way through a WebSocket: what would be told of a connection is told of the WebSocket
// on it.
#pragma once

#include <functional>
#include <memory>

#include "base/error.h"
#include "base/random.h"
#include "http/websocket_handshake.h"
#include "net/stream.h"

namespace linarite::websocket {

// The outcomes of a connect, as net::connect() takes them: exactly one is called.
struct ConnectOutcomes {
  std::move_only_function<std::unique_ptr<net::StreamHandler>(net::Stream&)> opened;
  std::move_only_function<void(Error)> failed;
};

struct ClientOptions {
  http::WebSocketOffer offer;
  std::shared_ptr<Random> random;  // For the handshake's nonce and the keys of frames. Not null.
  Duration limit = std::chrono::seconds(15);  // For the handshake alone.
};

// Outcomes for a connect, made from those of the WebSocket on it. `inside.opened` gets the stream
// inside when the handshake is over. `inside.failed` is called when the connect fails; when the
// handshake does, with the codes of http::ClientHandshake; with kIoError when it takes too long or
// the connection ends under it, with a sentence that names the server. All on the stream's loop.
ConnectOutcomes through_websocket(ClientOptions options, ConnectOutcomes inside);

}  // namespace linarite::websocket
