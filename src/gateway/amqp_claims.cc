#include "gateway/amqp_claims.h"

#include <algorithm>

#include "base/text.h"
#include "wire/sas_token.h"

namespace linarite::gateway {
namespace {

constexpr std::string_view kPolicyRealm = "@sas.root.";
// A raw key has no end of its own; a connection made with one is cut after this long.
constexpr std::chrono::hours kRawKeyLifetime{24 * 365};

}  // namespace

std::string_view first_label(std::string_view host) { return host.substr(0, host.find('.')); }

Status AmqpClaims::put(std::string name, std::string_view token) {
  if (!principals_.contains(name) && principals_.size() >= kCbsTokensMax) {
    return fail(ErrorCode::kIotHubMaxCbsTokenExceeded, "too many tokens on this connection");
  }
  auto principal = hub_.authenticate_policy(token);
  if (!principal) return std::unexpected(principal.error());
  principals_.insert_or_assign(std::move(name), *std::move(principal));
  return {};
}

// RFC 4616. The authorization id may be empty or repeat the user.
Status AmqpClaims::log_in(ByteView response) {
  const size_t first = response.find('\0');
  const size_t second = first == ByteView::npos ? first : response.find('\0', first + 1);
  if (second == ByteView::npos) {
    return fail(ErrorCode::kIotHubUnauthorizedAccess, "malformed PLAIN response");
  }
  const ByteView authorization = response.substr(0, first);
  const ByteView user = response.substr(first + 1, second - first - 1);
  const ByteView password = response.substr(second + 1);
  if (!authorization.empty() && authorization != user) {
    return fail(ErrorCode::kIotHubUnauthorizedAccess, "nobody may act for another identity");
  }
  const auto token = policy_token(user, password);
  if (!token) return std::unexpected(token.error());
  return put("", *token);
}

// The token behind `{policy}@sas.root.{hub}` with a token, or `{policy}` with a raw key
// (service-protocol 1.4).
Result<std::string> AmqpClaims::policy_token(std::string_view user,
                                             std::string_view password) const {
  const auto& hosts = hub_.options().host_names;
  if (const size_t at = user.find(kPolicyRealm); at != std::string_view::npos) {
    const std::string_view hub_name = user.substr(at + kPolicyRealm.size());
    const bool ours = std::ranges::any_of(hosts, [hub_name](const std::string& host) {
      return equal_ignoring_case(hub_name, first_label(host)) ||
             equal_ignoring_case(hub_name, host);
    });
    if (!ours) return fail(ErrorCode::kIotHubUnauthorizedAccess, "another hub's user");
    const auto token = wire::parse_sas_token(password);
    if (token && token->policy == user.substr(0, at)) return std::string(password);
    return fail(ErrorCode::kIotHubUnauthorizedAccess, "the token is not this user's");
  }
  if (user.find('@') != std::string_view::npos) {
    return fail(ErrorCode::kIotHubUnauthorizedAccess, "devices are not served over AMQP yet");
  }
  if (!hub_.policy_has_key(user, password)) {
    return fail(ErrorCode::kIotHubUnauthorizedAccess, "no policy has this key");
  }
  return wire::make_sas_token({.audience = hosts.front(),
                               .key = password,
                               .policy = user,
                               .expiry = hub_.clock().wall() + kRawKeyLifetime});
}

Status AmqpClaims::allow(hub::Action action, const hub::Resource& resource) const {
  Status refusal = fail(ErrorCode::kIotHubUnauthorizedAccess, "no token was put");
  for (const auto& [name, principal] : principals_) {
    Status status = hub_.allow(principal, action, resource);
    if (status) return status;
    refusal = std::move(status);
  }
  return refusal;
}

std::string AmqpClaims::policy_for(hub::Action action, const hub::Resource& resource) const {
  for (const auto& [name, principal] : principals_) {
    if (hub_.allow(principal, action, resource)) return principal.name;
  }
  return {};
}

void AmqpClaims::drop_ended() {
  // Only an ended token is refused as such, whatever it is asked for.
  std::erase_if(principals_, [this](const auto& entry) {
    const Status status =
        hub_.allow(entry.second, hub::Action::kSendMessage, hub::Resource::c2d_sender());
    return !status && status.error().code == ErrorCode::kIotHubUnauthorizedAccess;
  });
}

std::optional<WallTime> AmqpClaims::next_end() const {
  std::optional<WallTime> next;
  for (const auto& [name, principal] : principals_) {
    const WallTime end =
        principal.token.expiry + wire::kSasClockSkew + std::chrono::milliseconds(1);
    if (!next || end < *next) next = end;
  }
  return next;
}

}  // namespace linarite::gateway
