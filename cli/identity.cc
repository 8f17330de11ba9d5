#include "cli/identity.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include "base/base64.h"
#include "wire/json_text.h"
#include "wire/percent.h"

namespace linarite::cli {
namespace {

namespace json = boost::json;

constexpr size_t kKeySize = 32;        // Bytes, before base64.
constexpr int kChangeAttemptsMax = 5;  // Against others who change the same identity.
constexpr size_t kSetValueSizeMax = 65536;

std::string path_of(std::string_view device_id) {
  return "/devices/" + wire::percent_encoded(device_id);
}

// The member that is an object; made if it is not there or null. Null if it is something else.
json::object* child(json::object& object, std::string_view name) {
  json::value& value = object[json::string_view(name.data(), name.size())];
  if (value.is_null()) value.emplace_object();
  return value.if_object();
}

const json::value* find(const json::object& object, std::initializer_list<const char*> path) {
  const json::object* at = &object;
  const json::value* value = nullptr;
  for (const char* name : path) {
    if (at == nullptr) return nullptr;
    value = at->if_contains(name);
    if (value == nullptr) return nullptr;
    at = value->if_object();
  }
  return value;
}

std::string text_at(const json::object& object, std::initializer_list<const char*> path) {
  const json::value* value = find(object, path);
  const auto* text = value == nullptr ? nullptr : value->if_string();
  return text == nullptr ? std::string() : std::string(text->data(), text->size());
}

std::string_view type_of(std::string_view auth_method) {
  if (auth_method == "x509_thumbprint") return "selfSigned";
  if (auth_method == "x509_ca") return "certificateAuthority";
  return "sas";
}

void set_text(json::object* object, const char* name, const Text& value) {
  if (value) (*object)[name] = *value;
}

Outcome<void> check_credentials(const Arguments& arguments, std::string_view type) {
  const bool keys = arguments.primary_key || arguments.secondary_key;
  const bool thumbprints = arguments.primary_thumbprint || arguments.secondary_thumbprint;
  if (keys && type != "sas") {
    return misused("symmetric keys need the auth method shared_private_key");
  }
  if (thumbprints && type != "selfSigned") {
    return misused("thumbprints need the auth method x509_thumbprint");
  }
  return {};
}

Outcome<json::object> object_of(Result<json::value> answer) {
  if (!answer) return std::unexpected(answer.error());
  if (!answer->is_object()) return failed("the hub answered with something else than an identity");
  return std::move(answer->get_object());
}

Result<json::value> put(RestClient& hub, const json::object& identity, const Text& if_match) {
  RestCall call{.method = "PUT", .path = path_of(text_at(identity, {"deviceId"}))};
  call.headers.add("Content-Type", "application/json; charset=utf-8");
  if (if_match) call.headers.add("If-Match", "\"" + *if_match + "\"");
  call.body = json::serialize(identity);
  return hub.call_json(call);
}

}  // namespace

Outcome<json::object> fetch_identity(RestClient& hub, std::string_view device_id) {
  return object_of(hub.call_json({.method = "GET", .path = path_of(device_id)}));
}

Outcome<json::object> add_identity(RestClient& hub, const json::object& identity) {
  return object_of(put(hub, identity, std::nullopt));
}

Outcome<void> remove_identity(RestClient& hub, std::string_view device_id,
                              const std::string& if_match) {
  RestCall call{.method = "DELETE", .path = path_of(device_id)};
  call.headers.add("If-Match", "\"" + if_match + "\"");
  const auto response = hub.call(call);
  if (!response) return std::unexpected(response.error());
  return {};
}

Outcome<json::array> fetch_identities(RestClient& hub, int64_t top) {
  auto answer = hub.call_json({.method = "GET", .path = "/devices?top=" + std::to_string(top)});
  if (!answer) return std::unexpected(answer.error());
  if (!answer->is_array()) return failed("the hub answered with something else than a list");
  return std::move(answer->get_array());
}

std::optional<std::string> device_key(const json::object& identity, bool secondary) {
  if (text_at(identity, {"authentication", "type"}) != "sas") return std::nullopt;
  std::string key = text_at(
      identity, {"authentication", "symmetricKey", secondary ? "secondaryKey" : "primaryKey"});
  if (key.empty()) return std::nullopt;
  return key;
}

Outcome<json::object> new_identity(const Arguments& arguments) {
  const std::string_view type = type_of(arguments.auth_method.value_or("shared_private_key"));
  if (auto checked = check_credentials(arguments, type); !checked) {
    return std::unexpected(checked.error());
  }
  if (arguments.primary_key.has_value() != arguments.secondary_key.has_value()) {
    return misused("--primary-key and --secondary-key are only taken together");
  }
  if (type == "selfSigned" && !arguments.primary_thumbprint) {
    return misused("the auth method x509_thumbprint needs --primary-thumbprint");
  }
  json::object out = {{"deviceId", *arguments.device_id},
                      {"status", arguments.status.value_or("enabled")}};
  set_text(&out, "statusReason", arguments.status_reason);
  set_text(&out, "deviceScope", arguments.device_scope);
  out["capabilities"] = json::object{{"iotEdge", arguments.edge_enabled == "true"}};
  json::object* const authentication = child(out, "authentication");
  (*authentication)["type"] = json::string_view(type.data(), type.size());
  if (type == "sas" && arguments.primary_key) {
    json::object* const keys = child(*authentication, "symmetricKey");
    set_text(keys, "primaryKey", arguments.primary_key);
    set_text(keys, "secondaryKey", arguments.secondary_key);
  }
  if (type == "selfSigned") {
    json::object* const thumbprints = child(*authentication, "x509Thumbprint");
    set_text(thumbprints, "primaryThumbprint", arguments.primary_thumbprint);
    set_text(thumbprints, "secondaryThumbprint", arguments.secondary_thumbprint);
  }
  return out;
}

Outcome<void> apply_flags(const Arguments& arguments, json::object& identity) {
  json::object* const capabilities = child(identity, "capabilities");
  json::object* const authentication = child(identity, "authentication");
  if (capabilities == nullptr || authentication == nullptr) {
    return failed("the hub answered with something else than an identity");
  }
  if (arguments.edge_enabled) (*capabilities)["iotEdge"] = arguments.edge_enabled == "true";
  set_text(&identity, "status", arguments.status);
  set_text(&identity, "statusReason", arguments.status_reason);
  const std::string before = text_at(identity, {"authentication", "type"});
  const std::string type(arguments.auth_method ? type_of(*arguments.auth_method) : before);
  if (auto checked = check_credentials(arguments, type); !checked) return checked;
  (*authentication)["type"] = type;
  json::object* const keys = child(*authentication, "symmetricKey");
  json::object* const thumbprints = child(*authentication, "x509Thumbprint");
  if (keys == nullptr || thumbprints == nullptr) {
    return failed("the hub answered with something else than an identity");
  }
  if (type != before) {
    // What proved the device before proves nothing from now on.
    keys->clear();
    thumbprints->clear();
  }
  set_text(keys, "primaryKey", arguments.primary_key);
  set_text(keys, "secondaryKey", arguments.secondary_key);
  set_text(thumbprints, "primaryThumbprint", arguments.primary_thumbprint);
  set_text(thumbprints, "secondaryThumbprint", arguments.secondary_thumbprint);
  for (const std::string& assignment : arguments.set) {
    if (auto done = apply_set(assignment, identity); !done) return done;
  }
  return {};
}

Outcome<void> apply_set(std::string_view assignment, json::object& identity) {
  const size_t equals = assignment.find('=');
  if (equals == std::string_view::npos || equals == 0) {
    return misused("--set: '" + std::string(assignment) + "' is not path=value");
  }
  std::string_view path = assignment.substr(0, equals);
  const std::string_view text = assignment.substr(equals + 1);
  json::object* at = &identity;
  for (size_t dot = path.find('.'); dot != std::string_view::npos; dot = path.find('.')) {
    at = child(*at, path.substr(0, dot));
    if (at == nullptr) {
      return misused("--set: a part of '" + std::string(assignment.substr(0, equals)) +
                     "' is no object");
    }
    path.remove_prefix(dot + 1);
  }
  auto parsed = wire::parse_json(text, {.size_max = kSetValueSizeMax});
  (*at)[json::string_view(path.data(), path.size())] =
      parsed ? *std::move(parsed) : json::value(json::string_view(text.data(), text.size()));
  return {};
}

Outcome<void> renew_keys(std::string_view which, Random& random, json::object& identity) {
  const auto primary = device_key(identity, false);
  const auto secondary = device_key(identity, true);
  if (!primary || !secondary) {
    return failed("the device does not authenticate with symmetric keys (its type is not sas)");
  }
  json::object& keys = identity["authentication"].get_object()["symmetricKey"].get_object();
  if (which == "swap") {
    keys["primaryKey"] = *secondary;
    keys["secondaryKey"] = *primary;
    return {};
  }
  const auto fresh = [&] { return base64_encode(random.bytes(kKeySize)); };
  if (which == "primary" || which == "both") keys["primaryKey"] = fresh();
  if (which == "secondary" || which == "both") keys["secondaryKey"] = fresh();
  return {};
}

Outcome<json::object> change_identity(RestClient& hub, std::string_view device_id, const Text& etag,
                                      const IdentityChange& change) {
  for (int attempt = 1;; ++attempt) {
    auto identity = fetch_identity(hub, device_id);
    if (!identity) return identity;
    const std::string fetched = text_at(*identity, {"etag"});
    if (auto changed = change(*identity); !changed) return std::unexpected(changed.error());
    auto answer = put(hub, *identity, etag.value_or(fetched));
    const bool raced = !answer && answer.error().code == ErrorCode::kPreconditionFailed && !etag;
    if (!raced || attempt == kChangeAttemptsMax) return object_of(std::move(answer));
  }
}

json::object listed(const json::object& identity) {
  json::object out;
  for (const char* name :
       {"deviceId", "status", "statusReason", "connectionState", "lastActivityTime",
        "cloudToDeviceMessageCount", "capabilities", "deviceScope", "parentScopes"}) {
    if (const auto* value = identity.if_contains(name)) out[name] = *value;
  }
  const std::initializer_list<std::pair<const char*, const char*>> renamed = {
      {"etag", "deviceEtag"}, {"statusUpdatedTime", "statusUpdateTime"}};
  for (const auto& [from, to] : renamed) {
    if (const auto* value = identity.if_contains(from)) out[to] = *value;
  }
  out["authenticationType"] = text_at(identity, {"authentication", "type"});
  if (const auto* value = find(identity, {"authentication", "x509Thumbprint"})) {
    out["x509Thumbprint"] = *value;
  }
  return out;
}

}  // namespace linarite::cli
