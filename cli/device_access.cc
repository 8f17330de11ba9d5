#include "cli/device_access.h"

namespace linarite::cli {
namespace {

Outcome<DeviceAccess> access_with_key(Session& session, const std::string& id, std::string key) {
  const auto hub = session.service();
  if (!hub) return std::unexpected(hub.error());
  DeviceAccess out;
  out.identity.host_name = (*hub)->host();
  out.identity.device_id = id;
  out.identity.credential = (*hub)->tokens_of({.key = std::move(key)});
  out.options.endpoint = session.device_endpoint();
  out.options.transport = session.transport();
  out.options.product_info = "linarite-cli";
  out.options.log = [](log_level level, std::string_view line) {
    if (level >= log_level::warning) Session::tell(line);
  };
  return out;
}

}  // namespace

Outcome<DeviceAccess> device_access(Session& session, const device& identity) {
  if (identity.authentication != authentication_type::sas || identity.primary_key.empty()) {
    return failed("device " + identity.device_id + " has no symmetric key");
  }
  return access_with_key(session, identity.device_id, identity.primary_key);
}

Outcome<DeviceAccess> device_access(Session& session) {
  const Arguments& arguments = session.arguments();
  const std::string& id = *arguments.device_id;
  if (arguments.symmetric_key) return access_with_key(session, id, *arguments.symmetric_key);
  const auto hub = session.service();
  if (!hub) return std::unexpected(hub.error());
  const auto identity = (*hub)->ask([&](auto& client) { return client.get_device(id); });
  if (!identity) return std::unexpected(identity.error());
  return device_access(session, *identity);
}

}  // namespace linarite::cli
