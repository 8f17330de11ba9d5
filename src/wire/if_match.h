// The If-Match header of the service API (service-protocol 5.1).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace linarite::wire {

struct IfMatch {
  enum class Kind : uint8_t {
    kNone,  // no header, or an empty one
    kAny,   // * or "*": whatever exists
    kEtag,
  };
  Kind kind = Kind::kNone;
  std::string etag;  // for kEtag, without quotes

  bool operator==(const IfMatch&) const = default;
};

// Reads the header as SDKs write it: quoted or not, weak or not. Anything is accepted; text that is
// no etag (a list, for example) simply equals none.
IfMatch parse_if_match(std::optional<std::string_view> header);

}  // namespace linarite::wire
