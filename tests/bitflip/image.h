// A store of known content: what a hub wrote into it, made from a seed.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "hub/identity.h"
#include "store/store.h"

namespace linarite::bitflip {

inline constexpr uint32_t kPartitions = 4;

// What lies in the store, as it is, and what was in it before.
struct Content {
  using Records = std::map<Bytes, Bytes>;
  std::vector<Records> records{kPartitions};
  std::vector<Records> log{kPartitions};
  bool operator==(const Content&) const = default;
};

struct Image {
  std::string path;  // The store's directory.
  Content content;
  // Every version of each identity that there ever was, by device.
  std::map<std::string, std::vector<hub::Identity>> identities;
  std::set<std::string> policy_keys;  // All that ever were.
  Bytes master_keys;                  // hub::KeyVault::text()
  // Of each partition: the next event number and offset, and the greatest message number in use.
  std::vector<uint64_t> next_event = std::vector<uint64_t>(kPartitions);
  std::vector<uint64_t> next_offset = std::vector<uint64_t>(kPartitions);
  std::vector<uint64_t> last_message = std::vector<uint64_t>(kPartitions);
};

// Writes a store below `folder` and keeps two images of it: one with the end of its log not yet in
// tables, as a power cut leaves it, and one that was closed.
std::vector<Image> make_images(const std::string& folder, uint64_t seed);

}  // namespace linarite::bitflip
