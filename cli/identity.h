// Changes to device identities, and how they are shown.
#pragma once

#include <linarite/registry.h>

#include <boost/json/object.hpp>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/random.h"
#include "cli/arguments.h"
#include "cli/failure.h"
#include "cli/service.h"

namespace linarite::cli {

// The key of a device with SAS authentication, else nothing.
std::optional<std::string> device_key(const device& device, bool secondary);

// What create is to make, from the flags.
Outcome<device> new_device(const Arguments& arguments);

// Applies the flags, then each --set.
Outcome<void> apply_flags(const Arguments& arguments, device& device);
// `path=value`: names between dots, as the REST API shows a device. A value that is JSON is taken
// as that, anything else as text. Fails for a path that a device does not have.
Outcome<void> apply_set(std::string_view assignment, device& device);

// primary, secondary, both: new random keys; swap.
Outcome<void> renew_keys(std::string_view which, Random& random, device& device);

// Fetches, changes and writes an identity, so that no change of another is lost: written only if it
// is still what was fetched, else once more from the beginning. With `etag`, it must have that one
// ('*': whatever it is).
using DeviceChange = std::function<Outcome<void>(device&)>;
Outcome<device> change_device(Service& hub, const std::string& device_id, const Text& etag,
                              const DeviceChange& change);

// As the REST API shows it, and with the hub that it belongs to, as az does.
boost::json::object shown(const device& device, const std::string& host);
// What az's list shows of a device: no keys.
boost::json::object listed(const device& device);

}  // namespace linarite::cli
