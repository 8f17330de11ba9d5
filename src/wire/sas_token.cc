#include "wire/sas_token.h"

#include <fmt/format.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <optional>
#include <vector>

#include "base/base64.h"
#include "base/text.h"
#include "wire/percent.h"

namespace linarite::wire {
namespace {

constexpr std::string_view kPrefix = "SharedAccessSignature";
constexpr std::string_view kWhiteSpace = " \t\r\n\v\f";
constexpr size_t kSignatureSize = 32;                // HMAC-SHA256
constexpr int64_t kExpirySecondsMax = 253402300799;  // 9999-12-31T23:59:59Z

using Signature = std::array<unsigned char, kSignatureSize>;

std::unexpected<Error> refuse(std::string_view what) {
  return fail(ErrorCode::kIotHubUnauthorizedAccess, fmt::format("malformed token: {}", what));
}

// "Digits with an optional fraction" to a time. Signs, hex, exponents and blanks are no digits.
std::optional<WallTime> parse_expiry(std::string_view text) {
  constexpr auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  const size_t point = std::min(text.find('.'), text.size());
  const std::string_view whole = text.substr(0, point);
  if (!std::ranges::all_of(whole, is_digit)) return std::nullopt;
  const auto seconds = whole_number<int64_t>(whole);
  if (!seconds || *seconds > kExpirySecondsMax) return std::nullopt;
  WallTime time{std::chrono::seconds(*seconds)};
  if (point == text.size()) return time;

  const std::string_view fraction = text.substr(point + 1);
  if (fraction.empty() || !std::ranges::all_of(fraction, is_digit)) return std::nullopt;
  int milliseconds = 0;
  for (size_t i = 0; i < 3; ++i) {
    milliseconds = milliseconds * 10 + (i < fraction.size() ? fraction[i] - '0' : 0);
  }
  return time + std::chrono::milliseconds(milliseconds);
}

struct RawFields {
  std::optional<std::string_view> sr, sig, se, skn;

  std::optional<std::string_view>* find(std::string_view name) {
    if (equal_ignoring_case(name, "sr")) return &sr;
    if (equal_ignoring_case(name, "sig")) return &sig;
    if (equal_ignoring_case(name, "se")) return &se;
    if (equal_ignoring_case(name, "skn")) return &skn;
    return nullptr;
  }
};

Result<RawFields> split_fields(std::string_view text) {
  RawFields fields;
  while (!text.empty()) {
    const size_t end = std::min(text.find('&'), text.size());
    const std::string_view item = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (item.empty()) continue;
    const size_t equals = item.find('=');
    if (equals == std::string_view::npos) return refuse("a field without '='");
    auto* field = fields.find(item.substr(0, equals));
    if (field == nullptr) continue;
    if (field->has_value()) return refuse("a field given twice");
    *field = item.substr(equals + 1);
  }
  return fields;
}

// HMAC-SHA256, made once for each thread: to look it up takes OpenSSL 3.0 three times as long as to
// compute it. Between uses it holds no key.
class Hmac {
 public:
  Hmac() {
    EVP_MAC* const found = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
    context_ = EVP_MAC_CTX_new(found);
    EVP_MAC_free(found);
    char digest[] = "SHA256";
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_END};
    usable_ =
        context_ != nullptr && EVP_MAC_init(context_, kNoBytes, sizeof(kNoBytes), parameters) == 1;
  }
  ~Hmac() { EVP_MAC_CTX_free(context_); }
  Hmac(const Hmac&) = delete;
  Hmac& operator=(const Hmac&) = delete;

  // Of the parts one after the other. Nothing if OpenSSL has no memory.
  std::optional<Signature> sign(ByteView key, std::initializer_list<std::string_view> parts) {
    if (!usable_ || EVP_MAC_init(context_, raw(key), key.size(), nullptr) != 1) return std::nullopt;
    Signature out{};
    size_t size = 0;
    bool good = true;
    for (const std::string_view part : parts) {
      good = good && EVP_MAC_update(context_, raw(part), part.size()) == 1;
    }
    good = good && EVP_MAC_final(context_, out.data(), &size, out.size()) == 1;
    usable_ = EVP_MAC_init(context_, kNoBytes, sizeof(kNoBytes), nullptr) == 1;
    if (!good || size != out.size()) return std::nullopt;
    return out;
  }

