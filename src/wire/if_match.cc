#include "wire/if_match.h"

namespace linarite::wire {

IfMatch parse_if_match(std::optional<std::string_view> header) {
  std::string_view text = header.value_or("");
  while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
  while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
  // An unquoted etag is base64 and may itself begin with "W/".
  if (text.starts_with("W/\"")) text.remove_prefix(2);
  if (text.size() >= 2 && text.starts_with('"') && text.ends_with('"')) {
    text = text.substr(1, text.size() - 2);
  }
  if (text.empty()) return {};
  if (text == "*") return {IfMatch::Kind::kAny, {}};
  return {IfMatch::Kind::kEtag, std::string(text)};
}

}  // namespace linarite::wire
