#include "http/target.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/text.h"

namespace linarite::http {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte == 0x7F;
}

// Nothing if the text is not properly escaped or does not decode to printable UTF-8.
std::optional<std::string> decode(std::string_view text, bool plus_is_blank) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '%') {
      if (text.size() - i < 3) return std::nullopt;
      const int high = hex_digit(text[i + 1]);
      const int low = hex_digit(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      out.push_back(static_cast<char>(high * 16 + low));
      i += 2;
    } else if (c == '#' || c == ' ' || static_cast<unsigned char>(c) > 0x7F) {
      return std::nullopt;  // Never appears unescaped in a request target.
    } else {
      out.push_back(plus_is_blank && c == '+' ? ' ' : c);
    }
  }
  if (std::ranges::any_of(out, is_control) || !is_utf8(out)) return std::nullopt;
  return out;
}

Status split_path(std::string_view path, std::vector<std::string>& segments) {
  path.remove_prefix(1);
  if (path.empty()) return {};
  if (path.ends_with('/')) path.remove_suffix(1);
  while (true) {
    const size_t slash = path.find('/');
    const std::string_view segment = path.substr(0, slash);
    if (segment.empty() || segment == "." || segment == "..") {
      return fail(ErrorCode::kMalformed, "the path has an empty or a dot segment");
    }
    if (segments.size() == kSegmentCountMax) {
      return fail(ErrorCode::kLimitExceeded, "the path has too many segments");
    }
    segments.emplace_back(segment);
    if (slash == std::string_view::npos) return {};
    path.remove_prefix(slash + 1);
  }
}

Status split_query(std::string_view query, Target& target) {
  while (!query.empty()) {
    const size_t ampersand = query.find('&');
    const std::string_view pair = query.substr(0, ampersand);
    query.remove_prefix(ampersand == std::string_view::npos ? query.size() : ampersand + 1);
    if (pair.empty()) continue;
    const size_t equals = pair.find('=');
    auto name = decode(pair.substr(0, equals), true);
    auto value = decode(equals == std::string_view::npos ? "" : pair.substr(equals + 1), true);
    if (!name || !value) return fail(ErrorCode::kMalformed, "the query is not well escaped");
    if (target.parameter(*name)) {
      return fail(ErrorCode::kMalformed, "a query parameter is given twice");
    }
    if (target.query.size() == kParameterCountMax) {
      return fail(ErrorCode::kLimitExceeded, "the query has too many parameters");
    }
    target.query.push_back({std::move(*name), std::move(*value)});
  }
  return {};
}

// Cuts "http://host" off an absolute-form target and returns the host.
std::string_view cut_authority(std::string_view& text) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!equal_ignoring_case(text.substr(0, scheme.size()), scheme)) continue;
    text.remove_prefix(scheme.size());
    const std::string_view authority = text.substr(0, text.find_first_of("/?"));
    text.remove_prefix(authority.size());
    return authority;
  }
  return {};
}

}  // namespace

std::optional<std::string_view> Target::parameter(std::string_view name) const {
  for (const Parameter& parameter : query) {
    if (equal_ignoring_case(parameter.name, name)) return parameter.value;
  }
  return std::nullopt;
}

Result<Target> parse_target(std::string_view text) {
  Target target;
  target.authority = cut_authority(text);
  const size_t question = text.find('?');
  std::string_view raw_path = text.substr(0, question);
  // RFC 9110, 4.2.3: an empty path after an authority is "/".
  if (raw_path.empty() && !target.authority.empty()) raw_path = "/";
  const auto path = decode(raw_path, false);
  if (!path || !raw_path.starts_with('/')) {
    return fail(ErrorCode::kMalformed, "the path is not absolute and well escaped");
  }
  if (auto status = split_path(*path, target.segments); !status) {
    return std::unexpected(status.error());
  }
  if (question != std::string_view::npos) {
    if (auto status = split_query(text.substr(question + 1), target); !status) {
      return std::unexpected(status.error());
    }
  }
  return target;
}

std::string percent_encode(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    if (plain) {
      out.push_back(c);
    } else {
      out.append({'%', kDigits[byte >> 4U], kDigits[byte & 15U]});
    }
  }
  return out;
}

}  // namespace linarite::http
