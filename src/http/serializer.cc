#include "http/serializer.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/mutation.h"
#include "base/text.h"

namespace linarite::http {
namespace {

bool is_control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte < 0x20 && c != '\t') || byte == 0x7F;
}

bool is_token_char(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool is_framing_field(std::string_view name) {
  return equal_ignoring_case(name, "content-length") ||
         equal_ignoring_case(name, "transfer-encoding") || equal_ignoring_case(name, "connection");
}

// RFC 9110, 8.6: no Content-Length in a 1xx or 204; a 304 has no body either.
bool has_no_body(int status) { return status < 200 || status == 204 || status == 304; }

}  // namespace

std::string_view reason_phrase(int status) {
  switch (status) {
    case 101:
      return "Switching Protocols";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 411:
      return "Length Required";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 421:
      return "Misdirected Request";
    case 429:
      return "Too Many Requests";
    case 426:
      return "Upgrade Required";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Unknown";
  }
}

bool is_token(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, is_token_char);
}

bool is_field_value(std::string_view text) { return std::ranges::none_of(text, is_control); }

void append_response(const Response& response, ResponseFraming framing, Bytes& out) {
  fmt::format_to(std::back_inserter(out), "HTTP/1.1 {} {}\r\n", response.status,
                 reason_phrase(response.status));
  for (const Header& header : response.headers) {
    if (!is_token(header.name) || is_framing_field(header.name)) continue;
    out.append(header.name).append(": ");
    std::ranges::copy_if(header.value, std::back_inserter(out),
                         [](char c) { return !is_control(c); });
    out.append("\r\n");
  }
  if (framing.close) out.append("Connection: close\r\n");
  if (framing.upgrade) out.append("Connection: Upgrade\r\n");
  const bool no_body = has_no_body(response.status);
  if (!no_body) {
    fmt::format_to(std::back_inserter(out), "Content-Length: {}\r\n", response.body.size());
  }
  out.append("\r\n");
  if (no_body || framing.to_head) return;
  const size_t lost = mutated(Mutation::kResponseTooShort) && !response.body.empty() ? 1 : 0;
  out.append(response.body, 0, response.body.size() - lost);
}

Status append_request(const Request& request, Bytes& out) {
  const bool target_is_visible = std::ranges::all_of(request.target, [](char c) {
    return static_cast<unsigned char>(c) > 0x20 && static_cast<unsigned char>(c) < 0x7F;
  });
  if (!is_token(request.method) || request.target.empty() || !target_is_visible) {
    return fail(ErrorCode::kMalformed, "the request line is not valid");
  }
  for (const Header& header : request.headers) {
    if (!is_token(header.name) || !is_field_value(header.value)) {
      return fail(ErrorCode::kMalformed, "a header field is not valid");
    }
  }
  fmt::format_to(std::back_inserter(out), "{} {} HTTP/1.1\r\n", request.method, request.target);
  for (const Header& header : request.headers) {
    if (equal_ignoring_case(header.name, "content-length") ||
        equal_ignoring_case(header.name, "transfer-encoding")) {
      continue;
    }
    fmt::format_to(std::back_inserter(out), "{}: {}\r\n", header.name, header.value);
  }
  // RFC 9110, 8.6: a request without a body says so when its method usually has one.
  const bool expects_body =
      request.method == "POST" || request.method == "PUT" || request.method == "PATCH";
  if (!request.body.empty() || expects_body) {
    fmt::format_to(std::back_inserter(out), "Content-Length: {}\r\n", request.body.size());
  }
  out.append("\r\n").append(request.body);
  return {};
}

}  // namespace linarite::http
