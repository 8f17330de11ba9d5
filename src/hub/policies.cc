#include "hub/policies.h"

#include <functional>

#include "base/base64.h"

namespace linarite::hub {

const Policy* PolicySet::find(std::string_view name) const {
  // All are looked at, wherever the one that fits is: the time does not tell which names there are.
  const Policy* found = nullptr;
  for (const Policy& policy : policies_) {
    if (policy.name == name) found = &policy;
  }
  return found;
}

std::string generate_key(Random& random) { return base64_encode(random.bytes(kGeneratedKeySize)); }

std::vector<Policy> default_policies(Random& random) {
  const std::pair<const char*, Rights> rules[] = {
      {"iothubowner", (Right::kRegistryRead | Right::kRegistryWrite) |
                          (Right::kServiceConnect | Right::kDeviceConnect)},
      {"service", static_cast<Rights>(Right::kServiceConnect)},
      {"device", static_cast<Rights>(Right::kDeviceConnect)},
      {"registryRead", static_cast<Rights>(Right::kRegistryRead)},
      {"registryReadWrite", Right::kRegistryRead | Right::kRegistryWrite},
  };
  std::vector<Policy> policies;
  for (const auto& [name, rights] : rules) {
    policies.push_back({name, rights, generate_key(random), generate_key(random)});
  }
  return policies;
}

uint64_t key_fingerprint(std::string_view key) {
  // It never leaves the process and is only compared with others made by it.
  return std::hash<std::string_view>{}(key);
}

}  // namespace linarite::hub
