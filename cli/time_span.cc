#include "cli/time_span.h"

#include <cstdint>

#include "base/text.h"

namespace linarite::cli {

std::optional<std::chrono::seconds> parse_time_span(std::string_view text) {
  constexpr std::string_view kUnits = "dhms";
  constexpr int64_t kSeconds[] = {86400, 3600, 60, 1};
  if (const auto seconds = whole_number<uint32_t>(text)) {
    const std::chrono::seconds out(*seconds);
    return out > kTimeSpanMax ? std::nullopt : std::optional(out);
  }
  std::chrono::seconds sum(0);
  size_t next_unit = 0;
  if (text.empty()) return std::nullopt;
  while (!text.empty()) {
    const size_t digits = text.find_first_not_of("0123456789");
    if (digits == std::string_view::npos) return std::nullopt;
    const auto number = whole_number<uint32_t>(text.substr(0, digits));
    const size_t unit = kUnits.find(text[digits]);
    if (!number || unit == std::string_view::npos || unit < next_unit) return std::nullopt;
    sum += std::chrono::seconds(*number * kSeconds[unit]);
    if (sum > kTimeSpanMax) return std::nullopt;
    next_unit = unit + 1;
    text.remove_prefix(digits + 1);
  }
  return sum;
}

}  // namespace linarite::cli
