#include "sdk/registry_json.h"

#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <string>
#include <utility>

#include "base/text.h"
#include "wire/device_json.h"
#include "wire/json_text.h"

namespace linarite::sdk {
namespace {

namespace json = boost::json;

constexpr size_t kJsonSizeMax = size_t{8} << 20U;
constexpr const char* kAuthenticationWords[] = {"sas", "selfSigned", "certificateAuthority",
                                                "none"};
static_assert(static_cast<int>(authentication_type::none) ==
              static_cast<int>(wire::AuthenticationType::kNone));
static_assert(static_cast<int>(device_status::disabled) ==
              static_cast<int>(wire::DeviceStatus::kDisabled));

std::unexpected<Error> refuse() {
  return fail(ErrorCode::kMalformed, "the hub's answer is not what it should be");
}

wire::DeviceDocument document_of(const device& device) {
  return {.device_id = device.device_id,
          .generation_id = device.generation_id,
          .etag = device.etag,
          .connected = device.connected,
          .status = static_cast<wire::DeviceStatus>(device.status),
          .status_reason = device.status_reason,
          .connection_state_updated = device.connection_state_updated,
          .status_updated = device.status_updated,
          .last_activity = device.last_activity,
          .cloud_to_device_message_count = device.cloud_to_device_message_count,
          .authentication = static_cast<wire::AuthenticationType>(device.authentication),
          .primary_key = device.primary_key,
          .secondary_key = device.secondary_key,
          .primary_thumbprint = device.primary_thumbprint,
          .secondary_thumbprint = device.secondary_thumbprint,
          .iot_edge = device.iot_edge,
          .device_scope = device.device_scope,
          .parent_scopes = device.parent_scopes};
}

// A time that was never set is written as the year 1.
std::optional<wall_time> time_of(wire::JsonReader& reader, const char* name) {
  const auto text = reader.text(name);
  const auto time = text ? parse_iso8601(*text) : std::nullopt;
  if (!time || time->time_since_epoch().count() < 0) return std::nullopt;
  return time;
}

std::optional<uint64_t> count_of(const json::object& object, const char* name) {
  const auto* value = object.if_contains(name);
  if (value == nullptr) return std::nullopt;
  boost::system::error_code misfit;
  const auto number = value->to_number<uint64_t>(misfit);
  if (misfit) return std::nullopt;
  return number;
}

// Reads a device as far as it can be read, and notes what could not.
class DeviceReader {
 public:
  device read(const json::object& object) {
    wire::JsonReader reader(object, "");
    device out{.device_id = reader.text("deviceId").value_or("")};
    if (out.device_id.empty()) note("deviceId is missing");
    out.generation_id = reader.text("generationId").value_or("");
    out.etag = reader.text("etag").value_or("");
    out.connected = word(reader, "connectionState", kConnectionWords) == 1;
    out.status = static_cast<device_status>(word(reader, "status", kStatusWords));
    out.status_reason = reader.text("statusReason").value_or("");
    out.connection_state_updated = time_of(reader, "connectionStateUpdatedTime");
    out.status_updated = time_of(reader, "statusUpdatedTime");
    out.last_activity = time_of(reader, "lastActivityTime");
    out.cloud_to_device_message_count = count_of(object, "cloudToDeviceMessageCount").value_or(0);
    out.device_scope = reader.text("deviceScope").value_or("");
    out.parent_scopes = texts(object, "parentScopes");
    if (const json::object* capabilities = reader.object("capabilities")) {
      wire::JsonReader inner(*capabilities, "capabilities.");
      out.iot_edge = inner.boolean("iotEdge").value_or(false);
      note(inner);
    }
    if (const json::object* authentication = reader.object("authentication")) {
      read_authentication(*authentication, out);
    }
    note(reader);
    return out;
  }
  // The first misfit; empty if there was none.
  const std::string& misfit() const { return misfit_; }

 private:
  static constexpr std::array kConnectionWords = {"disconnected", "connected"};
  static constexpr std::array kStatusWords = {"enabled", "disabled"};

