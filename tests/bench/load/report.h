// The figures of a run: one flat JSON object.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

namespace linarite::load {

class Report {
 public:
  void add(std::string_view name, double value) { append(name, fmt::format("{:.6g}", value)); }
  void add(std::string_view name, std::string_view plain_text) {
    append(name, fmt::format("\"{}\"", plain_text));
  }
  template <std::integral T>
  void add(std::string_view name, T value) {
    append(name, fmt::format("{}", value));
  }
  std::string json() const { return "{" + fields_ + "}"; }

 private:
  void append(std::string_view name, std::string_view value) {
    fields_ += fmt::format("{}\"{}\": {}", fields_.empty() ? "" : ", ", name, value);
  }
  std::string fields_;
};

}  // namespace linarite::load
