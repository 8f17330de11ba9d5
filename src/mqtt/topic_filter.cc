#include "mqtt/topic_filter.h"

namespace linarite::mqtt {
namespace {

// The first level of `rest`, which then begins after it; `more` tells whether a '/' followed.
struct Level {
  std::string_view text;
  bool more;
};

Level take_level(std::string_view& rest) {
  const size_t slash = rest.find('/');
  if (slash == std::string_view::npos) {
    const Level level{rest, false};
    rest = {};
    return level;
  }
  const Level level{rest.substr(0, slash), true};
  rest.remove_prefix(slash + 1);
  return level;
}

}  // namespace

bool is_valid_filter(std::string_view filter) {
  if (filter.empty()) return false;
  for (bool more = true; more;) {
    const Level level = take_level(filter);
    more = level.more;
    if (level.text == "+" || (level.text == "#" && !more)) continue;
    if (level.text.find_first_of("+#") != std::string_view::npos) return false;
  }
  return true;
}

bool is_valid_topic_name(std::string_view topic) {
  return !topic.empty() && topic.find_first_of("+#") == std::string_view::npos;
}

bool filter_matches(std::string_view filter, std::string_view topic) {
  if (filter.empty() || topic.empty()) return false;
  if (topic.front() == '$' && (filter.front() == '+' || filter.front() == '#')) return false;
  while (true) {
    const Level wanted = take_level(filter);
    if (wanted.text == "#") return true;
    const Level found = take_level(topic);
    if (wanted.text != "+" && wanted.text != found.text) return false;
    // "a/#" also matches the parent level "a" (4.7.1.2).
    if (!found.more) return !wanted.more || filter == "#";
    if (!wanted.more) return false;
  }
}

}  // namespace linarite::mqtt
