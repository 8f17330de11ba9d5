// linarite hub device-identity ...
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "cli/command.h"
#include "cli/identity.h"
#include "wire/connection_string.h"

namespace linarite::cli {
namespace {

namespace json = boost::json;

constexpr int64_t kListTopDefault = 1000;

Outcome<json::value> shown(const Outcome<device>& device, const Service& hub) {
  if (!device) return std::unexpected(device.error());
  return cli::shown(*device, hub.host());
}

}  // namespace

Outcome<json::value> create_identity(Session& session) {
  const auto device = new_device(session.arguments());
  if (!device) return std::unexpected(device.error());
  const auto hub = session.service();
  if (!hub) return std::unexpected(hub.error());
  return shown((*hub)->ask([&](auto& client) { return client.create_device(*device); }), **hub);
}

Outcome<json::value> show_identity(Session& session) {
  const auto hub = session.service();
  if (!hub) return std::unexpected(hub.error());
  const std::string& id = *session.arguments().device_id;
  return shown((*hub)->ask([&](auto& client) { return client.get_device(id); }), **hub);
}

Outcome<json::value> list_identities(Session& session) {
  const Arguments& arguments = session.arguments();
  const int64_t top = arguments.top.value_or(kListTopDefault);
  if (top == 0 || top < -1) return misused("--top: must be -1 or more than 0");
  const auto hub = session.service();
  if (!hub) return std::unexpected(hub.error());
  const bool edge_only = arguments.edge_enabled == "true";
  const auto asked_for = static_cast<size_t>(top == -1 || edge_only ? kListTopDefault : top);
  const auto all = (*hub)->ask([&](auto& client) { return client.list_devices(asked_for); });
  if (!all) return std::unexpected(all.error());
  json::array out;
  for (const device& one : *all) {
    if (edge_only && !one.iot_edge) continue;
    if (top != -1 && out.size() == static_cast<uint64_t>(top)) break;
    out.push_back(listed(one));
  }
  return out;
}

Outcome<json::value> update_identity(Session& session) {
  const Arguments& arguments = session.arguments();
  const auto hub = session.service();
  if (!hub) return std::unexpected(hub.error());
  return shown(change_device(**hub, *arguments.device_id, arguments.etag,
                             [&](device& device) { return apply_flags(arguments, device); }),
               **hub);
}

Outcome<json::value> delete_identity(Session& session) {
  const Arguments& arguments = session.arguments();
  const auto hub = session.service();
  if (!hub) return std::unexpected(hub.error());
  const std::string etag = arguments.etag == "*" ? "" : arguments.etag.value_or("");
  const auto removed =
      (*hub)->ask([&](auto& client) { client.delete_device(*arguments.device_id, etag); });
  if (!removed) return std::unexpected(removed.error());
  return nullptr;
}

Outcome<json::value> renew_identity_key(Session& session) {
  const Arguments& arguments = session.arguments();
  const auto hub = session.service();
  if (!hub) return std::unexpected(hub.error());
  return shown(change_device(**hub, *arguments.device_id, arguments.etag,
                             [&](device& device) {
                               return renew_keys(*arguments.key_type, session.random(), device);
                             }),
               **hub);
}

Outcome<json::value> show_device_connection_string(Session& session) {
  const Arguments& arguments = session.arguments();
  const auto hub = session.service();
  if (!hub) return std::unexpected(hub.error());
  const auto device =
      (*hub)->ask([&](auto& client) { return client.get_device(*arguments.device_id); });
  if (!device) return std::unexpected(device.error());
  const auto key = device_key(*device, arguments.key_type == "secondary");
  const std::string text = wire::connection_string_text({.host_name = (*hub)->host(),
                                                         .identity = {*arguments.device_id, ""},
                                                         .key = key.value_or(""),
                                                         .x509 = !key});
  return json::object{{"connectionString", text}};
}

}  // namespace linarite::cli
