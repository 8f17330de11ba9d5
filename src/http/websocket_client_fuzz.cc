// Any bytes into the client's end of a WebSocket: whole and in pieces they must give the same
// payload, and frames that the server's end takes: nothing but answers to pings, and one close at
// the end. The same bytes sent must reach the server's end unchanged.
#include <algorithm>

#include "base/check.h"
#include "http/websocket.h"

namespace linarite::http {
namespace {

WebSocketEvents run(WebSocket socket, ByteView input, size_t piece) {
  WebSocketEvents out;
  while (!input.empty()) {
    socket.receive(input.substr(0, piece), out);
    input.remove_prefix(std::min(piece, input.size()));
  }
  CHECK(out.close == socket.closed());
  return out;
}

WebSocket client() { return WebSocket::client(std::make_shared<SeededRandom>(1)); }

}  // namespace
}  // namespace linarite::http

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace linarite::http;
  const linarite::ByteView input(reinterpret_cast<const char*>(data), size);
  const WebSocketEvents whole = run(client(), input, size + 1);
  CHECK(whole.payload.size() <= size);
  for (const size_t piece : {size_t{1}, size_t{7}}) {
    const WebSocketEvents pieces = run(client(), input, piece);
    CHECK(pieces.payload == whole.payload && pieces.output == whole.output);
    CHECK(pieces.close == whole.close && pieces.peer_closed == whole.peer_closed);
  }
  const WebSocketEvents answers = run(WebSocket::server(), whole.output, size + 1);
  CHECK(answers.payload.empty() && answers.close == whole.close);
  CHECK(answers.peer_closed == whole.close);

  linarite::Bytes frames;
  client().append_binary(input, frames);
  for (const size_t piece : {frames.size() + 1, size_t{3}}) {
    const WebSocketEvents there = run(WebSocket::server(), frames, piece);
    CHECK(there.payload == input && there.output.empty() && !there.close);
  }
  return 0;
}
