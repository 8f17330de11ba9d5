// Any bytes as the answer to a client's handshake: whole and in pieces they must give the same
// outcome and leave the same bytes for the WebSocket.
#include <algorithm>
#include <string>
#include <utility>

#include "base/check.h"
#include "http/websocket_handshake.h"

namespace linarite::http {
namespace {

// The outcome, and what was left when the WebSocket opened.
std::pair<std::string, Bytes> run(ByteView input, size_t piece) {
  SeededRandom random(1);
  ClientHandshake handshake({.host = "h", .path = "/", .protocol = "mqtt"}, random);
  CHECK(handshake.request());
  while (!input.empty()) {
    ByteView part = input.substr(0, piece);
    input.remove_prefix(part.size());
    const auto got = handshake.receive(part);
    if (!got) return {got.error().message, {}};
    if (*got) return {"open", Bytes(part) + Bytes(input)};
    CHECK(part.empty());
  }
  return {"more", {}};
}

}  // namespace
}  // namespace linarite::http

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace linarite::http;
  const linarite::ByteView input(reinterpret_cast<const char*>(data), size);
  const auto whole = run(input, size + 1);
  CHECK(run(input, 1) == whole);
  CHECK(run(input, 5) == whole);
  return 0;
}
