// Header fields of a message, in the order of the wire. Names compare without regard to ASCII case
// (RFC 9110, 5.1).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace linarite::http {

struct Header {
  std::string name;
  std::string value;  // Without the blanks around it.

  bool operator==(const Header&) const = default;
};

class Headers {
 public:
  Headers() = default;
  Headers(std::initializer_list<Header> fields) : fields_(fields) {}

  void add(std::string_view name, std::string_view value);
  // Replaces every field of that name by one.
  void set(std::string_view name, std::string_view value);
  void erase(std::string_view name);

  // The first field of that name. The view lives until the fields change.
  std::optional<std::string_view> find(std::string_view name) const;
  size_t count(std::string_view name) const;
  // Whether a comma-separated list in a field of that name holds `token`, in any case.
  bool has_token(std::string_view name, std::string_view token) const;

  size_t size() const { return fields_.size(); }
  auto begin() const { return fields_.begin(); }
  auto end() const { return fields_.end(); }
  bool operator==(const Headers&) const = default;

 private:
  std::vector<Header> fields_;
};

}  // namespace linarite::http
