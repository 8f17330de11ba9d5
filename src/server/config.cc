#include "server/config.h"

#include <fmt/core.h>

#include <algorithm>
#include <iterator>
#include <thread>

#include "base/text.h"
#include "net/certificate.h"
#include "net/socket_address.h"

namespace linarite::server {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr Duration kDurationMax = hours(24 * 366);

struct Unit {
  std::string_view name;
  Duration length;
};
constexpr Unit kUnits[] = {{"d", hours(24)},
                           {"h", hours(1)},
                           {"m", minutes(1)},
                           {"s", seconds(1)},
                           {"ms", milliseconds(1)}};

std::unexpected<Error> invalid(std::string what) {
  return fail(ErrorCode::kArgumentInvalid, std::move(what));
}

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> choices) {
  return std::ranges::find(choices, text) != choices.end();
}

bool within(Duration value, Duration low, Duration high) { return low <= value && value <= high; }

Status check_server(const Config& config) {
  for (const std::string& host : config.hosts) {
    if (!net::is_host_name(host)) {
      return invalid(fmt::format("server.hosts: \"{}\" is no host name or address.", host));
    }
  }
  if (!is_one_of(config.clock, {"system", "manual"})) {
    return invalid("server.clock must be \"system\" or \"manual\".");
  }
  if (config.loop_count > 256) return invalid("server.loop_count must be at most 256.");
  if (!within(config.shutdown_limit, milliseconds(100), minutes(10))) {
    return invalid("server.shutdown_limit must be 100ms to 10m.");
  }
  if (!is_one_of(config.log_level, {"debug", "info", "warning", "error"})) {
    return invalid("log.level must be \"debug\", \"info\", \"warning\" or \"error\".");
  }
  if (!is_one_of(config.log_format, {"logfmt", "json"})) {
    return invalid("log.format must be \"logfmt\" or \"json\".");
  }
  return {};
}

Status check_listeners(const Config& config) {
  if (config.addresses.empty()) return invalid("listen.addresses is empty.");
  for (const std::string& text : config.addresses) {
    const auto address = net::SocketAddress::parse(text, 0);
    if (!address) {
      return invalid(fmt::format(
          "listen.addresses: \"{}\" is not a numeric address; write 0.0.0.0 for all of IPv4.",
          text));
    }
    if (address->is_loopback()) continue;
    if (config.plain_amqp_port != 0) {
      return invalid(fmt::format(
          "listen.plain_amqp_port: AMQP without TLS is for this machine only, and \"{}\" in "
          "listen.addresses is not a loopback address.",
          text));
    }
    if (config.clock == "manual") {
      return invalid(
          "a manual clock is for tests: listen.addresses must then be loopback addresses.");
    }
    if (config.uses_dev_ca() && !config.allow_dev_ca_on_public_address) {
      return invalid(
          fmt::format("the development CA is for this machine only: to listen on {}, set "
                      "tls.certificate_files and tls.key_files; or, where everybody who connects "
                      "is told to trust it, say --allow-dev-ca-on-public-address or set "
                      "LINARITE_LISTEN_ALLOW_DEV_CA_ON_PUBLIC_ADDRESS=true.",
                      text));
    }
  }
  if (config.certificate_files.size() != config.key_files.size()) {
    return invalid("tls.certificate_files and tls.key_files must have the same number of files.");
  }
  return {};
}

Status check_limits(const Config& config) {
  if (config.handshakes_per_loop_max == 0) {
    return invalid("limits.handshakes_per_loop_max must be at least 1.");
  }
  if (config.unsent_bytes_max != 0 && config.unsent_bytes_max < (1U << 20U)) {
    return invalid("limits.unsent_bytes_max must be 0 or at least 1048576.");
  }
  if (!within(config.handshake_limit, seconds(1), minutes(5))) {
    return invalid("limits.handshake_limit must be 1s to 5m.");
  }
  if (!within(config.stall_limit, seconds(1), hours(1))) {
    return invalid("limits.stall_limit must be 1s to 1h.");
  }
  if (config.partition_count < 1 || config.partition_count > store::kPartitionCountMax) {
    return invalid("store.partition_count must be 1 to 256.");
  }
  if (config.memtable_bytes < (1U << 20U) || config.memtable_bytes > (1ULL << 32U)) {
    return invalid("store.memtable_bytes must be 1 MiB to 4 GiB.");
  }
  if (config.mqtt.c2d_window < 1 || config.mqtt.c2d_window > 1000 ||
      config.mqtt.c2d_window > config.hub.c2d.queue_depth_max) {
    return invalid("mqtt.c2d_window must be 1 to 1000 and at most c2d.queue_depth_max.");
  }
  if (!within(config.mqtt.connection.connect_timeout, seconds(1), minutes(5))) {
    return invalid("mqtt.connect_limit must be 1s to 5m.");
  }
  if (!within(config.mqtt.token_grace, Duration(0), hours(24))) {
    return invalid("mqtt.token_grace must be at most 1d.");
  }
  return {};
}

}  // namespace

