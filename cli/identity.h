// Device identities as the REST API shows them (service-protocol 5.2), and changes to them.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/random.h"
#include "cli/arguments.h"
#include "cli/failure.h"
#include "cli/rest_client.h"

namespace linarite::cli {

Outcome<boost::json::object> fetch_identity(RestClient& hub, std::string_view device_id);

// The key of a device with SAS authentication, else nothing.
std::optional<std::string> device_key(const boost::json::object& identity, bool secondary);

// The body of a create, from the flags.
Outcome<boost::json::object> new_identity(const Arguments& arguments);

// Applies the flags, then each --set, to an identity that was fetched.
Outcome<void> apply_flags(const Arguments& arguments, boost::json::object& identity);
// `path=value`: names between dots; members on the way must be objects. A value that is JSON is
// taken as that, anything else as text.
Outcome<void> apply_set(std::string_view assignment, boost::json::object& identity);

// primary, secondary, both: new random keys; swap.
Outcome<void> renew_keys(std::string_view which, Random& random, boost::json::object& identity);

// Fetches, changes and writes an identity, so that no change of another is lost: written only if it
// is still what was fetched, else once more from the beginning. With `etag`, it must have that one
// ('*': whatever it is).
using IdentityChange = std::function<Outcome<void>(boost::json::object&)>;
Outcome<boost::json::object> change_identity(RestClient& hub, std::string_view device_id,
                                             const Text& etag, const IdentityChange& change);

Outcome<boost::json::object> add_identity(RestClient& hub, const boost::json::object& identity);
Outcome<void> remove_identity(RestClient& hub, std::string_view device_id,
                              const std::string& if_match);
Outcome<boost::json::array> fetch_identities(RestClient& hub, int64_t top);

// What az's list shows of a device: no keys.
boost::json::object listed(const boost::json::object& identity);

}  // namespace linarite::cli
