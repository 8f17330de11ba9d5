// Parsing JSON (RFC 8259) that came from outside, and the reading of an object whose member names
// are matched ignoring case, as the service API does (service-protocol 5.1).
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace linarite::wire {

struct JsonLimits {
  size_t size_max;        // bytes of the text, checked before it is looked at
  size_t depth_max = 32;  // nested arrays and objects
};

// The whole text must be one JSON value in UTF-8. Fails with 413000 when it is too long and with
// 400006 when it is not JSON, nested too deeply, or an object names a member twice (byte for byte).
Result<boost::json::value> parse_json(std::string_view text, JsonLimits limits);

// A JSON string literal. `text` must be UTF-8.
std::string json_string(std::string_view text);

// Reads members of one object; member names ignore case, an absent member and null are the same,
// and others are left alone. The first thing that does not fit is kept as the error and ends the
// reading: what is read afterwards is nothing. The object must outlive the reader.
class JsonReader {
 public:
  // `path` names the object in error messages, for example "authentication."; empty for the
  // outermost.
  JsonReader(const boost::json::object& object, std::string path)
      : object_(&object), path_(std::move(path)) {}

  std::optional<std::string> text(std::string_view name);
  std::optional<bool> boolean(std::string_view name);
  const boost::json::object* object(std::string_view name);

  // The first misfit: a member of another type, or a name given twice in different case (400004).
  const std::optional<Error>& error() const { return error_; }

 private:
  const boost::json::value* find(std::string_view name);
  void refuse(std::string_view name, std::string_view what);

  const boost::json::object* object_;
  std::string path_;
  std::optional<Error> error_;
};

}  // namespace linarite::wire
