// What the keys of a whole store are sealed with, and how they are sealed again: because an older
// program wrote them plain, or because there is a new master key.
//
// The record of the keyring says which master key all records are sealed with. While that changes
// it says so, from before the first changed record until the store's files hold none of the old
// ones any more. A crash on the way is found at the next opening, and the rest is done then.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/loop.h"
#include "hub/key_vault.h"
#include "hub/records.h"
#include "store/store.h"

namespace linarite::hub {

// Nothing: the store holds nothing that is sealed. On the loop of partition 0, or before there are
// loops.
Result<std::optional<Keyring>> read_keyring(store::Store& store);

// Whether the vault is the one for this store: kMasterKeyUnusable if it is that of another hub, or
// has not got the key.
Status check_keyring(const std::optional<Keyring>& keyring, const KeyVault& vault);

// The same store's keyring once everything is sealed with the vault's current key.
Keyring keyring_of(const KeyVault& vault, bool complete);

struct SealedAgain {
  uint64_t records = 0;  // Those that were not sealed with the current key.
  // False: the disk had no room to rewrite the store's files, so the old forms may still lie there.
  bool forgotten = true;
};

// Seals all keys of the store with the vault's current key, in batches of kSealBatchBytes, rewrites
// the store's files, and notes in the keyring that it is done. Each partition is read and written
// on its loop (`loops`, by partition), where nothing else may be going on. `done` comes on the loop
// of partition 0. What was durable stays so if it fails; it may be called again.
inline constexpr size_t kSealBatchBytes = size_t{256} << 10U;
void seal_again(store::Store& store, std::vector<Loop*> loops, const KeyVault& vault,
                std::move_only_function<void(Result<SealedAgain>)> done);

}  // namespace linarite::hub