Status Config::check() const {
  for (const auto part : {check_server, check_listeners, check_limits}) {
    if (Status checked = part(*this); !checked) return checked;
  }
  Status rules = hub_options().check();
  if (!rules) return invalid(rules.error().message + ".");
  return {};
}

hub::HubOptions Config::hub_options() const {
  hub::HubOptions out = hub;
  out.host_names.clear();
  const auto add = [&](const std::string& name) {
    if (std::ranges::find(out.host_names, name) == out.host_names.end()) {
      out.host_names.push_back(name);
    }
  };
  for (const std::string& host : hosts) add(net::canonical_name(host));
  add("127.0.0.1");
  add("localhost");
  return out;
}

LogLevel Config::level() const {
  if (log_level == "debug") return LogLevel::kDebug;
  if (log_level == "warning") return LogLevel::kWarning;
  return log_level == "error" ? LogLevel::kError : LogLevel::kInfo;
}

LogFormat Config::format() const {
  return log_format == "json" ? LogFormat::kJson : LogFormat::kLogfmt;
}

Result<Duration> parse_duration(std::string_view text) {
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto number = whole_number<int64_t>(text.substr(0, digits));
  const auto unit = std::ranges::find(kUnits, text.substr(digits), &Unit::name);
  if (!number || unit == std::end(kUnits) || *number > kDurationMax / unit->length) {
    return invalid("a time is a whole number and a unit (ms, s, m, h, d), at most 366d: \"90s\"");
  }
  return *number * unit->length;
}

std::string duration_text(Duration duration) {
  for (const Unit& unit : kUnits) {
    if (duration % unit.length == Duration(0) && duration != Duration(0)) {
      return fmt::format("{}{}", duration / unit.length, unit.name);
    }
  }
  return "0s";
}

namespace {

// The second half of them.
std::vector<Setting> settings_of_traffic(Config& c) {
  return {
      {"throttle.address_connects_per_second", &c.hub.throttle.address_connects_per_second,
       "connections of one address; more are closed; 0: no limit, as for all of these"},
      {"throttle.authentication_failures_per_minute",
       &c.hub.throttle.authentication_failures_per_minute,
       "of one address; the answer to more is held back up to 5 s"},
      {"throttle.connects_per_second", &c.hub.throttle.connects_per_second,
       "connections of all devices"},
      {"throttle.device_connects_per_minute", &c.hub.throttle.device_connects_per_minute,
       "connections of one device"},
      {"throttle.device_messages_per_second", &c.hub.throttle.device_messages_per_second,
       "telemetry of one device; it is not read for a while"},
      {"throttle.device_bytes_per_second", &c.hub.throttle.device_bytes_per_second,
       "bytes of the same"},
      {"throttle.c2d_sends_per_minute", &c.hub.throttle.c2d_sends_per_minute,
       "cloud-to-device messages of all back ends; more are refused (429001)"},
      {"throttle.policy_c2d_sends_per_minute", &c.hub.throttle.policy_c2d_sends_per_minute,
       "of one shared access policy"},
      {"throttle.policy_registry_calls_per_minute",
       &c.hub.throttle.policy_registry_calls_per_minute,
       "identity and statistics calls of one policy; more are refused (429)"},
      {"mqtt.c2d_window", &c.mqtt.c2d_window, "unacknowledged messages on one connection"},
      {"mqtt.connect_limit", &c.mqtt.connection.connect_timeout, "time for CONNECT to come"},
      {"mqtt.token_grace", &c.mqtt.token_grace, "a connection outlives its token by this much"},
      {"mqtt.close_on_refused_filter", &c.mqtt.close_on_refused_filter,
       "close on a SUBSCRIBE that is refused, instead of answering 0x80"},
      {"mqtt.fault_injection", &c.mqtt.fault_injection,
       "devices may ask for faults of their connection: only for tests of clients"},
      {"log.level", &c.log_level, "\"debug\", \"info\", \"warning\" or \"error\""},
      {"log.format", &c.log_format, "\"logfmt\" or \"json\""},
  };
}

}  // namespace

