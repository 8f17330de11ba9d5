// Takes out of a damaged store what can be trusted, into a new one beside it
// (docs/decisions/0011-salvage.md). The damaged store is only read.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "base/logging.h"
#include "base/random.h"
#include "base/time.h"
#include "hub/key_vault.h"
#include "store/embedded/closed_store.h"

namespace linarite::server {

struct SalvageReport {
  // False: a newer version of any record may be lost. Then identities are kept disabled, policies
  // have new keys, and queued messages, feedback and sessions are left out.
  bool records_certain = true;
  uint64_t identities = 0;
  uint64_t identities_disabled_now = 0;
  uint64_t keys_renewed = 0;  // Identities and policies whose keys could not be opened.
  uint64_t messages = 0;
  uint64_t policies = 0;
  uint64_t events = 0;
  // One line for each thing that is lost, left out or changed, with partition, device and numbers.
  std::vector<std::string> losses;
};

// Events that come after a part of the log that may be lost get numbers that are greater by this
// than all that are known, and offsets by kOffsetJump: neither is ever used for other content.
inline constexpr uint64_t kSequenceJump = uint64_t{1} << 40U;
inline constexpr uint64_t kOffsetJump = uint64_t{1} << 50U;

// Makes a store at `to`, which must not exist; its parent directory must. On an error what was
// begun there is left behind, without the file that would let a server open it. Devices whose keys
// the vault can't open get new ones and are disabled; such policies get new keys.
Result<SalvageReport> salvage(store::ClosedStore& from, const std::string& to, WallTime now,
                              Random& random, const hub::KeyVault& vault, Logger& logger);

}  // namespace linarite::server
