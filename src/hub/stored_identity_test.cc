#include "hub/stored_identity.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "hub/plain_records.h"

namespace linarite::hub {
namespace {

class StoredIdentityTest : public ::testing::Test {
 protected:
  static ErrorCode refusal(ByteView record, const KeyVault& vault) {
    const auto read = StoredIdentity::read(record, vault);
    return read ? ErrorCode{} : read.error().code;
  }

  SeededRandom random_{1};
  const KeyVault vault_ = KeyVault::make(random_);
  const Identity device_{.device_id = "d1",
                         .generation_id = "63",
                         .etag = "e",
                         .status = DeviceStatus::kDisabled,
                         .status_reason = "lost",
                         .primary_key = "cHJpbWFyeSBrZXkgb2YgZDE=",
                         .secondary_key = "c2Vjb25kYXJ5IGtleQ==",
                         .device_scope = "scope"};
};

TEST_F(StoredIdentityTest, NobodyHasEmptyFields) {
  const StoredIdentity nobody;
  EXPECT_TRUE(nobody.empty());
  EXPECT_EQ(nobody.device_id(), "");
  EXPECT_EQ(nobody.fields().generation_id, "");
}

TEST_F(StoredIdentityTest, FieldsAreReadWhereTheyLie) {
  const StoredIdentity stored(device_, vault_);
  EXPECT_EQ(stored.device_id(), "d1");
  EXPECT_EQ(stored.fields().generation_id, "63");
  EXPECT_EQ(stored.fields().etag, "e");
  EXPECT_EQ(stored.fields().status, DeviceStatus::kDisabled);
  EXPECT_EQ(stored.fields().status_reason, "lost");
  EXPECT_EQ(stored.fields().device_scope, "scope");
  EXPECT_EQ(stored.keys(vault_)->primary, device_.primary_key);
  EXPECT_EQ(stored.keys(vault_)->secondary, device_.secondary_key);
  EXPECT_EQ(*stored.open(vault_), device_);
}

TEST_F(StoredIdentityTest, WhatIsReadIsWhatWasStored) {
  const Bytes record = encode_identity(device_, vault_);
  const auto stored = StoredIdentity::read(record, vault_);
  ASSERT_TRUE(stored);
  EXPECT_EQ(stored->record(), record);
  EXPECT_EQ(*stored->open(vault_), device_);
}

TEST_F(StoredIdentityTest, KeysOfAnOlderStoreAreSealedInMemory) {
  const Bytes plain = plain_identity(device_);
  ASSERT_NE(plain.find(device_.primary_key), Bytes::npos);
  const auto stored = StoredIdentity::read(plain, vault_);
  ASSERT_TRUE(stored);
  EXPECT_EQ(stored->record().find(device_.primary_key), Bytes::npos);
  EXPECT_EQ(*stored->open(vault_), device_);
}

TEST_F(StoredIdentityTest, WhatCannotBeReadIsRefusedAndWhatCannotBeOpenedTold) {
  Bytes record = encode_identity(device_, vault_);
  EXPECT_EQ(refusal(ByteView(record).substr(1), vault_), ErrorCode::kStoreCorrupt);
  EXPECT_EQ(refusal(record, KeyVault::make(random_)), ErrorCode::kMasterKeyUnusable);
  const auto sealed = identity_fields(record)->keys.sealed;
  const size_t last = static_cast<size_t>(sealed.data() - record.data()) + sealed.size() - 1;
  record[last] ^= 1;
  const auto stored = StoredIdentity::read(record, vault_);
  ASSERT_TRUE(stored);
  EXPECT_EQ(stored->keys(vault_).error().code, ErrorCode::kStoreCorrupt);
  EXPECT_EQ(stored->open(vault_).error().code, ErrorCode::kStoreCorrupt);
}

}  // namespace
}  // namespace linarite::hub
