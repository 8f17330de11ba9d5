// An HTTP/1.x response as a value.
#pragma once

#include "base/bytes.h"
#include "http/headers.h"

namespace linarite::http {

struct Response {
  int status = 200;
  // Of what is sent the engine writes Content-Length, Transfer-Encoding and Connection itself and
  // leaves such fields out; "Connection: close" here closes the connection after the response.
  Headers headers = {};
  Bytes body = {};

  bool operator==(const Response&) const = default;
};

}  // namespace linarite::http
