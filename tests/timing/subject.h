// A hub with devices, credentials that it must refuse, and the functions that judge them.
#pragma once

#include <prometheus/registry.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/logging.h"
#include "base/manual_loop.h"
#include "hub/hub.h"
#include "store/memory/memory_store.h"
#include "timing/measurement.h"

namespace linarite::timing {

class Subject {
 public:
  Subject();

  // Tokens with a signature of random bytes. For devices that the hub has, or for such as it has
  // not; with a device's own key, or by a policy.
  enum class Who : uint8_t { kKnown, kUnknown };
  Maker device_tokens(Who who, std::string policy = {});
  Maker policy_tokens(std::string policy);
  // Tokens of known devices, or of a policy, whose signature is right but for its first or its last
  // byte.
  enum class Where : uint8_t { kFirst, kLast };
  Maker almost_right_device_tokens(Where where);
  Maker almost_right_policy_tokens(const std::string& policy, Where where);
  // Keys of a policy: as long as the right one and wrong all over, or right but for one character.
  Maker raw_keys(std::string policy);
  Maker almost_right_raw_keys(const std::string& policy, Where where);

  Check device();
  Check policy();
  Check raw_key();
  // What the hub would be with memcmp() for signatures: for the control. Of tokens that were made
  // by almost_right_device_tokens().
  Check early_exit();

 private:
  // What a token is made of.
  struct Parts {
    std::string sr;  // Encoded.
    std::string se;
    std::string policy;
    Bytes signature;
  };
  Parts signed_parts(const std::string& audience, const std::string& key, std::string policy) const;
  static std::string token(const Parts& parts, const Bytes& signature);
  static Bytes spoilt(Bytes right, Where where, Random& random);

  hub::HubOptions options_;
  ManualClock clock_{WallTime(std::chrono::days(20'000))};
  ManualLoop loop_{clock_};
  store::MemoryStore store_{4};
  SeededRandom random_{1};
  SeededRandom vault_random_{2};
  hub::KeyVault vault_ = hub::KeyVault::make(vault_random_);
  Logger log_ = Logger::none();
  prometheus::Registry metrics_;
  hub::Hub hub_{options_, hub::Hub::Parts{.store = store_,
                                          .loops = {&loop_},
                                          .random = random_,
                                          .log = log_,
                                          .metrics = metrics_,
                                          .vault = vault_}};
  std::vector<Parts> known_;  // Of each device, signed with its key.
};

}  // namespace linarite::timing
