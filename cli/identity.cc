#include "cli/identity.h"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <utility>

#include "base/base64.h"
#include "wire/json_text.h"

namespace linarite::cli {
namespace {

namespace json = boost::json;

constexpr size_t kKeySize = 32;        // Bytes, before base64.
constexpr int kChangeAttemptsMax = 5;  // Against others who change the same identity.
constexpr size_t kSetValueSizeMax = 65536;
constexpr std::string_view kAnyEtag = "*";

json::string_view view(std::string_view text) { return {text.data(), text.size()}; }

json::object object_of(const device& device) {
  return std::move(json::parse(to_json(device)).as_object());
}

// The member at the end of the path, "a.b.c"; null if there is none.
json::value* find(json::object& object, std::string_view path) {
  const size_t dot = path.find('.');
  json::value* const value = object.if_contains(view(path.substr(0, dot)));
  if (dot == std::string_view::npos || value == nullptr) return value;
  json::object* const inner = value->if_object();
  return inner == nullptr ? nullptr : find(*inner, path.substr(dot + 1));
}

authentication_type type_of(std::string_view auth_method) {
  if (auth_method == "x509_thumbprint") return authentication_type::self_signed;
  if (auth_method == "x509_ca") return authentication_type::certificate_authority;
  return authentication_type::sas;
}

// Each text that was given, in its place.
void apply_texts(const Arguments& arguments, device& device) {
  const std::initializer_list<std::pair<const Text&, std::string&>> places = {
      {arguments.status_reason, device.status_reason},
      {arguments.device_scope, device.device_scope},
      {arguments.primary_key, device.primary_key},
      {arguments.secondary_key, device.secondary_key},
      {arguments.primary_thumbprint, device.primary_thumbprint},
      {arguments.secondary_thumbprint, device.secondary_thumbprint},
  };
  for (const auto& [text, place] : places) {
    if (text) place = *text;
  }
  if (arguments.status) {
    device.status =
        *arguments.status == "disabled" ? device_status::disabled : device_status::enabled;
  }
  if (arguments.edge_enabled) device.iot_edge = *arguments.edge_enabled == "true";
}

Outcome<void> check_credentials(const Arguments& arguments, authentication_type type) {
  const bool keys = arguments.primary_key || arguments.secondary_key;
  const bool thumbprints = arguments.primary_thumbprint || arguments.secondary_thumbprint;
  if (keys && type != authentication_type::sas) {
    return misused("symmetric keys need the auth method shared_private_key");
  }
  if (thumbprints && type != authentication_type::self_signed) {
    return misused("thumbprints need the auth method x509_thumbprint");
  }
  return {};
}

}  // namespace

std::optional<std::string> device_key(const device& device, bool secondary) {
  const std::string& key = secondary ? device.secondary_key : device.primary_key;
  if (device.authentication != authentication_type::sas || key.empty()) return std::nullopt;
  return key;
}

Outcome<device> new_device(const Arguments& arguments) {
  const authentication_type type = type_of(arguments.auth_method.value_or("shared_private_key"));
  if (auto checked = check_credentials(arguments, type); !checked) {
    return std::unexpected(checked.error());
  }
  if (arguments.primary_key.has_value() != arguments.secondary_key.has_value()) {
    return misused("--primary-key and --secondary-key are only taken together");
  }
  if (type == authentication_type::self_signed && !arguments.primary_thumbprint) {
    return misused("the auth method x509_thumbprint needs --primary-thumbprint");
  }
  device out{.device_id = *arguments.device_id, .authentication = type};
  apply_texts(arguments, out);
  return out;
}

Outcome<void> apply_flags(const Arguments& arguments, device& device) {
  const authentication_type type =
      arguments.auth_method ? type_of(*arguments.auth_method) : device.authentication;
  if (auto checked = check_credentials(arguments, type); !checked) return checked;
  if (type != device.authentication) {
    // What proved the device before proves nothing from now on.
    device.primary_key.clear();
    device.secondary_key.clear();
    device.primary_thumbprint.clear();
    device.secondary_thumbprint.clear();
  }
  device.authentication = type;
  apply_texts(arguments, device);
  for (const std::string& assignment : arguments.set) {
    if (auto done = apply_set(assignment, device); !done) return done;
  }
  return {};
}

Outcome<void> apply_set(std::string_view assignment, device& device) {
  const size_t equals = assignment.find('=');
  if (equals == std::string_view::npos || equals == 0) {
    return misused("--set: '" + std::string(assignment) + "' is not path=value");
  }
  const std::string_view path = assignment.substr(0, equals);
  const std::string_view text = assignment.substr(equals + 1);
  json::object object = object_of(device);
  json::value* const place = find(object, path);
  if (place == nullptr || path == "deviceId") {
    return misused("--set: '" + std::string(path) + "' is nothing that can be set of a device");
  }
  auto parsed = wire::parse_json(text, {.size_max = kSetValueSizeMax});
  *place = parsed ? *std::move(parsed) : json::value(view(text));
  linarite::error problem;
  linarite::device changed = linarite::device::from_json(json::serialize(object), problem);
  if (problem) return misused("--set: " + problem.message());
  device = std::move(changed);
  return {};
}

Outcome<void> renew_keys(std::string_view which, Random& random, device& device) {
  if (!device_key(device, false) || !device_key(device, true)) {
    return failed("the device does not authenticate with symmetric keys (its type is not sas)");
  }
  if (which == "swap") {
    std::swap(device.primary_key, device.secondary_key);
    return {};
  }
  const auto fresh = [&] { return base64_encode(random.bytes(kKeySize)); };
  if (which == "primary" || which == "both") device.primary_key = fresh();
  if (which == "secondary" || which == "both") device.secondary_key = fresh();
  return {};
}

Outcome<device> change_device(Service& hub, const std::string& device_id, const Text& etag,
                              const DeviceChange& change) {
  for (int attempt = 1;; ++attempt) {
    auto fetched = hub.ask([&](auto& client) { return client.get_device(device_id); });
    if (!fetched) return fetched;
    const std::string fetched_etag = fetched->etag;
    if (auto changed = change(*fetched); !changed) return std::unexpected(changed.error());
    fetched->etag = etag ? (*etag == kAnyEtag ? "" : *etag) : fetched_etag;
    bool overtaken = false;
    auto written = hub.ask([&](auto& client) {
      try {
        return client.update_device(*fetched);
      } catch (const linarite::exception& thrown) {
        overtaken = thrown.reason() == errc::precondition_failed;
        throw;
      }
    });
    if (written || !overtaken || etag || attempt == kChangeAttemptsMax) return written;
  }
}

json::object shown(const device& device, const std::string& host) {
  json::object out = object_of(device);
  out["hub"] = host;
  return out;
}

json::object listed(const device& device) {
  const json::object identity = object_of(device);
  json::object out;
  for (const char* name :
       {"deviceId", "status", "statusReason", "connectionState", "lastActivityTime",
        "cloudToDeviceMessageCount", "capabilities", "deviceScope", "parentScopes"}) {
    out[name] = identity.at(name);
  }
  out["deviceEtag"] = identity.at("etag");
  out["statusUpdateTime"] = identity.at("statusUpdatedTime");
  const json::value& authentication = identity.at("authentication");
  out["authenticationType"] = authentication.at("type");
  out["x509Thumbprint"] = authentication.at("x509Thumbprint");
  return out;
}

}  // namespace linarite::cli
