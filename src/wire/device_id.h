// Names of devices and modules (device-protocol 0.4).
#pragma once

#include <compare>
#include <cstddef>
#include <string>
#include <string_view>

namespace linarite::wire {

inline constexpr size_t kDeviceIdSizeMax = 128;  // of a device id, and of a module id

// 1 to 128 characters: ASCII letters, digits and - : . + % _ # * ? ! ( ) , = @ ; $ '
// The rule is the same for device and module ids.
bool is_valid_device_id(std::string_view id);

// Who a connection or a message belongs to: a device, or one of its modules. Ids are compared byte
// for byte. A value may hold ids that have not been validated; is_valid_identity says so.
struct Identity {
  std::string device_id;
  std::string module_id;  // empty for the device itself

  bool is_module() const { return !module_id.empty(); }
  auto operator<=>(const Identity&) const = default;
};

bool is_valid_identity(const Identity& identity);

// `{d}` or `{d}/{m}`, as in an MQTT client id.
std::string identity_text(const Identity& identity);

}  // namespace linarite::wire
