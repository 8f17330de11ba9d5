// Topic filters and topic names (MQTT 3.1.1, 4.7). Pure functions without recursion; each looks at
// every byte at most once.
#pragma once

#include <string_view>

namespace linarite::mqtt {

// '#' only as the whole last level, '+' only as a whole level (4.7.1), at least one character.
bool is_valid_filter(std::string_view filter);

// At least one character and no wildcard (4.7.1, 4.7.3).
bool is_valid_topic_name(std::string_view topic);

// Whether a valid filter matches a topic name. A filter that begins with a wildcard never matches a
// topic that begins with '$' (4.7.2).
bool filter_matches(std::string_view filter, std::string_view topic);

}  // namespace linarite::mqtt
