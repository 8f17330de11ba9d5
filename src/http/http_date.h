// Dates of HTTP fields (RFC 9110, 5.6.7): "Sun, 06 Nov 1994 08:49:37 GMT".
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"

namespace linarite::http {

std::string http_date(WallTime time);
// Reads that form only (IMF-fixdate, also the date of RFC 1123). The name of the day must fit the
// date.
std::optional<WallTime> parse_http_date(std::string_view text);

}  // namespace linarite::http
