// What one AMQP connection may do: the tokens it has presented, by SASL PLAIN or $cbs
// (service-protocol 1.4, 1.5). The claim is the connection's: a link may use any of its tokens.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/error.h"
#include "hub/hub.h"

namespace linarite::gateway {

// Some clients put a token for each of up to 32 partitions, and one for $management.
inline constexpr size_t kCbsTokensMax = 64;
inline constexpr size_t kCbsTokenNameSizeMax = 2048;

class AmqpClaims {
 public:
  explicit AmqpClaims(const hub::Hub& hub) : hub_(hub) {}

  // Checks a token and keeps it in place of an earlier one of the same name. 401002 for a bad
  // token, 403005 when there are kCbsTokensMax of other names.
  Status put(std::string name, std::string_view token);

  // SASL PLAIN's response: authorization id, NUL, user, NUL, password.
  Status log_in(ByteView plain_response);

  bool empty() const { return principals_.empty(); }

  // Whether one of the tokens allows it; the most telling refusal if none does.
  Status allow(hub::Action action, const hub::Resource& resource) const;

  // The policy of a token that allows it; empty if none does.
  std::string policy_for(hub::Action action, const hub::Resource& resource) const;

  // Forgets tokens that have expired or whose policy's key was renewed.
  void drop_ended();
  // When the next token expires.
  std::optional<WallTime> next_end() const;

 private:
  Result<std::string> policy_token(std::string_view user, std::string_view password) const;

  const hub::Hub& hub_;
  std::map<std::string, hub::Principal, std::less<>> principals_;
};

// The part of a host name that clients call the hub's name: up to the first dot.
std::string_view first_label(std::string_view host);

}  // namespace linarite::gateway
