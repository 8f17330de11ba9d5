#include "hub/keyring.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hub/hub_fixture.h"
#include "hub/plain_records.h"

namespace linarite::hub {
namespace {

using ::testing::HasSubstr;

constexpr uint32_t kPartitions = 2;
constexpr size_t kDevices = 3000;  // Several batches of each partition.

// A store as an older program left it, and then this one.
class KeyringTest : public ::testing::Test {
 protected:
  KeyringTest() { attach(); }

  void attach() {
    for (store::PartitionId p = 0; p < kPartitions; ++p) store_.attach(p, loop_);
  }
  void put(store::PartitionId partition, const Bytes& key, const Bytes& value) {
    store::Batch batch;
    batch.put(key, value);
    store_.commit(partition, std::move(batch), [](const Status&) {});
    loop_.run_until_idle();
  }
  static Identity device(size_t number) {
    return {.device_id = "d" + std::to_string(number),
            .generation_id = std::to_string(number),
            .primary_key = "primary key " + std::to_string(number),
            .secondary_key = "secondary key"};
  }
  void fill_plain(size_t devices = kDevices) {
    for (size_t i = 0; i < devices; ++i) {
      put(i % kPartitions, record_key(kDeviceKey, device(i).device_id), plain_identity(device(i)));
    }
    put(0, record_key(kPolicyKey, "service"), plain_policy({"service", 3, "primary key", "key 2"}));
  }
  Result<SealedAgain> seal(const KeyVault& vault) {
    std::optional<Result<SealedAgain>> done;
    start(vault, [&](Result<SealedAgain> result) { done = std::move(result); });
    loop_.run_until_idle();
    return done.value_or(fail(ErrorCode::kServerError, "no answer"));
  }
  void start(const KeyVault& vault, std::move_only_function<void(Result<SealedAgain>)> done) {
    seal_again(store_, std::vector<Loop*>(kPartitions, &loop_), vault, std::move(done));
  }
  // Whether each record opens with the vault, and is sealed with its current key if that is asked.
  void expect_all(const KeyVault& vault, bool sealed, size_t devices = kDevices) {
    size_t found = 0;
    for (store::PartitionId p = 0; p < kPartitions; ++p) {
      ASSERT_TRUE(store_.scan(p, {}, {}, [&](std::string_view key, std::string_view value) {
        if (sealed) {
          EXPECT_EQ(value.find("primary key"), std::string_view::npos);
        }
        if (key.front() == kDeviceKey) {
          const auto identity = decode_identity(value, vault);
          EXPECT_TRUE(identity);
          if (identity) {
            EXPECT_EQ(*identity, device(std::stoul(identity->generation_id)));
          }
          if (sealed) {
            EXPECT_EQ(*sealed_again(kDeviceKey, value, vault), std::nullopt);
          }
          ++found;
        } else if (key.front() == kPolicyKey) {
          EXPECT_EQ(decode_policy(value, vault)->primary_key, "primary key");
          if (sealed) {
            EXPECT_EQ(*sealed_again(kPolicyKey, value, vault), std::nullopt);
          }
        }
        return true;
      }));
    }
    EXPECT_EQ(found, devices);
  }

