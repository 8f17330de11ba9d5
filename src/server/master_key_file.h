// The file of master keys: what opens the keys in the store (hub/key_vault.h). It lies in the data
// directory, or where the configuration says: a credential of systemd, a mounted secret.
#pragma once

#include <filesystem>

#include "base/error.h"
#include "base/random.h"
#include "hub/key_vault.h"

namespace linarite::server {

// In the data directory, unless store.master_key_file names another.
inline constexpr const char* kMasterKeyFileName = "master.key";

// Reads it. kMasterKeyUnusable in one sentence that names the file and what to do: it is missing;
// its mode lets others than its owner read it; it is damaged.
//
// The mode may let a group read it only if the file belongs to another user than this process's: so
// come systemd's credentials and the secrets of containers, and there is no other way to read them.
Result<hub::KeyVault> read_master_keys(const std::filesystem::path& file, Random& random);

// Makes a file with a new hub id and a new key, durably, mode 0600; its directory must exist.
Result<hub::KeyVault> make_master_keys(const std::filesystem::path& file, Random& random);

// Replaces the file (mode 0600): after a crash it holds these or the old ones.
Status write_master_keys(const std::filesystem::path& file, const hub::KeyVault& vault);

}  // namespace linarite::server