 private:
  static constexpr unsigned char kNoBytes[kSignatureSize] = {};
  static const unsigned char* raw(std::string_view bytes) {
    return reinterpret_cast<const unsigned char*>(bytes.data());
  }

  EVP_MAC_CTX* context_ = nullptr;
  bool usable_ = false;
};

// The HMAC of the signed text.
std::optional<Signature> sign(ByteView key, std::string_view sr, std::string_view se) {
  thread_local Hmac hmac;
  return hmac.sign(key, {sr, "\n", se});
}

// Whether the key that signs is the text of a key, or what the text decodes to.
enum class KeyForm : unsigned char { kDecoded, kText };

// What is computed with when there is no key: as long as the keys that the hub makes, so that it
// takes as long.
constexpr std::string_view kNoKey = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

bool signature_matches(const SasToken& token, std::string_view key_text, KeyForm form) {
  const bool given = !key_text.empty();
  const std::string_view text = given ? key_text : kNoKey;
  std::optional<Bytes> key = base64_decode(text);
  const bool usable = given && key.has_value() && !key->empty();
  if (!key || key->empty()) key.emplace(kSignatureSize, '\0');
  if (form == KeyForm::kText) {
    OPENSSL_cleanse(key->data(), key->size());
    key.emplace(text);
  }
  const auto expected = sign(*key, token.sr, token.se);
  OPENSSL_cleanse(key->data(), key->size());
  if (!expected || token.signature.size() != kSignatureSize) return false;
  const bool equal = CRYPTO_memcmp(expected->data(), token.signature.data(), kSignatureSize) == 0;
  return equal && usable;
}

SasKeyMatch key_match(const SasToken& token, std::string_view primary_key,
                      std::string_view secondary_key, KeyForm form) {
  const bool primary = signature_matches(token, primary_key, form);
  const bool secondary = signature_matches(token, secondary_key, form);
  if (primary) return SasKeyMatch::kPrimary;
  return secondary ? SasKeyMatch::kSecondary : SasKeyMatch::kNone;
}

void strip_scheme(std::string_view& audience) {
  for (const std::string_view scheme : {"https://", "http://", "amqps://", "amqp://", "sb://"}) {
    if (equal_ignoring_case(audience.substr(0, scheme.size()), scheme)) {
      audience.remove_prefix(scheme.size());
      return;
    }
  }
}

// Removes ":8883"; the ':' inside of an IPv6 address in brackets is never followed by digits only.
void strip_port(std::string_view& host) {
  const size_t colon = host.rfind(':');
  if (colon == std::string_view::npos || colon + 1 == host.size()) return;
  const std::string_view port = host.substr(colon + 1);
  if (std::ranges::all_of(port, [](char c) { return c >= '0' && c <= '9'; })) {
    host.remove_suffix(port.size() + 1);
  }
}

// Removes the scheme, the host and its port from the front; false unless it is one of the hosts.
bool take_host(std::string_view& audience, std::span<const std::string_view> hosts) {
  strip_scheme(audience);
  const size_t host_end = std::min(audience.find('/'), audience.size());
  std::string_view host = audience.substr(0, host_end);
  strip_port(host);
  audience.remove_prefix(host_end);
  const auto is_host = [&](std::string_view own) { return equal_ignoring_case(own, host); };
  return !host.empty() && std::ranges::any_of(hosts, is_host);
}

bool reading_covers(std::string_view audience, std::span<const std::string_view> hosts,
                    std::span<const std::string_view> resource, size_t named_at_least) {
  if (!take_host(audience, hosts)) return false;
  if (audience.ends_with('/')) audience.remove_suffix(1);
  size_t named = 0;
  while (!audience.empty()) {
    audience.remove_prefix(1);
    const size_t end = std::min(audience.find('/'), audience.size());
    if (named == resource.size()) return false;
    if (!equal_ignoring_case(audience.substr(0, end), resource[named])) return false;
    ++named;
    audience.remove_prefix(end);
  }
  return named >= named_at_least;
}

}  // namespace