  ManualClock clock_{WallTime{}};
  ManualLoop loop_{clock_};
  store::MemoryStore store_{kPartitions};
  SeededRandom random_{1};
  const KeyVault vault_ = KeyVault::make(random_);
};

TEST_F(KeyringTest, SealsWhatIsPlainAndThenNothingMore) {
  fill_plain();
  EXPECT_EQ(*read_keyring(store_), std::nullopt);
  const auto sealed = seal(vault_);
  ASSERT_TRUE(sealed);
  EXPECT_EQ(sealed->records, kDevices + 1);
  EXPECT_EQ(*read_keyring(store_), keyring_of(vault_, true));
  expect_all(vault_, /*sealed=*/true);
  EXPECT_EQ(seal(vault_)->records, 0U);
}

TEST_F(KeyringTest, TheBatchesAreBounded) {
  fill_plain();
  store_.hold_commits(true);
  size_t steps = 0;
  start(vault_, [](const Result<SealedAgain>&) {});
  for (; loop_.run_until_idle() > 0 || store_.held_count() > 0; ++steps) {
    EXPECT_LE(store_.held_count(), 1U);
    store_.flush();
  }
  // The keyring twice, and about 150 bytes a record.
  EXPECT_GE(steps, 2 + kDevices * 140 / kSealBatchBytes);
}

// Crashes after each step, and after each it is opened as it is and gone on with.
TEST_F(KeyringTest, ACrashAtAnyStepLosesNothing) {
  fill_plain();
  ASSERT_TRUE(seal(vault_));
  KeyVault vault = vault_.with_new_key();
  bool complete = false;
  for (size_t steps = 1; !complete; ++steps) {
    start(vault, [&](const Result<SealedAgain>& result) { complete = result.has_value(); });
    for (size_t i = 0; i < steps && loop_.run_one(); ++i) {
    }
    loop_.drop_all();
    store_.crash(nullptr);
    attach();
    expect_all(vault, /*sealed=*/false);
    const auto keyring = read_keyring(store_);
    ASSERT_TRUE(keyring && *keyring);
    // Only what says that it is complete may be opened with the new key alone.
    if (**keyring == keyring_of(vault, true)) {
      expect_all(vault.with_current_key_only(), /*sealed=*/true);
    }
  }
  expect_all(vault.with_current_key_only(), /*sealed=*/true);
}

TEST_F(KeyringTest, AFailingDiskIsToldAndTheKeyringStaysIncomplete) {
  fill_plain(10);
  store_.fail_next_sync({ErrorCode::kIoError, "no"});
  EXPECT_FALSE(seal(vault_));
  store_.crash(nullptr);
  attach();
  expect_all(vault_, /*sealed=*/false, 10);
  EXPECT_EQ(seal(vault_)->records, 11U);
}

TEST_F(KeyringTest, RecordsThatDoNotOpenEndIt) {
  fill_plain(10);
  ASSERT_TRUE(seal(vault_));
  EXPECT_EQ(seal(KeyVault::make(random_)).error().code, ErrorCode::kMasterKeyUnusable);
  put(0, record_key(kDeviceKey, "d0"), "\7");
  EXPECT_EQ(seal(vault_.with_new_key()).error().code, ErrorCode::kStoreCorrupt);
}

TEST_F(KeyringTest, AnotherHubsVaultAndAnOlderOneAreNamed) {
  EXPECT_TRUE(check_keyring(std::nullopt, vault_));
  EXPECT_TRUE(check_keyring(keyring_of(vault_, false), vault_.with_new_key()));
  const Status other = check_keyring(keyring_of(vault_, true), KeyVault::make(random_));
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, ErrorCode::kMasterKeyUnusable);
  EXPECT_THAT(other.error().message, HasSubstr("another hub"));
  const KeyVault newer = vault_.with_new_key();
  const Status older = check_keyring(keyring_of(newer, true), vault_);
  ASSERT_FALSE(older);
  EXPECT_THAT(older.error().message, HasSubstr(master_key_name(newer.current_key())));
}

// The same through the hub.
class SealedHubTest : public HubFixture {
 protected:
  Status open_with(const KeyVault& vault) {
    stop();
    registry_ = std::make_unique<prometheus::Registry>();
    hub_ = std::make_unique<Hub>(options_, Hub::Parts{.store = store_,
                                                      .loops = {&loop_},
                                                      .random = random_,
                                                      .log = log_,
                                                      .metrics = *registry_,
                                                      .vault = vault});
    return wait<Status>([&](auto reply) { hub_->open(std::move(reply)); });
  }
  void make_plain(const Identity& identity) {
    for (uint32_t p = 0; p < hub_->partition_count(); ++p) {
      store::Batch batch;
      if (&hub_->partition(p) == &partition(identity.device_id)) {
        batch.put(record_key(kDeviceKey, identity.device_id), plain_identity(identity));
      }
      if (p == 0) batch.erase(Bytes(1, kKeyringKey));
      if (!batch.empty()) store_.commit(p, std::move(batch), [](const Status&) {});
    }
    run();
  }
  // Over all records of the store.
  bool stored(std::string_view text) {
    bool found = false;
    for (uint32_t p = 0; p < store_.partition_count(); ++p) {
      EXPECT_TRUE(store_.scan(p, {}, {}, [&](std::string_view, std::string_view value) {
        found = found || value.find(text) != std::string_view::npos;
        return true;
      }));
    }
    return found;
  }
};

TEST_F(SealedHubTest, NoKeyIsStoredPlainAndAllAreThereAfterARestart) {
  const Identity device = create("d1")->identity;
  const auto renewed = wait<Result<Policy>>([&](auto reply) {
    hub_->renew_policy_key("service", Hub::WhichKey::kPrimary, std::move(reply));
  });
  for (const std::string& key : {device.primary_key, device.secondary_key, renewed->primary_key,
                                 hub_->policies()->find("device")->secondary_key}) {
    EXPECT_FALSE(stored(key)) << key;
  }
  restart();
  EXPECT_EQ(get("d1")->identity, device);
  EXPECT_EQ(hub_->policies()->find("service")->primary_key, renewed->primary_key);
  EXPECT_EQ(*read_keyring(store_), keyring_of(vault_, true));
}

TEST_F(SealedHubTest, AnOldStoreIsSealedWhenItIsOpened) {
  const Identity device = create("d1")->identity;
  make_plain(device);
  ASSERT_TRUE(stored(device.primary_key));
  restart();
  EXPECT_FALSE(stored(device.primary_key));
  EXPECT_EQ(get("d1")->identity, device);
  EXPECT_EQ(*read_keyring(store_), keyring_of(vault_, true));
}

TEST_F(SealedHubTest, ADeviceWhoseKeysDoNotOpenIsToldAndTheOthersGoOn) {
  const auto broken = create("d1");
  const auto whole = create("d2");
  stop();
  store::Batch batch;
  for (store::PartitionId partition = 0; partition < store_.partition_count(); ++partition) {
    const auto record = store_.get(partition, record_key(kDeviceKey, "d1"));
    if (!*record) continue;
    Bytes value = **record;
    const std::string_view sealed = identity_fields(value)->keys.sealed;
    value[static_cast<size_t>(sealed.data() - value.data()) + sealed.size() - 1] ^= 1;
    batch.put(record_key(kDeviceKey, "d1"), value);
    store_.attach(partition, loop_);
    store_.commit(partition, std::move(batch), [](const Status& status) { EXPECT_TRUE(status); });
    break;
  }
  run();
  restart();
  EXPECT_EQ(code(get("d1")), static_cast<int>(ErrorCode::kStoreCorrupt));
  EXPECT_EQ(code(partition("d1").authenticate_device("d1", device_token(*broken))),
            static_cast<int>(ErrorCode::kStoreCorrupt));
  EXPECT_EQ(code(partition("d2").authenticate_device("d2", device_token(*whole))), 0);
  EXPECT_TRUE(remove("d1"));
  EXPECT_TRUE(create("d1"));
}

TEST_F(SealedHubTest, ANewMasterKeyIsTakenUpWhenItIsOpened) {
  const Identity device = create("d1")->identity;
  const KeyVault next = vault_.with_new_key();
  ASSERT_TRUE(open_with(next));
  const KeyVault only = next.with_current_key_only();
  ASSERT_TRUE(open_with(only));
  EXPECT_EQ(get("d1")->identity, device);
  EXPECT_EQ(code(open_with(vault_)), static_cast<int>(ErrorCode::kMasterKeyUnusable));
  EXPECT_EQ(code(open_with(KeyVault::make(random_))),
            static_cast<int>(ErrorCode::kMasterKeyUnusable));
}

}  // namespace
}  // namespace linarite::hub
