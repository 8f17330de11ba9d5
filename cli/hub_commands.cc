// Policies, and what is made from their keys.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "base/text.h"
#include "cli/command.h"
#include "cli/identity.h"
#include "wire/connection_string.h"
#include "wire/event_selector.h"
#include "wire/percent.h"
#include "wire/sas_token.h"

namespace linarite::cli {
namespace {

namespace json = boost::json;

constexpr std::string_view kDefaultPolicy = "iothubowner";
constexpr int64_t kDefaultDurationSeconds = 3600;
constexpr int64_t kDurationSecondsMax = int64_t{3600} * 24 * 3650;

bool wants_secondary(const Arguments& arguments) { return arguments.key_type == "secondary"; }

std::string hub_connection_string(const Session& session, const std::string& host,
                                  const PolicyEntry& policy) {
  const Arguments& arguments = session.arguments();
  const bool secondary = wants_secondary(arguments);
  if (arguments.default_eventhub == "true") {
    return "Endpoint=sb://" + host + "/;SharedAccessKeyName=" + policy.name +
           ";SharedAccessKey=" + (secondary ? policy.secondary_key : policy.primary_key) +
           ";EntityPath=" + wire::event_hub_name(host) +
           (arguments.use_emulator == "true" ? ";UseDevelopmentEmulator=true" : "");
  }
  return wire::connection_string_text(
      {.host_name = host,
       .policy = policy.name,
       .key = secondary ? policy.secondary_key : policy.primary_key});
}

Outcome<json::value> sas(std::string_view audience, std::string_view key, std::string_view policy,
                         WallTime now, const Arguments& arguments) {
  const int64_t seconds = arguments.duration.value_or(kDefaultDurationSeconds);
  if (seconds <= 0 || seconds > kDurationSecondsMax) {
    return misused("--duration: must be 1 to " + std::to_string(kDurationSecondsMax) + " seconds");
  }
  auto token = wire::make_sas_token({.audience = audience,
                                     .key = key,
                                     .policy = policy,
                                     .expiry = now + std::chrono::seconds(seconds)});
  if (!token) return std::unexpected(token.error());
  return json::object{{"sas", *std::move(token)}};
}

Outcome<json::value> sas_of_connection_string(Session& session) {
  const std::string& text = *session.arguments().connection_string;
  auto parsed = wire::parse_service_connection_string(text);
  if (!parsed) parsed = wire::parse_device_connection_string(text);
  if (!parsed) return std::unexpected(parsed.error());
  if (parsed->key.empty()) return failed("the connection string has no SharedAccessKey");
  std::string audience = parsed->host_name;
  const wire::Identity& identity = parsed->identity;
  if (!identity.device_id.empty()) audience += "/devices/" + identity.device_id;
  if (identity.is_module()) audience += "/modules/" + identity.module_id;
  return sas(audience, parsed->key, parsed->policy, session.clock().wall(), session.arguments());
}

Outcome<json::value> sas_of_device(Session& session) {
  const auto hub = session.service();
  if (!hub) return std::unexpected(hub.error());
  const std::string& id = *session.arguments().device_id;
  const auto device = (*hub)->ask([&](auto& client) { return client.get_device(id); });
  if (!device) return std::unexpected(device.error());
  const auto key = device_key(*device, wants_secondary(session.arguments()));
  if (!key) return failed("this device does not support SAS authentication");
  return sas((*hub)->host() + "/devices/" + id, *key, "", (*hub)->hub_time(), session.arguments());
}

// A connection string has one policy with one key.
Outcome<json::value> sas_of_login(Session& session) {
  const Arguments& arguments = session.arguments();
  if (wants_secondary(arguments)) {
    return misused("--key-type: a connection string has one key only");
  }
  const auto hub = session.service();
  if (!hub) return std::unexpected(hub.error());
  const shared_access_key* const own = (*hub)->key();
  if (own == nullptr) return failed("the connection string has no SharedAccessKey");
  if (arguments.policy_name && !equal_ignoring_case(*arguments.policy_name, own->policy)) {
    return misused("--policy-name: the connection string is that of another policy");
  }
  return sas((*hub)->host(), own->key, own->policy, (*hub)->hub_time(), arguments);
}

}  // namespace

Outcome<json::value> show_hub_connection_string(Session& session) {
  const auto policies = session.local_policies();
  if (!policies) return std::unexpected(policies.error());
  const auto local = session.local();
  if (!local) return std::unexpected(local.error());
  const std::string& host = (*local)->control().host;
  const Arguments& arguments = session.arguments();
  if (arguments.show_all == "true") {
    json::array all;
    for (const PolicyEntry& policy : policies->all) {
      all.emplace_back(hub_connection_string(session, host, policy));
    }
    return json::object{{"connectionString", std::move(all)}};
  }
  const auto policy =
      find_policy(policies->all, arguments.policy_name.value_or(std::string(kDefaultPolicy)));
  if (!policy) return std::unexpected(policy.error());
  return json::object{{"connectionString", hub_connection_string(session, host, *policy)}};
}

Outcome<json::value> list_policies(Session& session) {
  const auto policies = session.local_policies();
  if (!policies) return std::unexpected(policies.error());
  json::array out;
  for (const PolicyEntry& policy : policies->all) out.push_back(policy.json());
  return out;
}

Outcome<json::value> show_policy(Session& session) {
  const auto policies = session.local_policies();
  if (!policies) return std::unexpected(policies.error());
  const auto policy = find_policy(policies->all, *session.arguments().policy_name);
  if (!policy) return std::unexpected(policy.error());
  return policy->json();
}

Outcome<json::value> renew_policy_key(Session& session) {
  // The listener wants the exact name.
  const auto policies = session.local_policies();
  if (!policies) return std::unexpected(policies.error());
  const auto policy = find_policy(policies->all, *session.arguments().policy_name);
  if (!policy) return std::unexpected(policy.error());
  const auto hub = session.local();
  if (!hub) return std::unexpected(hub.error());
  const auto renewed = (*hub)->renew_policy_key(policy->name, *session.arguments().key_type);
  if (!renewed) return std::unexpected(renewed.error());
  return renewed->json();
}

Outcome<json::value> generate_sas_token(Session& session) {
  const Arguments& arguments = session.arguments();
  if (arguments.connection_string) return sas_of_connection_string(session);
  if (arguments.device_id) return sas_of_device(session);
  if (session.has_login()) return sas_of_login(session);
  const auto policies = session.local_policies();
  if (!policies) return std::unexpected(policies.error());
  const auto policy =
      find_policy(policies->all, arguments.policy_name.value_or(std::string(kDefaultPolicy)));
  if (!policy) return std::unexpected(policy.error());
  const auto hub = session.local();
  if (!hub) return std::unexpected(hub.error());
  return sas((*hub)->control().host,
             wants_secondary(arguments) ? policy->secondary_key : policy->primary_key, policy->name,
             policies->hub_time, arguments);
}

}  // namespace linarite::cli
