// Any bytes into the server's end of a WebSocket: whole and in pieces they must give the same
// payload and the same frames, of which every one is ours: unmasked, whole, and at most one close
// at the end.
#include "base/check.h"
#include "http/websocket.h"

namespace linarite::http {
namespace {

WebSocketEvents run(ByteView input, size_t piece) {
  WebSocket socket = WebSocket::server();
  WebSocketEvents out;
  while (!input.empty()) {
    socket.receive(input.substr(0, piece), out);
    input.remove_prefix(std::min(piece, input.size()));
  }
  CHECK(out.close == socket.closed());
  return out;
}

void check_output(ByteView output, bool closed) {
  bool close_seen = false;
  while (!output.empty()) {
    CHECK(!close_seen && output.size() >= 2);
    const auto first = static_cast<uint8_t>(output[0]);
    const auto length = static_cast<uint8_t>(output[1]);
    CHECK((first == 0x8A || first == 0x88) && length <= kControlPayloadMax);
    close_seen = first == 0x88;
    CHECK(output.size() >= size_t{2} + length);
    output.remove_prefix(size_t{2} + length);
  }
  CHECK(close_seen == closed);
}

}  // namespace
}  // namespace linarite::http

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace linarite::http;
  const linarite::ByteView input(reinterpret_cast<const char*>(data), size);
  const WebSocketEvents whole = run(input, size + 1);
  CHECK(whole.payload.size() <= size);
  check_output(whole.output, whole.close);
  for (const size_t piece : {size_t{1}, size_t{7}}) {
    const WebSocketEvents pieces = run(input, piece);
    CHECK(pieces.payload == whole.payload && pieces.output == whole.output);
    CHECK(pieces.close == whole.close && pieces.peer_closed == whole.peer_closed);
  }
  return 0;
}
