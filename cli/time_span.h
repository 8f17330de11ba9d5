// Spans of time as people write them.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace linarite::cli {

inline constexpr std::chrono::seconds kTimeSpanMax = std::chrono::hours(24 * 366);

// "90s", "61m", "2h", "1d", and several of them from large to small: "1h30m"; a number alone is
// seconds. Nothing for anything else, and for more than kTimeSpanMax.
std::optional<std::chrono::seconds> parse_time_span(std::string_view text);

}  // namespace linarite::cli
