// Shared access policies: names, rights and two keys each (service-protocol 1.2).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "hub/permission.h"

namespace linarite::hub {

inline constexpr size_t kPolicyCountMax = 16;
inline constexpr size_t kGeneratedKeySize = 32;  // Bytes, before base64.

struct Policy {
  std::string name;
  Rights rights = 0;
  std::string primary_key;    // Base64.
  std::string secondary_key;  // Base64.
};

// An immutable set; replaced as a whole when a policy changes, so any thread may hold one.
class PolicySet {
 public:
  PolicySet() = default;
  explicit PolicySet(std::vector<Policy> policies) : policies_(std::move(policies)) {}

  const Policy* find(std::string_view name) const;  // Exact case.
  const std::vector<Policy>& all() const { return policies_; }

 private:
  std::vector<Policy> policies_;
};

// iothubowner, service, device, registryRead, registryReadWrite with new random keys.
std::vector<Policy> default_policies(Random& random);

std::string generate_key(Random& random);  // Base64 of kGeneratedKeySize random bytes.

// Names a key without telling it, to see later whether it is still the policy's.
uint64_t key_fingerprint(std::string_view key);

}  // namespace linarite::hub
