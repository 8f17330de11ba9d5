// The MQTT user name (device-protocol 1.3).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "wire/device_id.h"

namespace linarite::wire {

inline constexpr size_t kUserNameSizeMax = 4096;  // bytes

struct UserName {
  Identity identity;                              // that of the client id, with valid ids
  std::string host;                               // as given; not compared with anything
  std::optional<std::string> api_version;         // decoded, UTF-8
  std::optional<std::string> device_client_type;  // decoded, UTF-8
  std::optional<std::string> model_id;            // decoded, UTF-8
};

// Reads `{host}/{client id}[/[[?]key=value&…]]`. What follows the host must be the client id, byte
// for byte; unknown keys are ignored and of duplicates the first wins. Fails with 401002 when
// either text is malformed, the two do not name the same identity, or a limit is passed; the
// message names which.
Result<UserName> parse_user_name(std::string_view user_name, std::string_view client_id);

}  // namespace linarite::wire
