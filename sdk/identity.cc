#include <linarite/identity.h>
#include <utility>

#include "wire/connection_string.h"

namespace linarite {
inline namespace v1 {
namespace {

template <class Credential>
Credential credential_of(wire::ConnectionString& parsed) {
  if (!parsed.signature.empty()) return sas_token{std::move(parsed.signature)};
  return shared_access_key{std::move(parsed.key), std::move(parsed.policy)};
}

template <class Identity>
Identity parse_or_throw(std::string_view text) {
  error problem;
  Identity out = Identity::parse(text, problem);
  if (problem) throw exception(std::move(problem));
  return out;
}

}  // namespace

device_identity device_identity::parse(std::string_view text, error& problem) {
  auto parsed = wire::parse_device_connection_string(text);
  if (!parsed) {
    problem = error(errc::invalid_connection_string, std::move(parsed.error().message));
    return {};
  }
  problem = {};
  device_identity out{.host_name = std::move(parsed->host_name),
                      .device_id = std::move(parsed->identity.device_id),
                      .module_id = std::move(parsed->identity.module_id),
                      .gateway_host_name = std::move(parsed->gateway_host_name)};
  if (parsed->x509) {
    out.credential = client_certificate{};
  } else {
    out.credential = credential_of<decltype(out.credential)>(*parsed);
  }
  return out;
}

device_identity device_identity::parse(std::string_view text) {
  return parse_or_throw<device_identity>(text);
}

service_identity service_identity::parse(std::string_view text, error& problem) {
  auto parsed = wire::parse_service_connection_string(text);
  if (!parsed) {
    problem = error(errc::invalid_connection_string, std::move(parsed.error().message));
    return {};
  }
  problem = {};
  service_identity out{.host_name = std::move(parsed->host_name)};
  out.credential = credential_of<decltype(out.credential)>(*parsed);
  return out;
}

service_identity service_identity::parse(std::string_view text) {
  return parse_or_throw<service_identity>(text);
}

}  // namespace v1
}  // namespace linarite
