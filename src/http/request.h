// An HTTP/1.x request as a value.
#pragma once

#include <string>

#include "base/bytes.h"
#include "http/headers.h"

namespace linarite::http {

struct Request {
  std::string method = "GET";  // As on the wire; methods are case-sensitive (RFC 9110, 9.1).
  std::string target = "/";    // As on the wire; http/target.h takes it apart.
  int minor_version = 1;       // HTTP/1.0 or HTTP/1.1.
  Headers headers = {};
  Bytes body = {};  // Without chunk framing.

  bool operator==(const Request&) const = default;
};

}  // namespace linarite::http
