// Device identities as JSON (service-protocol 5.2).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "hub/identity.h"

namespace linarite::gateway {

inline constexpr size_t kJsonDepthMax = 16;
inline constexpr size_t kDeviceScopeSizeMax = 512;  // Bytes.

std::string device_json(const hub::DeviceView& view);
std::string device_list_json(const std::vector<hub::DeviceView>& views);

// Reads the body of a PUT of `device_id`. Names and enum values are taken in any case, unknown and
// read-only properties are ignored, null is absent. kIotHubFormatError for what is not JSON;
// kArgumentInvalid for another root than an object, a value of the wrong type, a property given
// twice, or another device id. Whether keys and thumbprints will do is for the hub to say.
Result<hub::IdentityWrite> parse_identity_write(std::string_view json, std::string_view device_id);

}  // namespace linarite::gateway
