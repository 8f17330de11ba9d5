// Any bytes into the client engine after a request: whole and in pieces they must give the same
// outcome.
#include <algorithm>
#include <optional>
#include <tuple>

#include "base/check.h"
#include "http/client_connection.h"

namespace linarite::http {
namespace {

using Outcome = std::tuple<std::optional<Response>, std::optional<ErrorCode>, bool>;

Outcome run(ByteView input, std::string_view method, size_t piece) {
  ClientConnection connection({.body_max = 64});
  Request request{.method = std::string(method), .target = "/"};
  request.headers.add("Host", "h");
  CHECK(connection.send(request, Instant{}));
  ClientEvents events;
  // Stops at the response: how much of what follows is seen depends on the pieces.
  while (!input.empty() && connection.waiting()) {
    connection.receive(input.substr(0, piece), events);
    input.remove_prefix(std::min(piece, input.size()));
  }
  if (connection.waiting()) connection.end_of_stream(events);
  CHECK(events.response || events.error);
  if (events.response) {
    CHECK(events.response->body.size() <= 64 && events.response->status >= 200);
    return {events.response, std::nullopt, false};
  }
  CHECK(events.close && connection.closed());
  return {std::nullopt, events.error->code, true};
}

}  // namespace
}  // namespace linarite::http

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace linarite::http;
  const linarite::ByteView input(reinterpret_cast<const char*>(data), size);
  for (const char* method : {"GET", "HEAD"}) {
    const Outcome whole = run(input, method, size + 1);
    CHECK(run(input, method, 1) == whole);
    CHECK(run(input, method, 5) == whole);
  }
  return 0;
}