Result<SasToken> parse_sas_token(std::string_view text) {
  if (text.size() > kSasTokenSizeMax) return refuse("too long");
  const size_t space = text.find_first_of(kWhiteSpace);
  if (space == std::string_view::npos || text.substr(0, space) != kPrefix) return refuse("prefix");
  const std::string_view rest = text.substr(space + 1);
  if (rest.empty() || rest.find_first_of(kWhiteSpace) != std::string_view::npos) {
    return refuse("not two parts");
  }
  const auto fields = split_fields(rest);
  if (!fields) return std::unexpected(fields.error());
  if (!fields->sr || fields->sr->empty()) return refuse("sr is missing");
  if (!fields->sig || fields->sig->empty()) return refuse("sig is missing");
  if (!fields->se || fields->se->empty()) return refuse("se is missing");

  const auto expiry = parse_expiry(*fields->se);
  if (!expiry) return refuse("se is not a time in seconds");
  const auto signature_text = percent_decoded_strictly(*fields->sig);
  if (!signature_text) return refuse("sig is not percent-encoded");
  auto signature = base64_decode(*signature_text);
  if (!signature || signature->size() != kSignatureSize) return refuse("sig is not a signature");
  auto policy = percent_decoded_strictly(fields->skn.value_or(""));
  if (!policy) return refuse("skn is not percent-encoded");

  return SasToken{.sr = std::string(*fields->sr),
                  .se = std::string(*fields->se),
                  .signature = *std::move(signature),
                  .policy = *std::move(policy),
                  .expiry = *expiry};
}

bool sas_token_expired(const SasToken& token, WallTime now) {
  return token.expiry + kSasClockSkew < now;
}

bool sas_signature_matches(const SasToken& token, std::string_view primary_key,
                           std::string_view secondary_key) {
  return sas_signature_match(token, primary_key, secondary_key) != SasKeyMatch::kNone;
}

SasKeyMatch sas_signature_match(const SasToken& token, std::string_view primary_key,
                                std::string_view secondary_key) {
  return key_match(token, primary_key, secondary_key, KeyForm::kDecoded);
}

SasKeyMatch sas_text_key_match(const SasToken& token, std::string_view primary_key,
                               std::string_view secondary_key) {
  return key_match(token, primary_key, secondary_key, KeyForm::kText);
}

bool audience_names_host(const SasToken& token, std::span<const std::string_view> hosts) {
  const std::string once = percent_decoded(token.sr);
  const std::string twice = percent_decoded(once);
  return std::ranges::any_of(std::array<std::string_view, 3>{token.sr, once, twice},
                             [&](std::string_view reading) { return take_host(reading, hosts); });
}

bool audience_covers(const SasToken& token, std::span<const std::string_view> hosts,
                     std::span<const std::string_view> resource, size_t named_at_least) {
  // An id may itself hold a '%', so each reading is tried in full instead of mixing them.
  if (reading_covers(token.sr, hosts, resource, named_at_least)) return true;
  const std::string once = percent_decoded(token.sr);
  if (reading_covers(once, hosts, resource, named_at_least)) return true;
  return reading_covers(percent_decoded(once), hosts, resource, named_at_least);
}

Result<std::string> make_sas_token(const SasTokenRequest& request) {
  auto key = base64_decode(request.key);
  if (!key || key->empty()) return fail(ErrorCode::kArgumentInvalid, "the key is not base64");
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(request.expiry.time_since_epoch()).count();
  const std::string sr = percent_encoded(request.audience);
  const std::string se = fmt::format("{}", std::max<int64_t>(seconds, 0));
  const auto signature = sign(*key, sr, se);
  OPENSSL_cleanse(key->data(), key->size());
  if (!signature) return fail(ErrorCode::kServerError, "HMAC-SHA256 is not available");

  const ByteView raw(reinterpret_cast<const char*>(signature->data()), signature->size());
  std::string out =
      fmt::format("{} sr={}&sig={}&se={}", kPrefix, sr, percent_encoded(base64_encode(raw)), se);
  if (!request.policy.empty()) out += "&skn=" + percent_encoded(request.policy);
  return out;
}

}  // namespace linarite::wire
