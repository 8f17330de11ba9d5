#include "gateway/http_identity_json.h"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <optional>

#include "base/text.h"

namespace linarite::gateway {
namespace {

namespace json = boost::json;

constexpr std::string_view kUnsetTime = "0001-01-01T00:00:00";

struct TypeWord {
  hub::AuthenticationType type;
  std::string_view word;
};
constexpr std::array<TypeWord, 4> kTypeWords = {
    {{hub::AuthenticationType::kSas, "sas"},
     {hub::AuthenticationType::kSelfSigned, "selfSigned"},
     {hub::AuthenticationType::kCertificateAuthority, "certificateAuthority"},
     {hub::AuthenticationType::kNone, "none"}}};

std::unexpected<Error> invalid(std::string message) {
  return fail(ErrorCode::kArgumentInvalid, std::move(message));
}

// --- Writing

json::value text_or_null(const std::string& text) {
  return text.empty() ? json::value() : json::value(text);
}

std::string time_text(const std::optional<WallTime>& time) {
  return time ? iso8601(*time) : std::string(kUnsetTime);
}

std::string_view type_word(hub::AuthenticationType type) {
  return std::ranges::find(kTypeWords, type, &TypeWord::type)->word;
}

json::object device_object(const hub::DeviceView& view) {
  const hub::Identity& identity = view.identity;
  const std::string_view type = type_word(identity.authentication);
  // The scope of a leaf device is that of its parent.
  json::array parent_scopes;
  if (!identity.iot_edge && !identity.device_scope.empty()) {
    parent_scopes.emplace_back(identity.device_scope);
  }
  return {
      {"deviceId", identity.device_id},
      {"generationId", identity.generation_id},
      {"etag", identity.etag},
      {"connectionState", view.connected ? "Connected" : "Disconnected"},
      {"status", identity.status == hub::DeviceStatus::kEnabled ? "enabled" : "disabled"},
      {"statusReason", text_or_null(identity.status_reason)},
      {"connectionStateUpdatedTime", time_text(view.connection_state_updated)},
      {"statusUpdatedTime", time_text(identity.status_updated)},
      {"lastActivityTime", time_text(view.last_activity)},
      {"cloudToDeviceMessageCount", view.pending_messages},
      {"authentication",
       {{"symmetricKey",
         {{"primaryKey", text_or_null(identity.primary_key)},
          {"secondaryKey", text_or_null(identity.secondary_key)}}},
        {"x509Thumbprint",
         {{"primaryThumbprint", text_or_null(identity.primary_thumbprint)},
          {"secondaryThumbprint", text_or_null(identity.secondary_thumbprint)}}},
        {"type", json::string_view(type.data(), type.size())}}},
      {"capabilities", {{"iotEdge", identity.iot_edge}}},
      {"deviceScope", text_or_null(identity.device_scope)},
      {"parentScopes", std::move(parent_scopes)},
  };
}

// --- Reading

// The value of a property in any case of its name; null if absent or null.
Result<const json::value*> find(const json::object& object, std::string_view name) {
  const json::value* found = nullptr;
  size_t count = 0;
  for (const auto& [key, value] : object) {
    if (!equal_ignoring_case({key.data(), key.size()}, name)) continue;
    if (++count > 1) return invalid(std::string(name) + " is given twice");
    if (!value.is_null()) found = &value;
  }
  return found;
}

Result<const json::object*> find_object(const json::object& object, std::string_view name) {
  const auto value = find(object, name);
  if (!value) return std::unexpected(value.error());
  if (*value == nullptr) return nullptr;
  if (!(*value)->is_object()) return invalid(std::string(name) + " is not an object");
  return &(*value)->get_object();
}

Result<std::optional<std::string>> find_text(const json::object& object, std::string_view name) {
  const auto value = find(object, name);
  if (!value) return std::unexpected(value.error());
  if (*value == nullptr) return std::nullopt;
  if (!(*value)->is_string()) return invalid(std::string(name) + " is not a string");
  const json::string& text = (*value)->get_string();
  return std::string(text.data(), text.size());
}

// Two texts of an object that may be missing; an empty text is absent, as Node's client sends it.
struct Pair {
  std::optional<std::string> primary;
  std::optional<std::string> secondary;
};
Result<Pair> find_pair(const json::object& authentication, std::string_view name,
                       std::string_view primary, std::string_view secondary) {
  const auto object = find_object(authentication, name);
  if (!object) return std::unexpected(object.error());
  Pair pair;
  if (*object == nullptr) return pair;
  auto first = find_text(**object, primary);
  if (!first) return std::unexpected(first.error());
  auto second = find_text(**object, secondary);
  if (!second) return std::unexpected(second.error());
  if (*first && !(*first)->empty()) pair.primary = std::move(*first);
  if (*second && !(*second)->empty()) pair.secondary = std::move(*second);
  return pair;
}

Status read_authentication(const json::object& root, hub::IdentityWrite& write) {
  const auto object = find_object(root, "authentication");
  if (!object) return std::unexpected(object.error());
  if (*object == nullptr) return {};
  const auto type = find_text(**object, "type");
  if (!type) return std::unexpected(type.error());
  auto keys = find_pair(**object, "symmetricKey", "primaryKey", "secondaryKey");
  if (!keys) return std::unexpected(keys.error());
  auto prints = find_pair(**object, "x509Thumbprint", "primaryThumbprint", "secondaryThumbprint");
  if (!prints) return std::unexpected(prints.error());

  if (*type) {
    const auto word = std::ranges::find_if(
        kTypeWords, [&](const TypeWord& w) { return equal_ignoring_case(w.word, **type); });
    if (word == kTypeWords.end()) return invalid("authentication.type is not known");
    write.authentication = word->type;
  } else if (prints->primary || prints->secondary) {
    write.authentication = hub::AuthenticationType::kSelfSigned;
  } else if (keys->primary || keys->secondary) {
    write.authentication = hub::AuthenticationType::kSas;
  }

  write.primary_key = std::move(keys->primary);
  write.secondary_key = std::move(keys->secondary);
  write.primary_thumbprint = std::move(prints->primary);
  write.secondary_thumbprint = std::move(prints->secondary);
  return {};
}

Status read_status(const json::object& root, hub::IdentityWrite& write) {
  const auto status = find_text(root, "status");
  if (!status) return std::unexpected(status.error());
  if (*status) {
    if (equal_ignoring_case(**status, "enabled")) {
      write.status = hub::DeviceStatus::kEnabled;
    } else if (equal_ignoring_case(**status, "disabled")) {
      write.status = hub::DeviceStatus::kDisabled;
    } else {
      return invalid("status is neither enabled nor disabled");
    }
  }
  auto reason = find_text(root, "statusReason");
  if (!reason) return std::unexpected(reason.error());
  write.status_reason = std::move(*reason);
  return {};
}

Status read_edge(const json::object& root, hub::IdentityWrite& write) {
  const auto capabilities = find_object(root, "capabilities");
  if (!capabilities) return std::unexpected(capabilities.error());
  if (*capabilities != nullptr) {
    const auto edge = find(**capabilities, "iotEdge");
    if (!edge) return std::unexpected(edge.error());
    if (*edge != nullptr && !(*edge)->is_bool()) return invalid("iotEdge is not true or false");
    if (*edge != nullptr) write.iot_edge = (*edge)->get_bool();
  }
  auto scope = find_text(root, "deviceScope");
  if (!scope) return std::unexpected(scope.error());
  if (*scope && (*scope)->size() > kDeviceScopeSizeMax) return invalid("deviceScope is too long");
  write.device_scope = std::move(*scope);
  return {};
}

}  // namespace

std::string device_json(const hub::DeviceView& view) {
  return json::serialize(device_object(view));
}

std::string device_list_json(const std::vector<hub::DeviceView>& views) {
  std::string out = "[";
  for (const hub::DeviceView& view : views) {
    if (out.size() > 1) out += ',';
    out += device_json(view);
  }
  return out + "]";
}

Result<hub::IdentityWrite> parse_identity_write(std::string_view text, std::string_view device_id) {
  json::parse_options options;
  options.max_depth = kJsonDepthMax;
  json::error_code error;
  const json::value root = json::parse({text.data(), text.size()}, error, {}, options);
  if (error) return fail(ErrorCode::kIotHubFormatError, "the body is not valid JSON");
  if (!root.is_object()) return invalid("the body is not a JSON object");
  const json::object& object = root.get_object();

  hub::IdentityWrite write;
  write.device_id = device_id;
  const auto id = find_text(object, "deviceId");
  if (!id) return std::unexpected(id.error());
  if (*id && **id != device_id) return invalid("deviceId is not the one in the path");
  if (auto status = read_status(object, write); !status) return std::unexpected(status.error());
  if (auto status = read_authentication(object, write); !status) {
    return std::unexpected(status.error());
  }
  if (auto status = read_edge(object, write); !status) return std::unexpected(status.error());
  return write;
}

}  // namespace linarite::gateway
