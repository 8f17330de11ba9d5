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

// As az shows an identity: with the hub that it belongs to.
Outcome<json::value> shown(Outcome<json::object> identity, const RestClient& hub) {
  if (!identity) return std::unexpected(identity.error());
  (*identity)["hub"] = hub.host();
  return *std::move(identity);
}

}  // namespace

Outcome<json::value> create_identity(Session& session) {
  const auto identity = new_identity(session.arguments());
  if (!identity) return std::unexpected(identity.error());
  const auto hub = session.rest();
  if (!hub) return std::unexpected(hub.error());
  return shown(add_identity(**hub, *identity), **hub);
}

Outcome<json::value> show_identity(Session& session) {
  const auto hub = session.rest();
  if (!hub) return std::unexpected(hub.error());
  return shown(fetch_identity(**hub, *session.arguments().device_id), **hub);
}

Outcome<json::value> list_identities(Session& session) {
  const Arguments& arguments = session.arguments();
  const int64_t top = arguments.top.value_or(kListTopDefault);
  if (top == 0 || top < -1) return misused("--top: must be -1 or more than 0");
  const auto hub = session.rest();
  if (!hub) return std::unexpected(hub.error());
  const bool edge_only = arguments.edge_enabled == "true";
  const auto all = fetch_identities(**hub, top == -1 || edge_only ? kListTopDefault : top);
  if (!all) return std::unexpected(all.error());
  json::array out;
  for (const json::value& one : *all) {
    if (!one.is_object()) return failed("the hub answered with something else than identities");
    json::object device = listed(one.get_object());
    const auto* capabilities = device["capabilities"].if_object();
    const auto* edge = capabilities == nullptr ? nullptr : capabilities->if_contains("iotEdge");
    if (edge_only && (edge == nullptr || *edge != true)) continue;
    if (top != -1 && out.size() == static_cast<uint64_t>(top)) break;
    out.push_back(std::move(device));
  }
  return out;
}

Outcome<json::value> update_identity(Session& session) {
  const Arguments& arguments = session.arguments();
  const auto hub = session.rest();
  if (!hub) return std::unexpected(hub.error());
  return shown(
      change_identity(**hub, *arguments.device_id, arguments.etag,
                      [&](json::object& identity) { return apply_flags(arguments, identity); }),
      **hub);
}

Outcome<json::value> delete_identity(Session& session) {
  const Arguments& arguments = session.arguments();
  const auto hub = session.rest();
  if (!hub) return std::unexpected(hub.error());
  const auto removed = remove_identity(**hub, *arguments.device_id, arguments.etag.value_or("*"));
  if (!removed) return std::unexpected(removed.error());
  return nullptr;
}

Outcome<json::value> renew_identity_key(Session& session) {
  const Arguments& arguments = session.arguments();
  const auto hub = session.rest();
  if (!hub) return std::unexpected(hub.error());
  return shown(change_identity(**hub, *arguments.device_id, arguments.etag,
                               [&](json::object& identity) {
                                 return renew_keys(*arguments.key_type, session.random(), identity);
                               }),
               **hub);
}

Outcome<json::value> show_device_connection_string(Session& session) {
  const Arguments& arguments = session.arguments();
  const auto hub = session.rest();
  if (!hub) return std::unexpected(hub.error());
  const auto identity = fetch_identity(**hub, *arguments.device_id);
  if (!identity) return std::unexpected(identity.error());
  const auto key = device_key(*identity, arguments.key_type == "secondary");
  const std::string text = wire::connection_string_text({.host_name = (*hub)->host(),
                                                         .identity = {*arguments.device_id, ""},
                                                         .key = key.value_or(""),
                                                         .x509 = !key});
  return json::object{{"connectionString", text}};
}

}  // namespace linarite::cli
