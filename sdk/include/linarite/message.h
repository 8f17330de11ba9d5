// A message between the cloud and a device. A plain value; any thread, one at a time.
#pragma once

#include <chrono>
#include <cstddef>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <linarite/export.h>

namespace linarite {
inline namespace v1 {

// A moment in UTC.
using wall_time = std::chrono::sys_time<std::chrono::milliseconds>;

// About which outcomes the sender wants feedback.
enum class feedback_request { none, positive, negative, full };

// Application properties, in the order of the sender. Names are compared byte for byte.
class property_list {
 public:
  using value_type = std::pair<std::string, std::string>;
  property_list() = default;
  property_list(std::initializer_list<value_type> items) : items_(items) {}

  // Replaces the value of `name` where it stands, or appends it.
  LINARITE_API void set(std::string name, std::string value);
  LINARITE_API std::optional<std::string_view> find(std::string_view name) const;
  // As it stands, also a name that is there already.
  void append(std::string name, std::string value) {
    items_.emplace_back(std::move(name), std::move(value));
  }
  bool empty() const { return items_.empty(); }
  size_t size() const { return items_.size(); }
  auto begin() const { return items_.begin(); }
  auto end() const { return items_.end(); }
  bool operator==(const property_list&) const = default;

 private:
  std::vector<value_type> items_;
};

struct message {
  message() = default;
  explicit message(std::string_view text) { set_body(text); }

  // System properties: set only if the sender set them. Text is UTF-8; user_id is any bytes.
  std::optional<std::string> message_id{};      // At most 128 bytes.
  std::optional<std::string> correlation_id{};  // At most 128 bytes.
  std::optional<std::string> user_id{};
  std::optional<std::string> to{};  // Of a received message; set by the client that sends one.
  std::optional<std::string> content_type{};
  std::optional<std::string> content_encoding{};
  std::optional<wall_time> expiry{};  // Absolute.
  std::optional<feedback_request> ack{};

  property_list properties{};
  std::vector<std::byte> body{};

  // The body's bytes, seen as text. The view lives until the body changes.
  std::string_view text() const {
    return {reinterpret_cast<const char*>(body.data()), body.size()};
  }
  LINARITE_API void set_body(std::string_view bytes);

  bool operator==(const message&) const = default;
};

}  // namespace v1
}  // namespace linarite
