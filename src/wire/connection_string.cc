#include "wire/connection_string.h"

#include <algorithm>
#include <array>

#include "base/base64.h"
#include "base/text.h"

namespace linarite::wire {
namespace {

struct Member {
  std::string_view name;
  std::string ConnectionString::* value;
};
constexpr std::array kMembers = std::to_array<Member>({
    {"HostName", &ConnectionString::host_name},
    {"SharedAccessKeyName", &ConnectionString::policy},
    {"DeviceId", &ConnectionString::device_id},
    {"ModuleId", &ConnectionString::module_id},
    {"SharedAccessKey", &ConnectionString::key},
});

std::unexpected<Error> refuse(std::string message) {
  return fail(ErrorCode::kArgumentInvalid, "the connection string " + std::move(message));
}

bool is_host(std::string_view host) {
  return !host.empty() && std::ranges::all_of(host, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_';
  });
}

Status split_port(ConnectionString& out) {
  const size_t colon = out.host_name.find(':');
  if (colon != std::string::npos) {
    const auto port = whole_number<uint16_t>(std::string_view(out.host_name).substr(colon + 1));
    if (!port || *port == 0) return refuse("has a port that is none");
    out.port = *port;
    out.host_name.resize(colon);
  }
  if (!is_host(out.host_name)) return refuse("has no HostName that is one");
  return {};
}

Status check(ConnectionString& out) {
  if (auto status = split_port(out); !status) return status;
  if (out.policy.empty() && out.device_id.empty()) {
    return refuse("names neither a policy (SharedAccessKeyName) nor a device (DeviceId)");
  }
  if (!out.module_id.empty() && out.device_id.empty()) return refuse("has a ModuleId alone");
  if (out.key.empty() && !out.x509) return refuse("has no SharedAccessKey");
  if (!base64_decode(out.key)) return refuse("has a SharedAccessKey that is not base64");
  return {};
}

}  // namespace

Result<ConnectionString> parse_connection_string(std::string_view text) {
  if (text.size() > kConnectionStringSizeMax) return refuse("is too long");
  ConnectionString out;
  while (!text.empty()) {
    const std::string_view item = text.substr(0, text.find(';'));
    text.remove_prefix(std::min(text.size(), item.size() + 1));
    if (item.empty()) continue;
    const size_t equals = item.find('=');
    if (equals == std::string_view::npos) return refuse("has an item without '='");
    const std::string_view name = item.substr(0, equals);
    const std::string_view value = item.substr(equals + 1);
    if (equal_ignoring_case(name, "x509")) {
      out.x509 = equal_ignoring_case(value, "true");
      continue;
    }
    const auto member = std::ranges::find_if(
        kMembers, [&](const Member& one) { return equal_ignoring_case(one.name, name); });
    if (member == kMembers.end()) continue;
    if (!(out.*member->value).empty()) {
      return refuse("names " + std::string(member->name) + " twice");
    }
    out.*member->value = value;
  }
  if (auto status = check(out); !status) return std::unexpected(status.error());
  return out;
}

std::string connection_string_text(const ConnectionString& value) {
  std::string out = "HostName=" + value.host_name;
  if (value.port != 0) out += ":" + std::to_string(value.port);
  if (!value.policy.empty()) out += ";SharedAccessKeyName=" + value.policy;
  if (!value.device_id.empty()) out += ";DeviceId=" + value.device_id;
  if (!value.module_id.empty()) out += ";ModuleId=" + value.module_id;
  if (value.x509) {
    out += ";x509=true";
  } else {
    out += ";SharedAccessKey=" + value.key;
  }
  return out;
}

}  // namespace linarite::wire
