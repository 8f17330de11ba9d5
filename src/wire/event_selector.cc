#include "wire/event_selector.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/text.h"

namespace linarite::wire {
namespace {

constexpr std::string_view kWhiteSpace = " \t\r\n";
constexpr std::string_view kAnnotation = "amqp.annotation.";
constexpr std::string_view kOffset = "x-opt-offset";
constexpr std::string_view kSequence = "x-opt-sequence-number";
constexpr std::string_view kEnqueued = "x-opt-enqueued-time";
constexpr std::string_view kEnqueuedUtc = "x-opt-enqueuedtimeutc";

void skip_white_space(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(kWhiteSpace), text.size()));
}

// Takes what comes before the first character of `ends`.
std::string_view take_until(std::string_view& text, std::string_view ends) {
  const std::string_view out = text.substr(0, text.find_first_of(ends));
  text.remove_prefix(out.size());
  return out;
}

bool take(std::string_view& text, char c) {
  if (!text.starts_with(c)) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<std::string_view> take_value(std::string_view& text) {
  if (!take(text, '\'')) return take_until(text, kWhiteSpace);
  const std::string_view out = take_until(text, "'");
  if (!take(text, '\'')) return std::nullopt;
  return out;
}

std::unexpected<Error> refuse(std::string_view what) {
  return fail(ErrorCode::kArgumentInvalid, fmt::format("the selector filter: {}", what));
}

Result<EventSelector> at_offset(std::string_view value, bool inclusive) {
  if (value == "-1") return EventSelector{.kind = EventSelector::Kind::kStart};
  if (value == "@latest") return EventSelector{.kind = EventSelector::Kind::kLatest};
  const auto number = whole_number<uint64_t>(value);
  if (!number) return refuse("x-opt-offset is not a number, -1 or @latest");
  return EventSelector{
      .kind = EventSelector::Kind::kOffset, .number = *number, .inclusive = inclusive};
}

Result<EventSelector> at_sequence(std::string_view value, bool inclusive) {
  if (value == "-1") return EventSelector{.kind = EventSelector::Kind::kStart};
  const auto number = whole_number<uint64_t>(value);
  if (!number) return refuse("x-opt-sequence-number is not a number");
  return EventSelector{
      .kind = EventSelector::Kind::kSequence, .number = *number, .inclusive = inclusive};
}

// A fraction of a millisecond, as some clients compute it, is dropped.
Result<EventSelector> at_time(std::string_view value, bool inclusive) {
  const size_t dot = value.find('.');
  const auto number = whole_number<int64_t>(value.substr(0, dot));
  const bool fraction =
      dot == std::string_view::npos ||
      std::ranges::all_of(value.substr(dot + 1), [](char c) { return c >= '0' && c <= '9'; });
  if (!number || !fraction) return refuse("the time is not in milliseconds");
  return EventSelector{.kind = EventSelector::Kind::kEnqueued,
                       .time = WallTime(std::chrono::milliseconds(*number)),
                       .inclusive = inclusive};
}

}  // namespace

Result<EventSelector> parse_event_selector(std::string_view text) {
  if (text.size() > kEventSelectorSizeMax) return refuse("too long");
  skip_white_space(text);
  if (text.empty()) return EventSelector{};
  if (!text.starts_with(kAnnotation)) return refuse("only annotations can be compared");
  text.remove_prefix(kAnnotation.size());
  const std::string_view name = take_until(text, " \t\r\n><=");
  skip_white_space(text);
  if (!take(text, '>')) return refuse("the operator is not > or >=");
  const bool inclusive = take(text, '=');
  skip_white_space(text);
  const auto value = take_value(text);
  skip_white_space(text);
  if (!value || !text.empty()) return refuse("malformed value");
  if (name == kOffset) return at_offset(*value, inclusive);
  if (name == kSequence) return at_sequence(*value, inclusive);
  if (name == kEnqueued || name == kEnqueuedUtc) return at_time(*value, inclusive);
  return refuse("unknown annotation");
}

std::string event_selector_text(const EventSelector& selector) {
  const auto text = [&selector](std::string_view name, auto value) {
    return fmt::format("{}{} {} '{}'", kAnnotation, name, selector.inclusive ? ">=" : ">", value);
  };
  switch (selector.kind) {
    case EventSelector::Kind::kStart:
      return text(kOffset, "-1");
    case EventSelector::Kind::kLatest:
      return text(kOffset, "@latest");
    case EventSelector::Kind::kOffset:
      return text(kOffset, selector.number);
    case EventSelector::Kind::kSequence:
      return text(kSequence, selector.number);
    case EventSelector::Kind::kEnqueued:
      return text(kEnqueued, selector.time.time_since_epoch().count());
  }
  return {};
}

std::string event_hub_name(std::string_view host) {
  const bool is_name = host.find(':') == std::string_view::npos &&
                       host.find_first_not_of("0123456789.") != std::string_view::npos;
  std::string out = ascii_lower(is_name ? host.substr(0, host.find('.')) : host);
  for (char& c : out) {
    const bool kept =
        (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
    if (!kept) c = '-';
  }
  return out;
}

}  // namespace linarite::wire
