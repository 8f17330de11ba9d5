#include "wire/json_text.h"

#include <fmt/format.h>

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/text.h"

namespace linarite::wire {
namespace {

using boost::json::error_code;
using boost::json::string_view;

// Watches a parse and notes whether an object names a member twice. Boost's own parse() silently
// keeps the last of two members, and two readers of one text must not see two meanings.
struct DuplicateWatcher {
  static constexpr size_t max_object_size = static_cast<size_t>(-1);
  static constexpr size_t max_array_size = static_cast<size_t>(-1);
  static constexpr size_t max_key_size = static_cast<size_t>(-1);
  static constexpr size_t max_string_size = static_cast<size_t>(-1);

  bool on_document_begin(error_code&) { return true; }
  bool on_document_end(error_code&) { return true; }
  bool on_object_begin(error_code&) {
    names.emplace_back();
    return true;
  }
  bool on_object_end(size_t, error_code&) {
    names.pop_back();
    return true;
  }
  bool on_array_begin(error_code&) { return true; }
  bool on_array_end(size_t, error_code&) { return true; }
  bool on_key_part(string_view part, size_t, error_code&) {
    name.append(part.data(), part.size());
    return true;
  }
  bool on_key(string_view part, size_t, error_code& error) {
    name.append(part.data(), part.size());
    if (names.back().insert(std::exchange(name, {})).second) return true;
    error = boost::json::error::syntax;
    return false;
  }
  bool on_string_part(string_view, size_t, error_code&) { return true; }
  bool on_string(string_view, size_t, error_code&) { return true; }
  bool on_number_part(string_view, error_code&) { return true; }
  bool on_int64(int64_t, string_view, error_code&) { return true; }
  bool on_uint64(uint64_t, string_view, error_code&) { return true; }
  bool on_double(double, string_view, error_code&) { return true; }
  bool on_bool(bool, error_code&) { return true; }
  bool on_null(error_code&) { return true; }
  bool on_comment_part(string_view, error_code&) { return true; }
  bool on_comment(string_view, error_code&) { return true; }

  std::vector<std::unordered_set<std::string>> names;  // of each object that is open
  std::string name;                                    // as far as it has come
};

}  // namespace

Result<boost::json::value> parse_json(std::string_view text, JsonLimits limits) {
  if (text.size() > limits.size_max) {
    return fail(ErrorCode::kGenericRequestEntityTooLarge,
                fmt::format("the JSON text is longer than {} bytes", limits.size_max));
  }
  boost::json::parse_options options;
  options.max_depth = limits.depth_max;

  boost::json::basic_parser<DuplicateWatcher> watcher(options);
  error_code error;
  watcher.write_some(false, text.data(), text.size(), error);
  if (error) return fail(ErrorCode::kIotHubFormatError, "the JSON text is malformed");

  boost::json::value value = boost::json::parse({text.data(), text.size()}, error, {}, options);
  if (error) return fail(ErrorCode::kIotHubFormatError, "the JSON text is malformed");
  return value;
}

std::string json_string(std::string_view text) {
  return boost::json::serialize(string_view(text.data(), text.size()));
}

void JsonReader::refuse(std::string_view name, std::string_view what) {
  if (error_) return;
  error_ = Error{ErrorCode::kArgumentInvalid, fmt::format("{}{} {}", path_, name, what)};
}

const boost::json::value* JsonReader::find(std::string_view name) {
  if (error_) return nullptr;
  const boost::json::value* found = nullptr;
  for (const auto& member : *object_) {
    if (!equal_ignoring_case({member.key().data(), member.key().size()}, name)) continue;
    if (found != nullptr) {
      refuse(name, "is given twice");
      return nullptr;
    }
    found = &member.value();
  }
  return found == nullptr || found->is_null() ? nullptr : found;
}

std::optional<std::string> JsonReader::text(std::string_view name) {
  const boost::json::value* value = find(name);
  if (value == nullptr) return std::nullopt;
  const boost::json::string* text = value->if_string();
  if (text == nullptr) {
    refuse(name, "must be a string");
    return std::nullopt;
  }
  return std::string(text->data(), text->size());
}

std::optional<bool> JsonReader::boolean(std::string_view name) {
  const boost::json::value* value = find(name);
  if (value == nullptr) return std::nullopt;
  const bool* boolean = value->if_bool();
  if (boolean == nullptr) {
    refuse(name, "must be true or false");
    return std::nullopt;
  }
  return *boolean;
}

const boost::json::object* JsonReader::object(std::string_view name) {
  const boost::json::value* value = find(name);
  if (value == nullptr) return nullptr;
  if (!value->is_object()) refuse(name, "must be an object");
  return value->if_object();
}

}  // namespace linarite::wire
