#include "hub/stored_identity.h"

#include <fmt/format.h>

#include "base/check.h"
#include "hub/secret_memory.h"

namespace linarite::hub {

StoredIdentity::StoredIdentity(Identity identity, const KeyVault& vault)
    : record_(encode_identity(identity, vault)) {
  wipe(identity.primary_key);
  wipe(identity.secondary_key);
}

Result<StoredIdentity> StoredIdentity::read(ByteView record, const KeyVault& vault) {
  const auto fields = identity_fields(record);
  if (!fields) return std::unexpected(fields.error());
  if (!fields->keys.primary.empty() || !fields->keys.secondary.empty()) {
    auto plain = to_identity(*fields, vault);  // Of an older store, which will be sealed as well.
    if (!plain) return std::unexpected(plain.error());
    return StoredIdentity(*std::move(plain), vault);
  }
  const auto key = sealing_key(fields->keys.sealed);
  if (!fields->keys.sealed.empty() && !key) {
    return fail(ErrorCode::kStoreCorrupt, "an identity's keys can't be read");
  }
  if (key && !vault.has_key(*key)) {
    return fail(ErrorCode::kMasterKeyUnusable,
                fmt::format("the keys of {} are sealed with {}, which is not there",
                            fields->device_id, master_key_name(*key)));
  }
  return StoredIdentity(Bytes(record));
}

IdentityFields StoredIdentity::fields() const {
  if (record_.empty()) return {};
  const auto fields = identity_fields(record_);
  CHECK(fields);  // It was read or written here.
  return *fields;
}

}  // namespace linarite::hub
