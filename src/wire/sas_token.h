// Shared access signatures: parsing, checking and making them (device-protocol 5.2,
// service-protocol 1.3 and 11.2).
//
// A token is accepted only if all four hold: it parses, it has not expired, its signature matches a
// key, and its audience covers the resource that is used. Each is one function here; which keys to
// try (by `policy`) and what a policy may do is the hub's business.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/error.h"
#include "base/time.h"

namespace linarite::wire {

inline constexpr size_t kSasTokenSizeMax = 4096;  // bytes of the whole text
inline constexpr std::chrono::seconds kSasClockSkew{300};

struct SasToken {
  std::string sr;      // as transmitted: it is part of the signed text
  std::string se;      // as transmitted, for the same reason
  Bytes signature;     // decoded, always 32 bytes
  std::string policy;  // `skn`, decoded; empty when the key is that of the device or module
  WallTime expiry;     // `se` as a time; its fraction is cut to milliseconds
};

// Parses `SharedAccessSignature sr=…&sig=…&se=…[&skn=…]`. The two parts are separated by exactly
// one white-space character and the first is case-sensitive; field names are not, and come in any
// order. Empty items and unknown names are ignored. Fails with 401002 and a message without any
// part of the token: too long, a part or field missing, empty or given twice, a field without '=',
// `se` anything but digits with an optional fraction or after the year 9999, `sig` not the base64
// of 32 bytes.
Result<SasToken> parse_sas_token(std::string_view text);

// True when `se` plus kSasClockSkew lies before `now`.
bool sas_token_expired(const SasToken& token, WallTime now);

// True when the token was signed with one of the two keys (base64 text). Both signatures are always
// computed and compared in constant time, also for a key that is empty or not base64 (which never
// matches): an unknown device, tried with two empty keys, takes as long as a known one.
bool sas_signature_matches(const SasToken& token, std::string_view primary_key,
                           std::string_view secondary_key);
// The same, telling which key it was.
enum class SasKeyMatch : unsigned char { kNone, kPrimary, kSecondary };
SasKeyMatch sas_signature_match(const SasToken& token, std::string_view primary_key,
                                std::string_view secondary_key);

// The same for tokens of Event Hubs clients, whose key is the text of the policy's key as it
// stands, without base64 decoding (service-protocol 4.3). A text that is not base64 never matches.
SasKeyMatch sas_text_key_match(const SasToken& token, std::string_view primary_key,
                               std::string_view secondary_key);

// True when the token's audience is a prefix, segment by segment and ignoring case, of
// `host/resource[0]/resource[1]/…` for one of the hub's host names, and names at least the first
// `named_at_least` resource segments. `sr` is read as it is, decoded once, and decoded twice; a
// scheme, a port and one trailing '/' are ignored.
//
// For a device {"devices", d} or module {"devices", d, "modules", m}: a policy's token need name
// nothing (0), a device key's token its device (2), a module key's token its module (4).
bool audience_covers(const SasToken& token, std::span<const std::string_view> hosts,
                     std::span<const std::string_view> resource, size_t named_at_least);

// True when the token's audience begins with one of the hub's host names, whatever follows it.
bool audience_names_host(const SasToken& token, std::span<const std::string_view> hosts);

struct SasTokenRequest {
  std::string_view audience;  // not encoded, for example hub.example.com/devices/d1
  std::string_view key;       // base64
  std::string_view policy;    // empty for a device's or module's own key
  WallTime expiry;            // signed in whole seconds
};

// Makes a token with `sr` percent-encoded once, in the order sr, sig, se, skn. Fails with 400004
// when the key is empty or not base64.
Result<std::string> make_sas_token(const SasTokenRequest& request);

}  // namespace linarite::wire
