// The commands: one function each, and the one table that names them.
#pragma once

#include <boost/json/value.hpp>
#include <vector>

#include "cli/arguments.h"
#include "cli/failure.h"
#include "cli/session.h"

namespace linarite::cli {

// Returns the result to print, or null if there is nothing (more) to print.
using CommandFunction = Outcome<boost::json::value> (*)(Session&);

struct Command {
  const char* words;    // "hub device-identity create"
  const char* summary;  // For --help; one sentence.
  CommandFunction run;
  std::vector<Flag> flags;
};

// In the order of --help.
const std::vector<Command>& commands();

// What the groups of commands are about: {"hub", "..."}.
struct Group {
  const char* words;
  const char* summary;
};
const std::vector<Group>& groups();

// hub_commands.cc: the hub's own keys
Outcome<boost::json::value> show_hub_connection_string(Session& session);
Outcome<boost::json::value> list_policies(Session& session);
Outcome<boost::json::value> show_policy(Session& session);
Outcome<boost::json::value> renew_policy_key(Session& session);
Outcome<boost::json::value> generate_sas_token(Session& session);

// identity_commands.cc
Outcome<boost::json::value> create_identity(Session& session);
Outcome<boost::json::value> show_identity(Session& session);
Outcome<boost::json::value> list_identities(Session& session);
Outcome<boost::json::value> update_identity(Session& session);
Outcome<boost::json::value> delete_identity(Session& session);
Outcome<boost::json::value> renew_identity_key(Session& session);
Outcome<boost::json::value> show_device_connection_string(Session& session);

// message_commands.cc
Outcome<boost::json::value> send_message(Session& session);
Outcome<boost::json::value> purge_messages(Session& session);
Outcome<boost::json::value> monitor_feedback(Session& session);

// event_commands.cc
Outcome<boost::json::value> monitor_events(Session& session);

// device_commands.cc
Outcome<boost::json::value> send_device_message(Session& session);
Outcome<boost::json::value> simulate_devices(Session& session);

// own_commands.cc: what az has no words for
Outcome<boost::json::value> check_configuration(Session& session);
Outcome<boost::json::value> print_configuration(Session& session);
Outcome<boost::json::value> show_health(Session& session);
Outcome<boost::json::value> show_version(Session& session);
Outcome<boost::json::value> print_trust(Session& session);
Outcome<boost::json::value> run_program(Session& session);
Outcome<boost::json::value> advance_clock(Session& session);

// store_commands.cc
Outcome<boost::json::value> check_store(Session& session);
Outcome<boost::json::value> rewrap_store(Session& session);

}  // namespace linarite::cli
