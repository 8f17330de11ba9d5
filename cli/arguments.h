// Everything a command line can say, as values. Names and long and short flags are az's
// (azure-cli's iot module and its azure-iot extension).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "cli/output.h"

namespace linarite::cli {

using Text = std::optional<std::string>;

struct Arguments {
  OutputForm output = OutputForm::kJson;

  // Which hub.
  Text output_word;
  Text login;
  Text data_directory;
  Text hub_name, resource_group, auth_type;  // az's; there is one hub, and one way in
  Text websocket;                            // "true": messages and events go through WebSockets.

  // Whom, and what is asked about them.
  Text device_id, policy_name, key_type, etag, status, status_reason, device_scope;
  Text auth_method, primary_key, secondary_key, primary_thumbprint, secondary_thumbprint;
  Text edge_enabled, show_all, default_eventhub, use_emulator;
  std::optional<int64_t> top;
  std::vector<std::string> set;

  // Tokens.
  std::optional<int64_t> duration;
  Text connection_string;

  // Messages. `data` may hold two: see command `device c2d-message send`.
  std::vector<std::string> data;
  Text message_body, data_file, message_id, correlation_id, user_id, content_type;
  Text content_encoding, properties, ack, wait, wait_on_message;
  std::optional<int64_t> expiry;

  // Events that are watched.
  Text device_query, consumer_group, module_id, interface, repair, yes;
  std::optional<int64_t> enqueued_time, timeout;
  std::vector<std::string> event_properties;

  // Devices that a command plays.
  Text symmetric_key, protocol, receive_settle, rate;
  std::optional<int64_t> message_count, message_interval, devices;

  // The hub's own.
  Text config_file, by, salvage, to, master_key_file, new_keys;

  // The words after `--`, of `linarite run`.
  std::vector<std::string> program;
};

// Where the value of a flag goes. kSwitch texts take "true" when the flag stands alone, and true or
// false when a word follows, as az's three-state flags do.
using Target = std::variant<Text Arguments::*, std::optional<int64_t> Arguments::*,
                            std::vector<std::string> Arguments::*>;

struct Flag {
  const char* names;  // "-d,--device-id"
  const char* help;
  Target target;
  enum class Kind : uint8_t { kValue, kSwitch, kPositional } kind = Kind::kValue;
  bool required = false;
  std::vector<const char*> choices = {};  // Matched in any case and kept in this one.
};

inline Flag required(Flag flag) {
  flag.required = true;
  return flag;
}

}  // namespace linarite::cli
