// Identities of devices as the hub's registry holds them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <linarite/error.h>
#include <linarite/message.h>

namespace linarite {
inline namespace v1 {

// Whether the hub lets the device in.
enum class device_status { enabled, disabled };
// How the device proves who it is.
enum class authentication_type { sas, self_signed, certificate_authority, none };

// To create or update one, fill in what the first group names. The rest is the hub's to say.
struct device {
  std::string device_id;
  device_status status = device_status::enabled;
  std::string status_reason{};
  authentication_type authentication = authentication_type::sas;
  std::string primary_key{};  // Base64. Empty on creation: the hub makes both keys.
  std::string secondary_key{};
  std::string primary_thumbprint{};
  std::string secondary_thumbprint{};
  bool iot_edge = false;                     // Whether others may connect through it.
  std::string device_scope{};                // Empty on update: as it is.
  std::vector<std::string> parent_scopes{};  // As device_scope.
  // Of what was read. On update and delete, empty means: whatever is there now.
  std::string etag{};

  std::string generation_id{};
  bool connected = false;
  std::uint64_t cloud_to_device_message_count = 0;
  std::optional<wall_time> connection_state_updated{};
  std::optional<wall_time> status_updated{};
  std::optional<wall_time> last_activity{};

  bool operator==(const device&) const = default;

  // The JSON object as which a hub's REST API shows a device; to_json() writes it, keys included.
  // Names and words ignore case, what is missing or null stays as it is above, unknown members are
  // passed over. Text that is none, or a member that is known and holds something else, is
  // errc::invalid_argument; the message names the member and shows no value.
  LINARITE_API static device from_json(std::string_view json, error& problem);
  // The same, throwing linarite::exception.
  LINARITE_API static device from_json(std::string_view json);
};
// The JSON object as which the hub shows the device, keys included.
LINARITE_API std::string to_json(const device& what);

// How many identities there are.
struct registry_statistics {
  std::uint64_t total = 0;
  std::uint64_t enabled = 0;
  std::uint64_t disabled = 0;
  bool operator==(const registry_statistics&) const = default;
};

}  // namespace v1
}  // namespace linarite
