#include "wire/connection_string.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

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

Result<RawFields> split_fields(std::string_view text) {
  if (text.size() > kConnectionStringSizeMax) return refuse("it is too long");
  if (!is_utf8(text)) return refuse("it is not UTF-8");
  if (text.ends_with(';')) text.remove_suffix(1);
  RawFields fields;
  while (true) {
    const size_t end = std::min(text.find(';'), text.size());
    const std::string_view item = text.substr(0, end);
    const size_t equals = item.find('=');
    if (equals == std::string_view::npos) return refuse("a field without '='");
    const std::string_view name = item.substr(0, equals);
    const std::string_view value = item.substr(equals + 1);

    const auto table = fields.table();
    const auto field = std::ranges::find_if(
        table, [&](const Field& f) { return equal_ignoring_case(f.name, name); });
    if (field == table.end()) return refuse("unknown field " + shown_name(name));
    if (!field->target->empty()) return refuse(fmt::format("{} is given twice", field->name));
    if (value.empty()) return refuse(fmt::format("{} is empty", field->name));
    *field->target = value;

    if (end == text.size()) return fields;
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
  if (!fields.x509.empty()) {
    if (!equal_ignoring_case(fields.x509, "true") && !equal_ignoring_case(fields.x509, "false")) {
      return refuse("x509 must be true or false");
    }
    out.x509 = equal_ignoring_case(fields.x509, "true");
  }
  if (!out.key.empty() && !out.signature.empty()) {
    return refuse("SharedAccessKey and SharedAccessSignature exclude each other");
  }
  return std::move(out);
}

Result<ConnectionString> parse(std::string_view text) {
  auto fields = split_fields(text);
  if (!fields) return std::unexpected(std::move(fields.error()));
  return check_shared(*std::move(fields));
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

}  // namespace linarite::wire
