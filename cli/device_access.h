// How a command acts as a device: its identity, with the key that the hub's registry has.
#pragma once

#include <linarite/device_client.h>

#include "cli/failure.h"
#include "cli/session.h"

namespace linarite::cli {

// What a device client is made of.
struct DeviceAccess {
  device_identity identity;
  device_options options;
};

// Of an identity as the registry shows it. Fails if it has no symmetric key.
Outcome<DeviceAccess> device_access(Session& session, const device& identity);
// Of the device that -d names, with --symmetric-key, else with the key of the registry.
Outcome<DeviceAccess> device_access(Session& session);

}  // namespace linarite::cli
