#include "sdk/registry_json.h"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include "base/text.h"
#include "wire/json_text.h"

namespace linarite::sdk {
namespace {

namespace json = boost::json;

constexpr size_t kJsonSizeMax = size_t{8} << 20U;
constexpr const char* kAuthenticationWords[] = {"sas", "selfSigned", "certificateAuthority",
                                                "none"};

std::unexpected<Error> refuse() {
  return fail(ErrorCode::kMalformed, "the hub's answer is not what it should be");
}

json::value text_or_null(const std::string& text) {
  return text.empty() ? json::value(nullptr) : json::value(text);
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

Result<device> device_of(const json::value& value) {
  if (!value.is_object()) return refuse();
  const json::object& object = value.get_object();
  wire::JsonReader reader(object, "");
  device out{.device_id = reader.text("deviceId").value_or("")};
  if (out.device_id.empty()) return refuse();
  out.generation_id = reader.text("generationId").value_or("");
  out.etag = reader.text("etag").value_or("");
  out.connected = equal_ignoring_case(reader.text("connectionState").value_or(""), "connected");
  if (equal_ignoring_case(reader.text("status").value_or(""), "disabled")) {
    out.status = device_status::disabled;
  }
  out.status_reason = reader.text("statusReason").value_or("");
  out.connection_state_updated = time_of(reader, "connectionStateUpdatedTime");
  out.status_updated = time_of(reader, "statusUpdatedTime");
  out.last_activity = time_of(reader, "lastActivityTime");
  out.cloud_to_device_message_count = count_of(object, "cloudToDeviceMessageCount").value_or(0);
  if (const json::object* authentication = reader.object("authentication")) {
    wire::JsonReader inner(*authentication, "authentication.");
    const std::string type = inner.text("type").value_or("sas");
    for (int i = 0; i < 4; ++i) {
      if (equal_ignoring_case(type, kAuthenticationWords[i])) {
        out.authentication = static_cast<authentication_type>(i);
      }
    }
    if (const json::object* keys = inner.object("symmetricKey")) {
      wire::JsonReader pair(*keys, "");
      out.primary_key = pair.text("primaryKey").value_or("");
      out.secondary_key = pair.text("secondaryKey").value_or("");
    }
    if (const json::object* prints = inner.object("x509Thumbprint")) {
      wire::JsonReader pair(*prints, "");
      out.primary_thumbprint = pair.text("primaryThumbprint").value_or("");
      out.secondary_thumbprint = pair.text("secondaryThumbprint").value_or("");
    }
  }
  return out;
}

Result<json::value> parse(ByteView text) {
  auto value = wire::parse_json(text, {.size_max = kJsonSizeMax});
  if (!value) return refuse();
  return value;
}

}  // namespace

Bytes device_request_json(const device& device) {
  json::object keys{{"primaryKey", text_or_null(device.primary_key)},
                    {"secondaryKey", text_or_null(device.secondary_key)}};
  json::object prints{{"primaryThumbprint", text_or_null(device.primary_thumbprint)},
                      {"secondaryThumbprint", text_or_null(device.secondary_thumbprint)}};
  json::object authentication{
      {"type", kAuthenticationWords[static_cast<size_t>(device.authentication)]},
      {"symmetricKey", std::move(keys)},
      {"x509Thumbprint", std::move(prints)}};
  json::object out{{"deviceId", device.device_id},
                   {"status", device.status == device_status::enabled ? "enabled" : "disabled"},
                   {"statusReason", text_or_null(device.status_reason)},
                   {"authentication", std::move(authentication)}};
  return json::serialize(out);
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
