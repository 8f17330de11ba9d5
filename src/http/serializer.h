// Messages to bytes (RFC 9112). Whatever the caller puts into a field, the bytes stay one message:
// a control character cannot end a line.
#pragma once

#include <string_view>

#include "base/bytes.h"
#include "base/error.h"
#include "http/request.h"
#include "http/response.h"

namespace linarite::http {

// The standard's phrase of a status, "Unknown" for one without a phrase here.
std::string_view reason_phrase(int status);

// RFC 9110, 5.6.2 and 5.5: what may stand as a field's name, and as its value.
bool is_token(std::string_view text);
bool is_field_value(std::string_view text);

struct ResponseFraming {
  bool to_head = false;  // The request was HEAD: Content-Length tells the size, no body follows.
  bool close = false;    // Says Connection: close.
  bool upgrade = false;  // Says Connection: Upgrade.
};

// Appends a response. Control characters in field values are left out, a field whose name is no
// token is left out whole: names and values may come from a device's message.
void append_response(const Response& response, ResponseFraming framing, Bytes& out);

// Appends a request with its Content-Length. kMalformed, with nothing appended, for a method,
// target, field name or value that the grammar does not allow.
Status append_request(const Request& request, Bytes& out);

}  // namespace linarite::http