std::vector<Setting> settings_of(Config& c) {
  std::vector<Setting> all = {
      {"server.data_directory", &c.data_directory, "where everything is kept; empty: the default"},
      {"server.in_memory", &c.in_memory, "keep nothing: the hub is empty after each start"},
      {"server.hosts", &c.hosts, "names clients use, besides 127.0.0.1 and localhost"},
      {"server.clock", &c.clock, "\"system\", or \"manual\" for tests (linarite clock advance)"},
      {"server.loop_count", &c.loop_count, "threads for connections; 0: one for each processor"},
      {"server.shutdown_limit", &c.shutdown_limit, "how long connections may take to say goodbye"},
      {"server.core_dumps", &c.core_dumps, "leave the memory, with its keys, to core dumps"},
      {"listen.addresses", &c.addresses, "numeric addresses of the device and service ports"},
      {"listen.mqtt_port", &c.mqtt_port, "0: a free one"},
      {"listen.amqp_port", &c.amqp_port, "0: a free one"},
      {"listen.plain_amqp_port", &c.plain_amqp_port,
       "AMQP without TLS for UseDevelopmentEmulator=true, on loopback only; 0: none"},
      {"listen.https_port", &c.https_port, "0: a free one"},
      {"listen.admin_port", &c.admin_port, "on 127.0.0.1, plain HTTP; 0: a free one"},
      {"listen.allow_dev_ca_on_public_address", &c.allow_dev_ca_on_public_address,
       "listen on other than loopback addresses with the development CA"},
      {"tls.certificate_files", &c.certificate_files,
       "PEM, each with its chain; empty: development CA"},
      {"tls.key_files", &c.key_files, "PEM, in the order of certificate_files"},
      {"tls.allow_cbc", &c.allow_cbc, "ECDHE-RSA with AES-CBC and SHA-2, for devices without GCM"},
      {"tls.own_records", &c.own_tls_records,
       "after a handshake of TLS 1.3 the program's own record layer; false: OpenSSL's"},
      {"limits.connections_max", &c.connections_max, "0: as many as the open-files limit allows"},
      {"limits.connections_per_address_max", &c.connections_per_address_max, "0: no limit"},
      {"limits.handshakes_per_loop_max", &c.handshakes_per_loop_max,
       "TLS handshakes under way; one more ends the oldest"},
      {"limits.unsent_bytes_max", &c.unsent_bytes_max,
       "what all peers together may leave unread; 0: no limit"},
      {"limits.handshake_limit", &c.handshake_limit, "time for a TLS handshake"},
      {"limits.stall_limit", &c.stall_limit,
       "time for a peer to take something of what waits for it"},
      {"store.partition_count", &c.partition_count, "fixed when the store is made"},
      {"store.memtable_bytes", &c.memtable_bytes,
       "more is faster, and replays longer after a crash"},
      {"store.accept_loss", &c.accept_loss, "open a store that has lost acknowledged data"},
      {"store.master_key_file", &c.master_key_file, "opens the keys in the store; or master.key"},
      {"hub.device_count_max", &c.hub.device_count_max, "identities"},
      {"hub.queued_messages_max", &c.hub.queued_messages_max,
       "waiting messages of all devices together"},
      {"hub.message_cache_bytes", &c.hub.message_cache_bytes,
       "message bodies in memory, per partition"},
      {"hub.commit_backlog_bytes_max", &c.hub.commit_backlog_bytes_max,
       "what may wait for the disk, per partition"},
      {"hub.event_retention", &c.hub.events.retention, "how long events are kept"},
      {"hub.event_log_bytes_max", &c.hub.events.log_bytes_max, "events kept, per partition"},
      {"hub.event_cache_bytes", &c.hub.events.tail_cache_bytes,
       "last events in memory, per partition"},
      {"hub.consumer_groups", &c.hub.events.consumer_groups,
       "consumer groups of the events besides $Default"},
      {"c2d.queue_depth_max", &c.hub.c2d.queue_depth_max, "waiting messages of one device"},
      {"c2d.queue_bytes_max", &c.hub.c2d.queue_bytes_max,
       "bytes of waiting messages of one device"},
      {"c2d.default_ttl", &c.hub.c2d.default_ttl, "life of a message without an expiry"},
      {"c2d.ttl_max", &c.hub.c2d.ttl_max, "longest expiry a sender may ask for"},
      {"c2d.lock_duration", &c.hub.c2d.lock_duration, "lock of a message received over HTTPS"},
      {"c2d.delivery_count_max", &c.hub.c2d.delivery_count_max, "then it is dead-lettered"},
      {"c2d.strict_subscription_time", &c.hub.c2d.strict_subscription_time,
       "dead-letter what was sent before a device's first subscription"},
      {"feedback.ttl", &c.hub.feedback.ttl, "life of a feedback record"},
      {"feedback.lock_duration", &c.hub.feedback.lock_duration, "lock of a received batch"},
      {"feedback.delivery_count_max", &c.hub.feedback.delivery_count_max, "then it is dropped"},
      {"feedback.batched", &c.hub.feedback.batched,
       "collect 64 records or 15 s, as the original does"},
  };
  std::ranges::move(settings_of_traffic(c), std::back_inserter(all));
  return all;
}

}  // namespace linarite::server
