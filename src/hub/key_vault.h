// Seals the keys of devices and policies with a master key, so that neither the store nor a backup
// of it gives them away (docs/decisions/0012-key-envelope.md).
//
// A sealed value is AES-256-GCM (NIST SP 800-38D) with a random nonce of 96 bits. What it belongs
// to goes into the additional data: it opens in its own place of its own hub only. It names its
// master key, so that several may be in use while one replaces another.
//
// Form: version 1 (1 byte), id of the master key (8), nonce (12), ciphertext, tag (16). Additional
// data: version, id of the master key, then hub id, kind, name and generation, each with its length
// in 32 bits before it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "base/random.h"
#include "hub/secret_memory.h"

namespace linarite::hub {

inline constexpr size_t kMasterKeySize = 32;       // AES-256
inline constexpr size_t kMasterKeysMax = 8;        // The current one, and old ones.
inline constexpr size_t kMasterKeyTextMax = 2048;  // Of KeyVault::text().
inline constexpr size_t kHubIdSize = 16;
inline constexpr size_t kSealedPlainMax = 1024;  // What may be sealed.
inline constexpr size_t kSealedOverhead = 1 + 8 + 12 + 16;

// Names a master key without telling it: the first 8 bytes of a SHA-256 of it.
using MasterKeyId = uint64_t;

// What a sealed value belongs to. `generation` is empty where names are not used again.
struct SealedPlace {
  std::string_view kind;  // "device keys", "policy keys"
  std::string_view name;
  std::string_view generation;
};

// Any thread. It does not change.
class KeyVault {
 public:
  // A new hub id and one new master key. `random` makes the nonces too and must outlive the vault.
  static KeyVault make(Random& random);
  // Reads text(). kMasterKeyUnusable says what is wrong, and nothing of the content.
  static Result<KeyVault> parse(std::string_view text, Random& random);

  // All of it as text, for the file of master keys: this is the secret. A line each:
  //   linarite-master-keys 1
  //   hub HEX
  //   key ID BASE64      the current one first
  //   checksum HEX       SHA-256 of the lines before, the first 8 bytes
  Bytes text() const;

  // With a new current key, those of this one behind it: fewer than kMasterKeysMax.
  KeyVault with_new_key() const;
  KeyVault with_current_key_only() const;

  const Bytes& hub_id() const { return hub_id_; }
  size_t key_count() const { return keys_.size(); }
  MasterKeyId current_key() const { return keys_.front().id; }
  bool has_key(MasterKeyId id) const { return find(id) != nullptr; }

  // With the current key. `plain` has at most kSealedPlainMax bytes.
  Bytes seal(const SealedPlace& place, ByteView plain) const;
  // kMasterKeyUnusable: sealed with a key that the vault does not have. kStoreCorrupt: changed, of
  // another place, or no sealed value at all.
  Result<Bytes> open(const SealedPlace& place, ByteView sealed) const;

 private:
  struct MasterKey {
    MasterKeyId id;
    std::shared_ptr<const SecretMemory> secret;
  };
  static MasterKey master_key(ByteView secret);

  KeyVault(Bytes hub_id, std::vector<MasterKey> keys, Random& random)
      : hub_id_(std::move(hub_id)), keys_(std::move(keys)), random_(random) {}
  const MasterKey* find(MasterKeyId id) const;
  Bytes additional_data(const SealedPlace& place, MasterKeyId id) const;

  Bytes hub_id_;
  std::vector<MasterKey> keys_;  // The current one first.
  Random& random_;
};

// The master key that a sealed value names; nothing if it is none.
std::optional<MasterKeyId> sealing_key(ByteView sealed);

// "8a1f00c2d3e4f506", as an operator sees it.
std::string master_key_name(MasterKeyId id);

}  // namespace linarite::hub
