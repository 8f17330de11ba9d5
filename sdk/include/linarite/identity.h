// Who a client is, and how it proves it: connection strings and the other credentials.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <variant>

#include <linarite/error.h>
#include <linarite/message.h>

namespace linarite {
inline namespace v1 {

// A key (base64), from which the client makes its tokens itself.
struct shared_access_key {
  std::string key;
  std::string policy{};  // Name of a shared access policy; empty: the device's own key.
};

// A finished token. When it expires the client stays away: prefer a provider.
struct sas_token {
  std::string text;  // "SharedAccessSignature sr=...&sig=...&se=..."
};

// Which token a client needs.
struct token_request {
  std::string audience;            // What the token must be for: host or host/devices/id.
  std::chrono::seconds life_time;  // What the client wishes; the token's own `se` counts.
};
// Takes a provider's token, or why there is none. May be called at once or later, on any thread,
// once; later calls and calls after the client gave up do nothing.
using token_reply = std::function<void(error, std::string token)>;
// Brings a token. Called on a thread of the SDK, at each connect and renewal: it must not block and
// must not throw.
using token_provider = std::function<void(const token_request&, token_reply reply)>;

// X.509: PEM files. The chain begins with the device's own certificate; the key has no password.
struct client_certificate {
  std::string chain_file;
  std::string key_file;
};

// Whom a device client speaks for.
struct device_identity {
  std::string host_name;
  std::string device_id;
  std::string module_id{};          // Empty: the device itself.
  std::string gateway_host_name{};  // Connect there instead; tokens still name host_name.
  std::variant<shared_access_key, sas_token, token_provider, client_certificate> credential{};

  // "HostName=...;DeviceId=...;SharedAccessKey=..." (or SharedAccessSignature, or x509=true, for
  // which credential is then set by the caller). Any other text is
  // errc::invalid_connection_string; the message names the field and shows no value.
  LINARITE_API static device_identity parse(std::string_view connection_string, error& problem);
  // The same, throwing linarite::exception.
  LINARITE_API static device_identity parse(std::string_view connection_string);
};

// Whom a service client speaks for.
struct service_identity {
  std::string host_name;
  std::variant<shared_access_key, sas_token, token_provider> credential{};

  // "HostName=...;SharedAccessKeyName=...;SharedAccessKey=...", as above.
  LINARITE_API static service_identity parse(std::string_view connection_string, error& problem);
  LINARITE_API static service_identity parse(std::string_view connection_string);
};

}  // namespace v1
}  // namespace linarite
