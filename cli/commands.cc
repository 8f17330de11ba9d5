#include "cli/command.h"

namespace linarite::cli {
namespace {

using A = Arguments;
constexpr auto kSwitch = Flag::Kind::kSwitch;

// --- Flags that several commands share.

const Flag kMasterKeyFile = {
    "--master-key-file", "The file of master keys; master.key of the data directory if not given.",
    &A::master_key_file};
const Flag kDataDirectory = {"--data,--data-dir", "Data directory of the hub on this machine.",
                             &A::data_directory};
const Flag kLogin = {"-l,--login", "Connection string of the hub, with rights for the command.",
                     &A::login};
const Flag kHubName = {"-n,--hub-name", "Accepted for az's sake; a data directory has one hub.",
                       &A::hub_name};
const Flag kLongHubName = {"--hub-name", kHubName.help, &A::hub_name};
const Flag kResourceGroup = {"-g,--resource-group", "Accepted for az's sake.", &A::resource_group};
const Flag kAuthType = {.names = "--auth-type",
                        .help = "How the hub is told who asks.",
                        .target = &A::auth_type,
                        .choices = {"key"}};
const Flag kWebSocket = {"--websocket", "Through a WebSocket on the HTTPS port.", &A::websocket,
                         kSwitch};
const Flag kOutput = {"-o,--output", "Output format: json, jsonc, none, table, tsv.",
                      &A::output_word};

const Flag kDeviceId = {"-d,--device-id", "Target device id.", &A::device_id};
const Flag kKeyType = {.names = "--kt,--key-type",
                       .help = "Which of the two keys.",
                       .target = &A::key_type,
                       .choices = {"primary", "secondary"}};
const Flag kEtag = {"-e,--etag", "ETag that the identity must still have; '*' if not given.",
                    &A::etag};
const Flag kPolicyName = {"--pn,--policy-name", "Shared access policy.", &A::policy_name};
const Flag kName = {"-n,--name", "Shared access policy name.", &A::policy_name};

const Flag kBody = {"--data", "Message body; given twice, the second is the data directory.",
                    &A::data};
const Flag kOnlyBody = {"--da", "Message body.", &A::message_body};
const Flag kBodyFile = {"--dfp,--data-file-path", "File with the message body.", &A::data_file};
const Flag kProperties = {"-p,--props,--properties", "Properties: key=value;key=value.",
                          &A::properties};
const Flag kLongData = {"--data-dir", kDataDirectory.help, &A::data_directory};
const Flag kDeviceProperties = {
    kProperties.names, "Properties: key=value;key=value; names as $.ct are system properties.",
    &A::properties};
const Flag kMessageCount = {"--mc,--msg-count", "Messages that a device sends.", &A::message_count};
const Flag kDeviceKey = {"--key,--symmetric-key", "Key of the device, instead of the registry's.",
                         &A::symmetric_key};

const std::vector<Flag> kIdentityFlags = {
    {.names = "--am,--auth-method",
     .help = "How the device proves who it is.",
     .target = &A::auth_method,
     .choices = {"shared_private_key", "x509_thumbprint", "x509_ca"}},
    {"--pk,--primary-key", "Primary symmetric key, base64.", &A::primary_key},
    {"--sk,--secondary-key", "Secondary symmetric key, base64.", &A::secondary_key},
    {"--ptp,--primary-thumbprint", "Thumbprint of the primary certificate.",
     &A::primary_thumbprint},
    {"--stp,--secondary-thumbprint", "Thumbprint of the secondary certificate.",
     &A::secondary_thumbprint},
    {.names = "--sta,--status",
     .help = "Whether the device may connect.",
     .target = &A::status,
     .choices = {"disabled", "enabled"}},
    {"--star,--status-reason", "Why it has this status.", &A::status_reason},
    {"--ee,--edge-enabled", "Whether it is an edge device.", &A::edge_enabled, kSwitch},
};

using Flags = std::vector<Flag>;

Flags operator+(Flags left, const Flags& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

// A command that goes to the hub's REST API.
const Flags kAnyHub = {kLogin, kDataDirectory, kHubName, kResourceGroup, kAuthType, kOutput};
// A command that only the hub's own machine may give, to the admin listener.
const Flags kOwnHub = {kDataDirectory, kHubName, kResourceGroup, kOutput};
const Flags kOwnPolicy = {kDataDirectory, kLongHubName, kResourceGroup, kOutput};

// --- The table.

const std::vector<Command> kCommands = {
    {"hub connection-string show", "Show the connection string of a shared access policy.",
     show_hub_connection_string,
     Flags{kPolicyName,
           kKeyType,
           {"--all,--show-all", "Those of all policies.", &A::show_all, kSwitch},
           {"--eh,--default-eventhub", "For Event Hubs clients, to receive the hub's events.",
            &A::default_eventhub, kSwitch},
           {"--use-emulator", "With --eh: for AMQP without TLS (listen.plain_amqp_port).",
            &A::use_emulator, kSwitch}} +
         kOwnHub},
    {"hub policy list", "List the shared access policies with their keys.", list_policies,
     kOwnPolicy},
    {"hub policy show", "Show a shared access policy with its keys.", show_policy,
     Flags{required(kName)} + kOwnPolicy},
    {"hub policy renew-key", "Replace a key of a shared access policy, or swap the two.",
     renew_policy_key,
     Flags{required(kName),
           {.names = "--rk,--renew-key",
            .help = "Which key.",
            .target = &A::key_type,
            .required = true,
            .choices = {"primary", "secondary", "swap"}}} +
         kOwnPolicy},
    {"hub device-identity create", "Create a device identity.", create_identity,
     Flags{required(kDeviceId)} + kIdentityFlags +
         Flags{{"--device-scope", "Scope of the device.", &A::device_scope}} + kAnyHub},
    {"hub device-identity show", "Show a device identity with its keys.", show_identity,
     Flags{required(kDeviceId)} + kAnyHub},
    {"hub device-identity list", "List device identities, without keys.", list_identities,
     Flags{{"--top", "At most so many; -1 for as many as the hub gives.", &A::top},
           {"--ee,--edge-enabled", "Only edge devices.", &A::edge_enabled, kSwitch}} +
         kAnyHub},
    {"hub device-identity update", "Change a device identity.", update_identity,
     Flags{required(kDeviceId)} + kIdentityFlags +
         Flags{{"--set", "Members to set, as path=value: status=disabled.", &A::set}, kEtag} +
         kAnyHub},
    {"hub device-identity delete", "Delete a device identity and its queue.", delete_identity,
     Flags{required(kDeviceId), kEtag} + kAnyHub},
    {"hub device-identity renew-key", "Replace keys of a device, or swap the two.",
     renew_identity_key,
     Flags{required(kDeviceId),
           {.names = "--kt,--key-type",
            .help = "Which key.",
            .target = &A::key_type,
            .required = true,
            .choices = {"primary", "secondary", "swap", "both"}},
           kEtag} +
         kAnyHub},
    {"hub device-identity connection-string show", "Show the connection string of a device.",
     show_device_connection_string, Flags{required(kDeviceId), kKeyType} + kAnyHub},
    {"hub generate-sas-token", "Make a token of a policy, or of a device with -d.",
     generate_sas_token,
     Flags{kDeviceId,
           kPolicyName,
           kKeyType,
           {"--du,--duration", "Seconds that it is valid.", &A::duration},
           {"--cs,--connection-string", "Make it from this, without asking the hub.",
            &A::connection_string}} +
         kAnyHub},
    {"hub monitor-feedback", "Print delivery feedback as it comes.", monitor_feedback,
     Flags{kDeviceId,
           {"-w,--wait-on-msg", "End with the feedback on this message id.", &A::wait_on_message},
           kWebSocket} +
         kAnyHub},
    {"hub monitor-events", "Print the messages of devices as they come.", monitor_events,
     Flags{
         {"-d,--device-id", "Only of this device; * and ? stand for any text and character.",
          &A::device_id},
         {"-m,--module-id", "Only of this module; likewise.", &A::module_id},
         {"-q,--device-query", "Not part of this version.", &A::device_query},
         {"-c,--cg,--consumer-group", "Consumer group; $Default if not given.", &A::consumer_group},
         {"-i,--interface", "Only of components of this model: a DTMI.", &A::interface},
         {"-e,--et,--enqueued-time", "From when on, in milliseconds since 1970; now if not given.",
          &A::enqueued_time},
         {"-p,--props,--properties", "Show also: sys, app, anno, all.", &A::event_properties},
         {"--mc,--message-count", "Ends after this many.", &A::message_count},
         {"-t,--to,--timeout", "Seconds without an event after which it ends; 0: never.",
          &A::timeout},
         {"--ct,--content-type", "Content type of all payloads, whatever they say.",
          &A::content_type},
         {"-r,--repair", "Accepted for az's sake.", &A::repair, kSwitch},
         {"-y,--yes", "Accepted for az's sake.", &A::yes, kSwitch},
         kWebSocket} +
         kAnyHub},
    {"device c2d-message send", "Send a cloud-to-device message.", send_message,
     Flags{
         required(kDeviceId),
         kBody,
         kOnlyBody,
         kBodyFile,
         {"--mid,--message-id", "Message id; made up if not given.", &A::message_id},
         {"--cid,--correlation-id", "Correlation id.", &A::correlation_id},
         {"--uid,--user-id", "User id.", &A::user_id},
         {"--ct,--content-type", "Content type of the body.", &A::content_type},
         {"--ce,--content-encoding", "Content encoding of the body.", &A::content_encoding},
         {"--expiry,--expiry-time-utc", "When it expires, in milliseconds since 1970.", &A::expiry},
         kProperties,
         {.names = "--ack",
          .help = "Which outcomes give feedback.",
          .target = &A::ack,
          .choices = {"positive", "negative", "full"}},
         {"-w,--wait", "Wait for the feedback and print it.", &A::wait, kSwitch},
         kWebSocket,
         kLongData,
         kLogin,
         kHubName,
         kResourceGroup,
         kAuthType,
         kOutput}},
    {"device c2d-message purge", "Drop all messages in the queue of a device.", purge_messages,
     Flags{required(kDeviceId)} + kAnyHub},
    {"device send-d2c-message", "Send a message as a device, over MQTT.", send_device_message,
     Flags{required(kDeviceId), kBody, kOnlyBody, kBodyFile, kDeviceProperties, kMessageCount,
           kDeviceKey, kWebSocket, kLongData, kLogin, kHubName, kResourceGroup, kAuthType,
           kOutput}},
    {"device simulate", "Play devices: send messages, and complete what the cloud sends.",
     simulate_devices,
     Flags{
         {"-d,--device-id", "The device; with --devices the prefix of their ids.", &A::device_id},
         {"--devices", "Play so many: made with the prefix, or those of the registry.",
          &A::devices},
         {"--rate", "Messages a second of all devices together, instead of --msg-interval.",
          &A::rate},
         kBody,
         kOnlyBody,
         kDeviceProperties,
         kMessageCount,
         {"--mi,--msg-interval", "Seconds between two messages of a device.", &A::message_interval},
         {.names = "--proto,--protocol",
          .help = "How devices connect.",
          .target = &A::protocol,
          .choices = {"mqtt", "http"}},
         {.names = "--rs,--receive-settle",
          .help = "What becomes of messages that are received.",
          .target = &A::receive_settle,
          .choices = {"complete", "abandon", "reject"}},
         kDeviceKey,
         kWebSocket,
         kLongData,
         kLogin,
         kHubName,
         kResourceGroup,
         kAuthType,
         kOutput}},
    {"config check",
     "Check a configuration file.",
     check_configuration,
     {{"--config", "The file (TOML).", &A::config_file}}},
    {"config print",
     "Print all settings as TOML: the defaults, and what a file says.",
     print_configuration,
     {{"--config", "The file (TOML).", &A::config_file}}},
    {"health",
     "Ask the hub how it is; exit code 0 if it is well.",
     show_health,
     {kDataDirectory, kOutput}},
    {"clock advance",
     "Move the clock of a hub that runs with --clock manual.",
     advance_clock,
     {{.names = "by",
       .help = "How far: 90s, 61m, 2h, 1d, 1h30m.",
       .target = &A::by,
       .kind = Flag::Kind::kPositional,
       .required = true},
      kDataDirectory,
      kOutput}},
    {"store check",
     "Read the whole store of a hub that does not run; exit code 0 if it is sound.",
     check_store,
     {{"--salvage", "Make a new data directory of what can be trusted of a damaged store.",
       &A::salvage, kSwitch},
      {"--to", "The new data directory; the old name with .salvaged if not given.", &A::to},
      {"--new-keys", "With --salvage: keys that can't be opened are replaced by new ones.",
       &A::new_keys, kSwitch},
      kMasterKeyFile,
      kDataDirectory,
      kOutput}},
    {"store rewrap",
     "Make a new master key and seal the keys in the store of a hub that does not run with it.",
     rewrap_store,
     {kMasterKeyFile, kDataDirectory, kOutput}},
    {"trust",
     "Print, for each language, what makes its clients trust this hub.",
     print_trust,
     {kDataDirectory}},
    {"run",
     "Run a program so that it trusts this hub: linarite run -- COMMAND.",
     run_program,
     {kDataDirectory}},
    {"version", "Print the version.", show_version, {kOutput}},
};

const std::vector<Group> kGroups = {
    {"hub", "What 'az iot hub' is: identities, policies, tokens, feedback, events."},
    {"hub connection-string", "Connection strings of the hub."},
    {"hub policy", "Shared access policies."},
    {"hub device-identity", "Device identities."},
    {"hub device-identity connection-string", "Connection strings of devices."},
    {"device", "What 'az iot device' is: messages of one device."},
    {"device c2d-message", "Cloud-to-device messages."},
    {"config", "The configuration of the server."},
    {"store", "The store of a hub on this machine."},
    {"clock", "The clock of a hub that is being tested with."},
};

}  // namespace

const std::vector<Command>& commands() { return kCommands; }
const std::vector<Group>& groups() { return kGroups; }

}  // namespace linarite::cli
