// A cloud-to-device message as HTTP headers and body: POST /devices/{d}/messages/deviceBound
// (service-protocol 2.6).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "wire/c2d_message.h"

namespace linarite::wire {

inline constexpr std::string_view kAppHeaderPrefix = "iothub-app-";

// Collects the headers of one request, one after the other.
class C2dHeaderReader {
 public:
  // Headers that say nothing about the message are ignored; names ignore case, except that what
  // follows kAppHeaderPrefix is the property's name as it stands.
  void add(std::string_view name, std::string_view value);

  // The message with `body`. Fails with 400004 when a header was given twice, the ack is no known
  // word, the expiry is neither ISO 8601 nor an RFC 1123 date, or there were too many properties;
  // otherwise as check_c2d_message does. The reader is used up.
  Result<C2dMessage> finish(std::string body);

 private:
  C2dMessage message_;
  Status status_;
};

// The headers a client sends for `message`. Fails with 400004 when a value holds control characters
// or a property's name cannot be part of a header name.
Result<std::vector<std::pair<std::string, std::string>>> c2d_request_headers(
    const C2dMessage& message);

// "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, 5.6.7, IMF-fixdate); the day's name is not compared
// with the date.
std::optional<WallTime> parse_http_date(std::string_view text);

}  // namespace linarite::wire
