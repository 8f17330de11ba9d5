#include "timing/subject.h"

#include <fmt/core.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <utility>

#include "base/base64.h"
#include "base/check.h"
#include "wire/sas_token.h"

namespace linarite::timing {
namespace {

// That the hub has, and as many that it has not: few enough to stay in the cache. Of many, those
// that stand in for unknown ones are looked at twice as often as others, and are so found sooner.
constexpr size_t kDevices = 100;
constexpr std::chrono::hours kLife{1};
constexpr const char* kHost = "127.0.0.1";
constexpr size_t kSignatureSize = 32;

// All of one length.
std::string known_id(size_t number) { return fmt::format("device-known-{:06}", number); }
std::string unknown_id(size_t number) { return fmt::format("device-other-{:06}", number); }

}  // namespace

Subject::Subject() {
  hub_.open({loop_, [](const Status& status) { CHECK(status); }});
  loop_.run_until_idle();
  for (size_t i = 0; i < kDevices; ++i) {
    const std::string id = known_id(i);
    std::string key;
    hub_.create_device({.device_id = id}, {loop_, [&](const Result<hub::DeviceView>& made) {
                                             key = made.value().identity.primary_key;
                                           }});
    loop_.run_until_idle();
    known_.push_back(signed_parts(fmt::format("{}/devices/{}", kHost, id), key, {}));
  }
}

Subject::Parts Subject::signed_parts(const std::string& audience, const std::string& key,
                                     std::string policy) const {
  const auto made = wire::make_sas_token(
      {.audience = audience, .key = key, .policy = policy, .expiry = clock_.wall() + kLife});
  auto parsed = wire::parse_sas_token(made.value());
  return {.sr = parsed->sr,
          .se = parsed->se,
          .policy = std::move(policy),
          .signature = std::move(parsed->signature)};
}

// Of one length whatever the signature is: '+', '/' and '=' would be one character here and three
// in a token, but '%' may stand for any byte.
std::string Subject::token(const Parts& parts, const Bytes& signature) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out = "SharedAccessSignature sr=" + parts.sr + "&sig=";
  for (const char c : base64_encode(signature)) {
    const auto byte = static_cast<unsigned char>(c);
    out += {'%', kDigits[byte >> 4U], kDigits[byte & 0x0FU]};
  }
  out += "&se=" + parts.se;
  if (!parts.policy.empty()) out += "&skn=" + parts.policy;
  return out;
}

Bytes Subject::spoilt(Bytes right, Where where, Random& random) {
  char& byte = where == Where::kFirst ? right.front() : right.back();
  byte = static_cast<char>(byte ^ static_cast<char>(1 + random.below(255)));
  return right;
}

Maker Subject::device_tokens(Who who, std::string policy) {
  return [who, policy = std::move(policy), se = known_.front().se](Random& random) {
    const size_t number = random.below(kDevices);
    std::string id = who == Who::kKnown ? known_id(number) : unknown_id(number);
    const Parts parts{.sr = fmt::format("{}%2Fdevices%2F{}", kHost, id),
                      .se = se,
                      .policy = policy,
                      .signature = {}};
    std::string made = token(parts, random.bytes(kSignatureSize));
    return Credential{std::move(id), std::move(made)};
  };
}

Maker Subject::policy_tokens(std::string policy) {
  return [policy = std::move(policy), se = known_.front().se](Random& random) {
    const Parts parts{.sr = kHost, .se = se, .policy = policy, .signature = {}};
    return Credential{policy, token(parts, random.bytes(kSignatureSize))};
  };
}

Maker Subject::almost_right_device_tokens(Where where) {
  return [this, where](Random& random) {
    const size_t number = random.below(kDevices);
    const Parts& parts = known_[number];
    return Credential{known_id(number), token(parts, spoilt(parts.signature, where, random))};
  };
}

Maker Subject::almost_right_policy_tokens(const std::string& policy, Where where) {
  const std::string key = hub_.policies()->find(policy)->primary_key;
  // Many signatures: of one that is always the same the predictor would know all but the wrong
  // byte.
  std::vector<Parts> all;
  for (size_t i = 0; i < kDevices; ++i) {
    all.push_back(signed_parts(fmt::format("{}/{:03}", kHost, i), key, policy));
  }
  return [where, all = std::move(all)](Random& random) {
    const Parts& parts = all[random.below(all.size())];
    return Credential{parts.policy, token(parts, spoilt(parts.signature, where, random))};
  };
}

Maker Subject::raw_keys(std::string policy) {
  return [policy = std::move(policy)](Random& random) {
    return Credential{policy, hub::generate_key(random)};
  };
}

// Another of the characters of a key; at its end stands a '='.
Maker Subject::almost_right_raw_keys(const std::string& policy, Where where) {
  const std::string key = hub_.policies()->find(policy)->primary_key;
  const size_t at = where == Where::kFirst ? 0 : key.size() - 2;
  return [policy, key, at](Random& random) {
    std::string wrong = key;
    while (wrong[at] == key[at]) wrong[at] = static_cast<char>('A' + random.below(26));
    return Credential{policy, wrong};
  };
}

Check Subject::device() {
  return [this](std::string_view device_id, std::string_view secret) {
    return hub_.partition_of(device_id).authenticate_device(device_id, secret).has_value();
  };
}

Check Subject::policy() {
  return [this](std::string_view, std::string_view secret) {
    return hub_.authenticate_policy(secret).has_value();
  };
}

Check Subject::raw_key() {
  return [this](std::string_view name, std::string_view key) {
    return hub_.policy_has_key(name, key);
  };
}

Check Subject::early_exit() {
  return [this](std::string_view device_id, std::string_view secret) {
    const auto parsed = wire::parse_sas_token(secret);
    const auto device = hub_.partition_of(device_id).get_device(device_id);
    const auto key = base64_decode(device->identity.primary_key);
    const std::string text = parsed->sr + '\n' + parsed->se;
    std::array<unsigned char, EVP_MAX_MD_SIZE> expected{};
    unsigned size = 0;
    HMAC(EVP_sha256(), key->data(), static_cast<int>(key->size()),
         reinterpret_cast<const unsigned char*>(text.data()), text.size(), expected.data(), &size);
    for (size_t i = 0; i < size; ++i) {
      if (expected[i] != static_cast<unsigned char>(parsed->signature[i])) return false;
    }
    return true;
  };
}

}  // namespace linarite::timing
