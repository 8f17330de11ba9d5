// A device identity as it is kept in memory: its record of the store, with the keys sealed. It
// takes half of what the fields would take as strings, and whoever reads the memory has no keys.
#pragma once

#include <string_view>

#include "base/bytes.h"
#include "base/error.h"
#include "hub/identity.h"
#include "hub/key_vault.h"
#include "hub/records.h"

namespace linarite::hub {

class StoredIdentity {
 public:
  StoredIdentity() = default;  // Of no device.
  // The keys that were given are overwritten.
  StoredIdentity(Identity identity, const KeyVault& vault);
  // kStoreCorrupt; kMasterKeyUnusable: the vault lacks the key that it is sealed with. That the
  // keys open is seen when they are needed. Keys that are not sealed (version 1) are sealed here.
  static Result<StoredIdentity> read(ByteView record, const KeyVault& vault);

  bool empty() const { return record_.empty(); }
  // Good until the object changes.
  const Bytes& record() const { return record_; }
  std::string_view device_id() const { return fields().device_id; }
  bool disabled() const {
    return !record_.empty() && identity_status(record_) == DeviceStatus::kDisabled;
  }
  // All empty for no device.
  IdentityFields fields() const;

  // What the vault can't open is kStoreCorrupt.
  Result<KeyPair> keys(const KeyVault& vault) const { return open_keys(fields(), vault); }
  Result<Identity> open(const KeyVault& vault) const { return to_identity(fields(), vault); }

 private:
  explicit StoredIdentity(Bytes record) : record_(std::move(record)) {}
  Bytes record_;
};

}  // namespace linarite::hub
