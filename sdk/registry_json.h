// Registry values in JSON (service protocol, 5.2 and 5.8).
#pragma once

#include <linarite/registry.h>

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"

namespace linarite::sdk {

// The body of a PUT.
Bytes device_request_json(const device& device);
// Bodies of responses; kMalformed for anything else.
Result<device> parse_device(ByteView json);
Result<std::vector<device>> parse_device_list(ByteView json);
Result<registry_statistics> parse_registry_statistics(ByteView json);
// The number member `name` of an object.
Result<uint64_t> parse_count(ByteView json, const char* name);

}  // namespace linarite::sdk
