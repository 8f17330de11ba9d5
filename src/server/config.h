// Everything an operator may set, where it may be set, and what is refused. docs/configuration.md
// describes each key to users; a test compares the two.
//
// A setting is looked for in the configuration file (TOML), then in the environment
// (LINARITE_SECTION_KEY), then on the command line; the last one that has it decides.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/logging.h"
#include "gateway/mqtt_gateway.h"
#include "hub/options.h"
#include "store/embedded/embedded_store.h"

namespace linarite::server {

using Texts = std::vector<std::string>;

struct Config {
  // [server]
  std::string data_directory;  // Empty: the default (wire::default_data_directory).
  bool in_memory = false;
  Texts hosts;  // Names that clients use, besides 127.0.0.1 and localhost; the first is the hub's.
  std::string clock = "system";  // Or "manual".
  uint32_t loop_count = 0;       // 0: one for each processor, at most one for each partition.
  Duration shutdown_limit = std::chrono::seconds(5);
  bool core_dumps = false;

  // [listen]
  Texts addresses = {"127.0.0.1", "::1"};
  uint16_t mqtt_port = 8883;
  uint16_t amqp_port = 5671;
  uint16_t plain_amqp_port = 0;  // AMQP without TLS, on loopback addresses; 0: none.
  uint16_t https_port = 443;
  uint16_t admin_port = 5300;
  bool allow_dev_ca_on_public_address = false;

  // [tls]
  Texts certificate_files;  // Empty: the development CA. Each has its key at the same place of
  Texts key_files;          // key_files.
  bool allow_cbc = false;
  bool own_tls_records = true;

  // [limits]
  uint32_t connections_max = 0;              // 0: as many as descriptors allow.
  uint32_t connections_per_address_max = 0;  // 0: no limit.
  uint32_t handshakes_per_loop_max = 2048;
  uint64_t unsent_bytes_max = 256ULL << 20U;  // Of all connections together; 0: no limit.
  Duration handshake_limit = std::chrono::seconds(10);
  Duration stall_limit = std::chrono::seconds(60);

  // [store]
  uint32_t partition_count = 4;  // Fixed when the store is made.
  uint64_t memtable_bytes = store::EmbeddedOptions{}.memtable_bytes;
  bool accept_loss = false;
  std::string master_key_file;  // Empty: master.key in the data directory.

  hub::HubOptions hub;        // [hub], [c2d], [feedback]; host_names come from `hosts`.
  gateway::MqttOptions mqtt;  // [mqtt]
  std::string log_level = "info";
  std::string log_format = "logfmt";

  // kArgumentInvalid: the first setting that is out of its bounds or does not fit another one, as a
  // sentence that names it.
  Status check() const;

  bool uses_dev_ca() const { return certificate_files.empty(); }
  // The hub's options with its host names.
  hub::HubOptions hub_options() const;
  LogLevel level() const;
  LogFormat format() const;
};

// One key: its name ("c2d.default_ttl"), where its value is, and what it is about.
struct Setting {
  using Place =
      std::variant<std::string*, bool*, uint16_t*, uint32_t*, uint64_t*, Duration*, Texts*>;
  std::string_view key;
  Place place;
  std::string_view about;
};

// All of them, in the order of the documentation; the places point into `config`.
std::vector<Setting> settings_of(Config& config);

// Reads the settings of a file into `config`. Fails with kArgumentInvalid: a file that cannot be
// read, is no TOML, has an unknown key or a value of another type; as "FILE:LINE:COLUMN: what".
Status read_file(const std::string& path, Config& config);
// The same for NAME=VALUE pairs: LINARITE_C2D_DEFAULT_TTL=2h. A list is separated by commas.
// Variables of a section that are no setting are refused; others that begin with LINARITE_ are not
// ours.
Status read_environment(const char* const* environment, Config& config);

// The settings as TOML, each with what it is about.
std::string to_toml(Config config);
// For `linarite config check` and `print`: file (may be empty), then this process's environment.
Result<std::string> effective_configuration(const std::string& path);

// "90s", "61m", "2h", "1d", "250ms": a whole number and a unit; at most a year.
Result<Duration> parse_duration(std::string_view text);
std::string duration_text(Duration duration);

}  // namespace linarite::server
