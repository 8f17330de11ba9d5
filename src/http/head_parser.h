// Parses a complete message head. The grammar is Boost.Beast's parser (hidden in head_parser.cc);
// what decides where the message ends is checked here more strictly than Beast does.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "http/request.h"
#include "http/response.h"

namespace linarite::http {

// Why a message is refused and the status to answer with.
struct Refusal {
  int status;
  std::string reason;  // A sentence without any of the input in it.
};

// How the body is delimited. With neither length nor chunks a request has no body and a response
// goes on until the connection ends.
struct Framing {
  std::optional<uint64_t> content_length;
  bool chunked = false;
};

struct RequestHead {
  Request request;  // Without its body.
  Framing framing;
  bool keep_alive = false;
};

struct ResponseHead {
  Response response;  // Without its body.
  Framing framing;
  bool keep_alive = false;
};

// `head` ends with the empty line, as HeadScanner gives it. Refused with 400: anything outside of
// the grammar, Content-Length twice, signed or with Transfer-Encoding, any coding but one
// "chunked", a coding in HTTP/1.0, and a missing or second Host (RFC 9112, 3.2 and 6). With 505:
// another version.
std::expected<RequestHead, Refusal> parse_request_head(ByteView head);
std::expected<ResponseHead, Refusal> parse_response_head(ByteView head);

}  // namespace linarite::http
