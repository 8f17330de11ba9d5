#include <linarite/event_hub.h>
#include <utility>

#include "base/base64.h"
#include "wire/connection_string.h"

namespace linarite {
inline namespace v1 {

event_hub_identity event_hub_identity::parse(std::string_view text, error& problem) {
  if (!wire::is_event_hubs_connection_string(text)) {
    return {service_identity::parse(text, problem)};
  }
  auto parsed = wire::parse_event_hubs_connection_string(text);
  if (!parsed) {
    problem = error(errc::invalid_connection_string, std::move(parsed.error().message));
    return {};
  }
  problem = {};
  event_hub_identity out;
  out.host_name = std::move(parsed->host_name);
  out.event_hub = std::move(parsed->entity);
  out.plain = parsed->development_emulator;
  out.port = parsed->port;
  if (!parsed->signature.empty()) {
    out.credential = sas_token{std::move(parsed->signature)};
  } else {
    out.credential = shared_access_key{base64_encode(parsed->key), std::move(parsed->policy)};
  }
  return out;
}

event_hub_identity event_hub_identity::parse(std::string_view text) {
  error problem;
  event_hub_identity out = parse(text, problem);
  if (problem) throw exception(std::move(problem));
  return out;
}

}  // namespace v1
}  // namespace linarite
