#include "wire/device_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include "base/base64.h"
#include "base/text.h"
#include "wire/device_id.h"
#include "wire/json_text.h"

namespace linarite::wire {
namespace {

namespace json = boost::json;

constexpr std::array<std::string_view, 2> kStatusWords{"enabled", "disabled"};
constexpr std::array<std::string_view, 4> kAuthenticationWords{"sas", "selfSigned",
                                                               "certificateAuthority", "none"};

std::unexpected<Error> refuse(std::string message) {
  return fail(ErrorCode::kArgumentInvalid, std::move(message));
}

// The place of `word` among `words`, ignoring case, as the enum those words stand for.
template <class Enum, size_t kCount>
std::optional<Enum> enum_of(const std::array<std::string_view, kCount>& words,
                            std::string_view word) {
  for (size_t i = 0; i < kCount; ++i) {
    if (equal_ignoring_case(words[i], word)) return static_cast<Enum>(i);
  }
  return std::nullopt;
}

size_t character_count(std::string_view utf8) {
  const auto starts_character = [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  };
  return static_cast<size_t>(std::ranges::count_if(utf8, starts_character));
}

void clear_if_empty(std::optional<std::string>& text) {
  if (text && text->empty()) text.reset();
}

Status read_keys(const json::object& authentication, DeviceRequest& out) {
  JsonReader reader(authentication, "authentication.");
  if (const json::object* keys = reader.object("symmetricKey")) {
    JsonReader key_reader(*keys, "authentication.symmetricKey.");
    out.primary_key = key_reader.text("primaryKey");
    out.secondary_key = key_reader.text("secondaryKey");
    if (key_reader.error()) return std::unexpected(*key_reader.error());
  }
  if (reader.error()) return std::unexpected(*reader.error());
  clear_if_empty(out.primary_key);
  clear_if_empty(out.secondary_key);
  if (out.primary_key.has_value() != out.secondary_key.has_value()) {
    return refuse("give both keys or none");
  }
  if (out.primary_key && !is_valid_symmetric_key(*out.primary_key)) {
    return refuse("primaryKey must be base64 of 16 to 64 bytes");
  }
  if (out.secondary_key && !is_valid_symmetric_key(*out.secondary_key)) {
    return refuse("secondaryKey must be base64 of 16 to 64 bytes");
  }
  return {};
}

Status read_thumbprints(const json::object& authentication, DeviceRequest& out) {
  JsonReader reader(authentication, "authentication.");
  if (const json::object* prints = reader.object("x509Thumbprint")) {
    JsonReader print_reader(*prints, "authentication.x509Thumbprint.");
    out.primary_thumbprint = print_reader.text("primaryThumbprint");
    out.secondary_thumbprint = print_reader.text("secondaryThumbprint");
    if (print_reader.error()) return std::unexpected(*print_reader.error());
  }
  if (reader.error()) return std::unexpected(*reader.error());
  clear_if_empty(out.primary_thumbprint);
  clear_if_empty(out.secondary_thumbprint);
  for (const auto& thumbprint : {out.primary_thumbprint, out.secondary_thumbprint}) {
    if (thumbprint && !is_valid_thumbprint(*thumbprint)) {
      return refuse("a thumbprint must have 40 or 64 hex digits");
    }
  }
  return {};
}

Status read_authentication(const json::object& authentication, DeviceRequest& out) {
  if (auto status = read_keys(authentication, out); !status) return status;
  if (auto status = read_thumbprints(authentication, out); !status) return status;
  JsonReader reader(authentication, "authentication.");
  const auto type = reader.text("type");
  if (reader.error()) return std::unexpected(*reader.error());
  if (type) {
    out.authentication = enum_of<AuthenticationType>(kAuthenticationWords, *type);
    if (!out.authentication) return refuse("authentication.type is not known");
  } else if (out.primary_thumbprint || out.secondary_thumbprint) {
    out.authentication = AuthenticationType::kSelfSigned;
  } else if (out.primary_key) {
    out.authentication = AuthenticationType::kSas;
  }
  return {};
}

Status read_status(JsonReader& reader, DeviceRequest& out) {
  if (const auto word = reader.text("status")) {
    out.status = enum_of<DeviceStatus>(kStatusWords, *word);
    if (!out.status) return refuse("status must be enabled or disabled");
  }
  out.status_reason = reader.text("statusReason");
  if (out.status_reason && character_count(*out.status_reason) > kStatusReasonLengthMax) {
    return refuse(fmt::format("statusReason is longer than {} characters", kStatusReasonLengthMax));
  }
  return {};
}

Status read_device(const json::object& object, std::string_view device_id, DeviceRequest& out) {
  JsonReader reader(object, "");
  const auto id = reader.text("deviceId");
  if (id && *id != device_id) return refuse("deviceId differs from that of the path");
  if (auto status = read_status(reader, out); !status) return status;
  out.device_scope = reader.text("deviceScope");
  if (out.device_scope && out.device_scope->size() > kDeviceScopeSizeMax) {
    return refuse(fmt::format("deviceScope is longer than {} bytes", kDeviceScopeSizeMax));
  }
  if (const json::object* capabilities = reader.object("capabilities")) {
    JsonReader capability_reader(*capabilities, "capabilities.");
    out.iot_edge = capability_reader.boolean("iotEdge");
    if (capability_reader.error()) return std::unexpected(*capability_reader.error());
  }
  const json::object* authentication = reader.object("authentication");
  if (reader.error()) return std::unexpected(*reader.error());
  if (authentication != nullptr) return read_authentication(*authentication, out);
  return {};
}

json::value text_or_null(std::string_view text) {
  if (text.empty()) return nullptr;
  return json::string(text.data(), text.size());
}

// Identity objects of the original show an unset time without a zone.
std::string time_text(const std::optional<WallTime>& time) {
  return time ? iso8601(*time) : "0001-01-01T00:00:00";
}

json::string word(std::string_view text) { return json::string(text.data(), text.size()); }

json::array parent_scopes(const DeviceDocument& device) {
  json::array scopes;
  for (const std::string& scope : device.parent_scopes) scopes.emplace_back(word(scope));
  return scopes;
}

json::object authentication_object(const DeviceDocument& device) {
  return {{"symmetricKey",
           {{"primaryKey", text_or_null(device.primary_key)},
            {"secondaryKey", text_or_null(device.secondary_key)}}},
          {"x509Thumbprint",
           {{"primaryThumbprint", text_or_null(device.primary_thumbprint)},
            {"secondaryThumbprint", text_or_null(device.secondary_thumbprint)}}},
          {"type", word(kAuthenticationWords[static_cast<size_t>(device.authentication)])}};
}

json::object request_object(const DeviceDocument& device) {
  json::object out{{"deviceId", word(device.device_id)},
                   {"status", word(kStatusWords[static_cast<size_t>(device.status)])},
                   {"statusReason", text_or_null(device.status_reason)},
                   {"authentication", authentication_object(device)},
                   {"capabilities", {{"iotEdge", device.iot_edge}}}};
  if (!device.device_scope.empty()) out["deviceScope"] = word(device.device_scope);
  if (!device.parent_scopes.empty()) out["parentScopes"] = parent_scopes(device);
  return out;
}

json::object device_object(const DeviceDocument& device) {
  return json::object{
      {"deviceId", word(device.device_id)},
      {"generationId", word(device.generation_id)},
      {"etag", word(device.etag)},
      {"connectionState", device.connected ? "Connected" : "Disconnected"},
      {"status", word(kStatusWords[static_cast<size_t>(device.status)])},
      {"statusReason", text_or_null(device.status_reason)},
      {"connectionStateUpdatedTime", word(time_text(device.connection_state_updated))},
      {"statusUpdatedTime", word(time_text(device.status_updated))},
      {"lastActivityTime", word(time_text(device.last_activity))},
      {"cloudToDeviceMessageCount", device.cloud_to_device_message_count},
      {"authentication", authentication_object(device)},
      {"capabilities", {{"iotEdge", device.iot_edge}}},
      {"deviceScope", text_or_null(device.device_scope)},
      {"parentScopes", parent_scopes(device)}};
}

}  // namespace

bool is_valid_symmetric_key(std::string_view key) {
  // The longest allowed key has 88 characters; longer text is not worth decoding.
  if (key.size() > (kSymmetricKeySizeMax + 2) / 3 * 4) return false;
  const auto bytes = base64_decode(key);
  return bytes && bytes->size() >= kSymmetricKeySizeMin && bytes->size() <= kSymmetricKeySizeMax;
}

bool is_valid_thumbprint(std::string_view thumbprint) {
  const auto is_hex = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  };
  return (thumbprint.size() == 40 || thumbprint.size() == 64) &&
         std::ranges::all_of(thumbprint, is_hex);
}

Result<DeviceRequest> parse_device_request(std::string_view json, std::string_view device_id) {
  const auto value = parse_json(json, {.size_max = kDeviceJsonSizeMax});
  if (!value) return std::unexpected(value.error());
  const json::object* object = value->if_object();
  if (object == nullptr) return refuse("a device must be an object");
  DeviceRequest out;
  if (auto status = read_device(*object, device_id, out); !status) {
    return std::unexpected(status.error());
  }
  return out;
}

std::string device_request_json(const DeviceDocument& device) {
  return json::serialize(request_object(device));
}

std::string device_json(const DeviceDocument& device) {
  return json::serialize(device_object(device));
}

std::string device_list_json(std::span<const DeviceDocument> devices) {
  std::string out = "[";
  for (const DeviceDocument& device : devices) {
    if (out.size() > 1) out += ',';
    out += device_json(device);
  }
  return out + "]";
}

}  // namespace linarite::wire
