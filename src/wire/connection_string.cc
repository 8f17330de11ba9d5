#include "wire/connection_string.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <span>

#include "base/base64.h"
#include "base/text.h"

namespace linarite::wire {
namespace {

std::unexpected<Error> refuse(std::string message) {
  return fail(ErrorCode::kArgumentInvalid, "connection string: " + std::move(message));
}

bool is_letter_or_digit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// A name that was not recognised is shown only if it cannot be a secret or harm a terminal.
std::string shown_name(std::string_view name) {
  constexpr size_t kShownMax = 32;
  const bool harmless =
      !name.empty() && name.size() <= kShownMax && std::ranges::all_of(name, is_letter_or_digit);
  return harmless ? std::string(name) : "one that is not shown";
}

struct Field {
  std::string_view name;
  std::string* target;
};

struct RawFields {
  ConnectionString out;
  std::string x509;

  std::array<Field, 8> table() {
    return {{{"HostName", &out.host_name},
             {"DeviceId", &out.identity.device_id},
             {"ModuleId", &out.identity.module_id},
             {"SharedAccessKeyName", &out.policy},
             {"SharedAccessKey", &out.key},
             {"SharedAccessSignature", &out.signature},
             {"GatewayHostName", &out.gateway_host_name},
             {"x509", &x509}}};
  }
};

// Puts each value where its name's row of the table says.
Status split_fields(std::string_view text, std::span<const Field> table) {
  if (text.size() > kConnectionStringSizeMax) return refuse("it is too long");
  if (!is_utf8(text)) return refuse("it is not UTF-8");
  if (text.ends_with(';')) text.remove_suffix(1);
  while (true) {
    const size_t end = std::min(text.find(';'), text.size());
    const std::string_view item = text.substr(0, end);
    const size_t equals = item.find('=');
    if (equals == std::string_view::npos) return refuse("a field without '='");
    const std::string_view name = item.substr(0, equals);
    const std::string_view value = item.substr(equals + 1);

    const auto field = std::ranges::find_if(
        table, [&](const Field& f) { return equal_ignoring_case(f.name, name); });
    if (field == table.end()) return refuse("unknown field " + shown_name(name));
    if (!field->target->empty()) return refuse(fmt::format("{} is given twice", field->name));
    if (value.empty()) return refuse(fmt::format("{} is empty", field->name));
    *field->target = value;

    if (end == text.size()) return {};
    text.remove_prefix(end + 1);
  }
}

Status check_host(std::string_view field, std::string_view host) {
  const auto allowed = [](char c) {
    return is_letter_or_digit(c) || c == '-' || c == '_' || c == '.';
  };
  if (host.size() <= kHostNameSizeMax && std::ranges::all_of(host, allowed)) return {};
  return refuse(fmt::format("{} is not a host name (no port, no scheme)", field));
}

Status check_policy(std::string_view policy) {
  const auto allowed = [](char c) {
    return is_letter_or_digit(c) || c == '-' || c == '_' || c == '.' || c == '@';
  };
  if (policy.size() <= kPolicyNameSizeMax && std::ranges::all_of(policy, allowed)) return {};
  return refuse("SharedAccessKeyName is not a policy name");
}

Result<bool> read_switch(std::string_view field, std::string_view value) {
  const bool on = equal_ignoring_case(value, "true");
  if (on || value.empty() || equal_ignoring_case(value, "false")) return on;
  return refuse(fmt::format("{} must be true or false", field));
}

// `sb://{host}[:port][/]`
Status read_endpoint(std::string_view text, EventHubsConnectionString& out) {
  constexpr std::string_view kScheme = "sb://";
  if (!equal_ignoring_case(text.substr(0, kScheme.size()), kScheme)) {
    return refuse("Endpoint does not begin with sb://");
  }
  text.remove_prefix(kScheme.size());
  if (text.ends_with('/')) text.remove_suffix(1);
  const size_t colon = text.find(':');
  if (colon != std::string_view::npos) {
    out.port = whole_number<uint16_t>(text.substr(colon + 1));
    if (!out.port || *out.port == 0) return refuse("the port in Endpoint is not one");
    text = text.substr(0, colon);
  }
  if (text.empty()) return refuse("Endpoint names no host");
  out.host_name = text;
  return check_host("the host in Endpoint", text);
}

Status check_entity(std::string_view entity) {
  const auto allowed = [](char c) {
    return is_letter_or_digit(c) || c == '-' || c == '_' || c == '.';
  };
  if (entity.empty()) return refuse("EntityPath is missing");
  if (entity.size() <= kEntityPathSizeMax && std::ranges::all_of(entity, allowed)) return {};
  return refuse("EntityPath is not the name of an event hub");
}

// What both kinds have in common.
Result<ConnectionString> check_shared(RawFields fields) {
  ConnectionString& out = fields.out;
  if (out.host_name.empty()) return refuse("HostName is missing");
  if (auto ok = check_host("HostName", out.host_name); !ok) return std::unexpected(ok.error());
  if (auto ok = check_host("GatewayHostName", out.gateway_host_name); !ok) {
    return std::unexpected(ok.error());
  }
  if (auto ok = check_policy(out.policy); !ok) return std::unexpected(ok.error());
  if (!out.key.empty()) {
    const auto key = base64_decode(out.key);
    if (!key || key->empty()) return refuse("SharedAccessKey is not base64");
  }
  const auto x509 = read_switch("x509", fields.x509);
  if (!x509) return std::unexpected(x509.error());
  out.x509 = *x509;
  if (!out.key.empty() && !out.signature.empty()) {
    return refuse("SharedAccessKey and SharedAccessSignature exclude each other");
  }
  return std::move(out);
}

Result<ConnectionString> parse(std::string_view text) {
  RawFields fields;
  if (Status split = split_fields(text, fields.table()); !split) {
    return std::unexpected(std::move(split.error()));
  }
  return check_shared(std::move(fields));
}

}  // namespace

Result<ConnectionString> parse_device_connection_string(std::string_view text) {
  auto out = parse(text);
  if (!out) return out;
  if (out->identity.device_id.empty()) return refuse("DeviceId is missing");
  if (!is_valid_device_id(out->identity.device_id)) return refuse("DeviceId is not an id");
  if (!is_valid_identity(out->identity)) return refuse("ModuleId is not an id");
  const bool has_secret = !out->key.empty() || !out->signature.empty();
  if (out->x509 && has_secret) return refuse("x509 and a shared access key exclude each other");
  if (!out->x509 && !has_secret) return refuse("SharedAccessKey is missing");
  if (!out->policy.empty() && !has_secret) return refuse("SharedAccessKeyName without a key");
  return out;
}

Result<ConnectionString> parse_service_connection_string(std::string_view text) {
  auto out = parse(text);
  if (!out) return out;
  if (!out->identity.device_id.empty()) return refuse("DeviceId is for devices only");
  if (!out->identity.module_id.empty()) return refuse("ModuleId is for modules only");
  if (out->x509) return refuse("x509 is for devices only");
  if (out->policy.empty()) return refuse("SharedAccessKeyName is missing");
  if (out->key.empty() && out->signature.empty()) return refuse("SharedAccessKey is missing");
  return out;
}

std::string connection_string_text(const ConnectionString& connection) {
  std::string text = "HostName=" + connection.host_name;
  const auto add = [&](std::string_view name, std::string_view value) {
    if (!value.empty()) text += fmt::format(";{}={}", name, value);
  };
  add("DeviceId", connection.identity.device_id);
  add("ModuleId", connection.identity.module_id);
  add("SharedAccessKeyName", connection.policy);
  add("SharedAccessKey", connection.key);
  add("SharedAccessSignature", connection.signature);
  add("GatewayHostName", connection.gateway_host_name);
  add("x509", connection.x509 ? "true" : "");
  return text;
}

std::string event_hubs_connection_string(const ConnectionString& service, std::string_view entity) {
  return fmt::format("Endpoint=sb://{}/;SharedAccessKeyName={};SharedAccessKey={};EntityPath={}",
                     service.host_name, service.policy, service.key, entity);
}

bool is_event_hubs_connection_string(std::string_view text) {
  constexpr std::string_view kEndpoint = "Endpoint=";
  while (!text.empty()) {
    if (equal_ignoring_case(text.substr(0, kEndpoint.size()), kEndpoint)) return true;
    text.remove_prefix(std::min(text.find(';'), text.size() - 1) + 1);
  }
  return false;
}

Result<EventHubsConnectionString> parse_event_hubs_connection_string(std::string_view text) {
  EventHubsConnectionString out;
  std::string endpoint;
  std::string emulator;
  const std::array<Field, 6> table{{{"Endpoint", &endpoint},
                                    {"SharedAccessKeyName", &out.policy},
                                    {"SharedAccessKey", &out.key},
                                    {"SharedAccessSignature", &out.signature},
                                    {"EntityPath", &out.entity},
                                    {"UseDevelopmentEmulator", &emulator}}};
  Status ok = split_fields(text, table);
  if (ok && endpoint.empty()) ok = refuse("Endpoint is missing");
  if (ok) ok = read_endpoint(endpoint, out);
  if (ok) ok = check_policy(out.policy);
  if (ok) ok = check_entity(out.entity);
  if (!ok) return std::unexpected(std::move(ok.error()));
  const auto plain = read_switch("UseDevelopmentEmulator", emulator);
  if (!plain) return std::unexpected(plain.error());
  out.development_emulator = *plain;
  if (out.key.empty() == out.signature.empty()) {
    return refuse(out.key.empty() ? "SharedAccessKey is missing"
                                  : "SharedAccessKey and SharedAccessSignature exclude each other");
  }
  if (!out.key.empty() && out.policy.empty()) return refuse("SharedAccessKeyName is missing");
  return out;
}

}  // namespace linarite::wire
