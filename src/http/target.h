// A request target taken apart (RFC 9112, 3.2; RFC 3986).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace linarite::http {

inline constexpr size_t kSegmentCountMax = 16;
inline constexpr size_t kParameterCountMax = 32;

struct Parameter {
  std::string name;
  std::string value;  // Empty for a name alone.

  bool operator==(const Parameter&) const = default;
};

struct Target {
  std::string authority;              // Host and port of an absolute-form target, else empty.
  std::vector<std::string> segments;  // "/devices/d1/" and "/devices/d1" have two; "/" has none.
  std::vector<Parameter> query;

  // The value of a query parameter; names compare without regard to ASCII case.
  std::optional<std::string_view> parameter(std::string_view name) const;
  bool operator==(const Target&) const = default;
};

// Decodes exactly once, and before splitting the path: clients send "/twins%2Fdev1" for two
// segments. In the query '+' is a blank. kMalformed for anything that is not origin-form or
// absolute-form, an escape that is not two hexadecimal digits, a control character or text that is
// not UTF-8 after decoding, an empty segment ("//"), a "." or ".." segment, a fragment, a parameter
// given twice; kLimitExceeded past the limits above.
Result<Target> parse_target(std::string_view text);

// Escapes a path segment or query value: everything but letters, digits and -._~ (RFC 3986, 2.3).
std::string percent_encode(std::string_view text);

}  // namespace linarite::http