  void note(std::string what) {
    if (misfit_.empty()) misfit_ = std::move(what);
  }
  void note(const wire::JsonReader& reader) {
    if (reader.error()) note(reader.error()->message);
  }
  // Its place among the words; 0 if it is missing or none of them.
  template <class Words>
  size_t word(wire::JsonReader& reader, const char* name, const Words& words) {
    const auto text = reader.text(name);
    if (!text) return 0;
    for (size_t i = 0; i < std::size(words); ++i) {
      if (equal_ignoring_case(*text, words[i])) return i;
    }
    note(std::string(name) + " has a value that is not known");
    return 0;
  }
  std::vector<std::string> texts(const json::object& object, const char* name) {
    std::vector<std::string> out;
    const json::value* value = object.if_contains(name);
    if (value == nullptr || value->is_null()) return out;
    const json::array* list = value->if_array();
    if (list == nullptr) note(std::string(name) + " is no array");
    for (size_t i = 0; list != nullptr && i < list->size(); ++i) {
      const json::string* text = (*list)[i].if_string();
      if (text != nullptr) out.emplace_back(text->data(), text->size());
      if (text == nullptr) note(std::string(name) + " has an element that is no text");
    }
    return out;
  }
  void read_authentication(const json::object& object, device& out) {
    wire::JsonReader reader(object, "authentication.");
    out.authentication =
        static_cast<authentication_type>(word(reader, "type", kAuthenticationWords));
    if (const json::object* keys = reader.object("symmetricKey")) {
      wire::JsonReader pair(*keys, "authentication.symmetricKey.");
      out.primary_key = pair.text("primaryKey").value_or("");
      out.secondary_key = pair.text("secondaryKey").value_or("");
      note(pair);
    }
    if (const json::object* prints = reader.object("x509Thumbprint")) {
      wire::JsonReader pair(*prints, "authentication.x509Thumbprint.");
      out.primary_thumbprint = pair.text("primaryThumbprint").value_or("");
      out.secondary_thumbprint = pair.text("secondaryThumbprint").value_or("");
      note(pair);
    }
    note(reader);
  }

  std::string misfit_;
};

Result<device> device_of(const json::value& value) {
  if (!value.is_object()) return refuse();
  // A hub may know words that we do not.
  device out = DeviceReader().read(value.get_object());
  if (out.device_id.empty()) return refuse();
  return out;
}

Result<json::value> parse(ByteView text) {
  auto value = wire::parse_json(text, {.size_max = kJsonSizeMax});
  if (!value) return refuse();
  return value;
}

}  // namespace

Bytes device_request_json(const device& device) {
  return wire::device_request_json(document_of(device));
}

Result<device> parse_device(ByteView text) {
  const auto value = parse(text);
  if (!value) return std::unexpected(value.error());
  return device_of(*value);
}

Result<std::vector<device>> parse_device_list(ByteView text) {
  const auto value = parse(text);
  if (!value || !value->is_array()) return refuse();
  std::vector<device> out;
  for (const json::value& item : value->get_array()) {
    auto one = device_of(item);
    if (!one) return std::unexpected(one.error());
    out.push_back(*std::move(one));
  }
  return out;
}

Result<registry_statistics> parse_registry_statistics(ByteView text) {
  const auto total = parse_count(text, "totalDeviceCount");
  const auto enabled = parse_count(text, "enabledDeviceCount");
  const auto disabled = parse_count(text, "disabledDeviceCount");
  if (!total || !enabled || !disabled) return refuse();
  return registry_statistics{.total = *total, .enabled = *enabled, .disabled = *disabled};
}

Result<uint64_t> parse_count(ByteView text, const char* name) {
  const auto value = parse(text);
  if (!value || !value->is_object()) return refuse();
  const auto count = count_of(value->get_object(), name);
  if (!count) return refuse();
  return *count;
}

}  // namespace linarite::sdk

namespace linarite {
inline namespace v1 {

std::string to_json(const device& what) { return wire::device_json(sdk::document_of(what)); }

device device::from_json(std::string_view text, error& problem) {
  const auto value = wire::parse_json(text, {.size_max = sdk::kJsonSizeMax});
  sdk::DeviceReader reader;
  device out;
  std::string misfit = value ? "it is no object" : value.error().message;
  if (value && value->is_object()) {
    out = reader.read(value->get_object());
    misfit = reader.misfit();
  }
  problem = misfit.empty() ? error() : error(errc::invalid_argument, "a device's JSON: " + misfit);
  return out;
}

device device::from_json(std::string_view text) {
  error problem;
  device out = from_json(text, problem);
  if (problem) throw exception(std::move(problem));
  return out;
}

}  // namespace v1
}  // namespace linarite
