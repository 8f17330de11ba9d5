// Any bytes into the server engine, answering each request: whole and in pieces they must give the
// same requests and the same output, and every request keeps the promises of the parser.
#include <string>
#include <vector>

#include "base/check.h"
#include "http/serializer.h"
#include "http/server_connection.h"
#include "http/target.h"

namespace linarite::http {
namespace {

constexpr size_t kBodyMax = 64;

struct Transcript {
  std::vector<Request> requests;
  Bytes output;
  bool closed = false;

  bool operator==(const Transcript&) const = default;
};

ServerHooks hooks() {
  return {
      .on_head = [](const Request& head) -> std::expected<size_t, Response> {
        if (head.target == "/no") return std::unexpected(Response{404, head.headers, "no"});
        return kBodyMax;
      },
      .on_refusal = [](int status,
                       std::string_view reason) { return Response{status, {}, Bytes(reason)}; }};
}

Transcript run(ByteView input, size_t piece) {
  const Instant now{};
  ServerConnection connection(hooks(), now);
  Transcript transcript;
  while (!input.empty() && !transcript.closed) {
    ServerEvents events;
    connection.receive(input.substr(0, piece), now, events);
    input.remove_prefix(std::min(piece, input.size()));
    while (true) {
      transcript.output += events.output;
      transcript.closed = transcript.closed || events.close;
      if (!events.request) break;
      CHECK(!connection.wants_input());
      const Request request = std::move(*events.request);
      transcript.requests.push_back(request);
      events = {};
      connection.respond({200, request.headers, request.body}, now, events);
    }
  }
  return transcript;
}

void check_request(const Request& request) {
  CHECK(request.body.size() <= kBodyMax && request.headers.size() <= kHeaderCountMax);
  CHECK(is_token(request.method) && request.target.size() <= kStartLineMax);
  CHECK(request.headers.count("Content-Length") + request.headers.count("Transfer-Encoding") <= 1);
  for (const Header& header : request.headers) {
    CHECK(is_token(header.name) && is_field_value(header.value));
  }
}

}  // namespace
}  // namespace linarite::http

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace linarite::http;
  const linarite::ByteView input(reinterpret_cast<const char*>(data), size);
  const Transcript whole = run(input, size + 1);
  for (const Request& request : whole.requests) check_request(request);
  CHECK(run(input, 1) == whole);
  CHECK(run(input, 7) == whole);
  return 0;
}
