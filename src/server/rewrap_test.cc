// Master keys of a whole data directory: an old store is sealed when it is opened, a rewrap changes
// the key, and what lay in the files before is gone from them.
#include "server/rewrap.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/registry.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "base/base64.h"
#include "base/clock.h"
#include "base/manual_loop.h"
#include "hub/hub.h"
#include "hub/keyring.h"
#include "hub/plain_records.h"
#include "server/master_key_file.h"
#include "server/store_command.h"
#include "store/embedded/embedded_store.h"

namespace linarite::server {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class RewrapTest : public ::testing::Test {
 protected:
  RewrapTest() {
    char name[] = "/tmp/linarite_rewrap_XXXXXX";
    data_ = mkdtemp(name);
    file_ = data_ / kMasterKeyFileName;
  }
  ~RewrapTest() override { fs::remove_all(data_); }

  void with_store(const std::function<void(store::EmbeddedStore&, ManualLoop&)>& use) {
    ManualClock clock{WallTime(std::chrono::hours(480000))};
    ManualLoop loop(clock);
    auto store = store::EmbeddedStore::open(
        {.path = (data_ / "store").string(), .partition_count = 2}, clock, log_);
    ASSERT_TRUE(store) << store.error().message;
    use(**store, loop);
    EXPECT_TRUE((*store)->close());
  }
  // Opens a hub, which may make devices; the failure of its opening.
  Status with_hub(const hub::KeyVault& vault, int devices = 0) {
    Status opened;
    with_store([&](store::EmbeddedStore& store, ManualLoop& loop) {
      prometheus::Registry metrics;
      hub::Hub hub({}, {.store = store,
                        .loops = {&loop},
                        .random = random_,
                        .log = log_,
                        .metrics = metrics,
                        .vault = vault});
      std::optional<Status> done;
      hub.open({loop, [&](Status status) { done = std::move(status); }});
      loop.run_until([&] { return done.has_value(); });
      opened = *done;
      for (int i = 0; opened && i < devices; ++i) make_device(hub, loop, "d" + std::to_string(i));
      if (opened) note_policies(*hub.policies());
    });
    return opened;
  }
  void make_device(hub::Hub& hub, ManualLoop& loop, const std::string& id) {
    std::optional<Result<hub::DeviceView>> made;
    hub.create_device({.device_id = id},
                      {loop, [&](Result<hub::DeviceView> view) { made = std::move(view); }});
    loop.run_until([&] { return made.has_value(); });
    ASSERT_TRUE(*made);
    keys_.insert((*made)->identity.primary_key);
    keys_.insert((*made)->identity.secondary_key);
  }
  void note_policies(const hub::PolicySet& policies) {
    for (const hub::Policy& policy : policies.all()) {
      keys_.insert(policy.primary_key);
      keys_.insert(policy.secondary_key);
    }
  }
  // What an older program left: plain records, several versions of each, in tables and logs.
  void fill_plain(int devices) {
    for (int version = 0; version < 2; ++version) {  // Each in a table of its own.
      with_store([&](store::EmbeddedStore& store, ManualLoop& loop) {
        for (store::PartitionId p = 0; p < 2; ++p) store.attach(p, loop);
        for (int i = 0; i < devices; ++i) {
          const hub::Identity identity{.device_id = "old" + std::to_string(i),
                                       .generation_id = "1",
                                       .primary_key = new_key(),
                                       .secondary_key = new_key()};
          put(store, loop, hub::record_key(hub::kDeviceKey, identity.device_id),
              hub::plain_identity(identity));
        }
        const hub::Policy policy{"service", 3, new_key(), new_key()};
        put(store, loop, hub::record_key(hub::kPolicyKey, policy.name), hub::plain_policy(policy));
      });
    }
  }
  std::string new_key() { return *keys_.insert(hub::generate_key(random_)).first; }
  static void put(store::EmbeddedStore& store, ManualLoop& loop, const Bytes& key,
                  const Bytes& value) {
    std::optional<Status> done;
    store::Batch batch;
    batch.put(key, value);
    store.commit(0, std::move(batch), [&](Status status) { done = std::move(status); });
    loop.run_until([&] { return done.has_value(); });
    ASSERT_TRUE(*done);
  }

  // How many of the keys that there ever were stand in the store's files, as text or as bytes.
  size_t keys_in_files() {
    std::set<std::string> found;
    for (const auto& entry : fs::recursive_directory_iterator(data_ / "store")) {
      if (!entry.is_regular_file()) continue;
      std::ifstream in(entry.path(), std::ios::binary);
      const std::string content(std::istreambuf_iterator<char>(in), {});
      for (const std::string& key : keys_) {
        if (content.find(key) != std::string::npos ||
            content.find(*base64_decode(key)) != std::string::npos) {
          found.insert(key);
        }
      }
    }
    return found.size();
  }

  fs::path data_;
  fs::path file_;
  SystemRandom random_;
  Logger log_ = Logger::none();
  std::set<std::string> keys_;
};

TEST_F(RewrapTest, AHubLeavesNoKeyInItsFiles) {
  const auto vault = make_master_keys(file_, random_);
  ASSERT_TRUE(with_hub(*vault, 20));
  EXPECT_EQ(keys_.size(), 50U);
  EXPECT_EQ(keys_in_files(), 0U);
}

TEST_F(RewrapTest, AnOldStoreIsSealedAndForgotten) {
  fill_plain(50);
  EXPECT_EQ(keys_in_files(), 204U);  // So the search does find them: older versions as well.
  const auto vault = make_master_keys(file_, random_);
  ASSERT_TRUE(with_hub(*vault));
  EXPECT_EQ(keys_in_files(), 0U);
}

TEST_F(RewrapTest, ARewrapMakesANewKeyAndTheOldOneOpensNothingMore) {
  const auto old = make_master_keys(file_, random_);
  ASSERT_TRUE(with_hub(*old, 3));
  const auto done = rewrap_store(data_.string(), "");
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->at("recordsSealed").as_uint64(), 8U);
  EXPECT_EQ(done->if_contains("oldKeysKept"), nullptr);
  const auto now = read_master_keys(file_, random_);
  ASSERT_TRUE(now);
  EXPECT_EQ(now->key_count(), 1U);
  EXPECT_EQ(done->at("masterKey").as_string(), hub::master_key_name(now->current_key()));
  EXPECT_TRUE(with_hub(*now));
  const Status refused = with_hub(*old);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kMasterKeyUnusable);
  // Nothing in the files names the old master key any more.
  Bytes id;
  ByteWriter(id).number(old->current_key());
  keys_ = {base64_encode(id)};
  EXPECT_EQ(keys_in_files(), 0U);
}

// What a crash leaves: the file has the new key, and the store is sealed with the old one.
TEST_F(RewrapTest, AnInterruptedOneIsGoneOnWith) {
  const auto old = make_master_keys(file_, random_);
  ASSERT_TRUE(with_hub(*old, 3));
  const hub::KeyVault both = old->with_new_key();
  ASSERT_TRUE(write_master_keys(file_, both));
  ASSERT_TRUE(with_hub(*read_master_keys(file_, random_)));
  const auto done = rewrap_store(data_.string(), "");
  ASSERT_TRUE(done);
  EXPECT_EQ(done->at("recordsSealed").as_uint64(), 0U);  // The hub has done it already.
  EXPECT_EQ(done->at("masterKey").as_string(), hub::master_key_name(both.current_key()));
  EXPECT_EQ(read_master_keys(file_, random_)->key_count(), 1U);
}

TEST_F(RewrapTest, WhatItRefuses) {
  EXPECT_EQ(rewrap_store(data_.string(), "").error().code, ErrorCode::kStoreFormat);
  const auto vault = make_master_keys(file_, random_);
  ASSERT_TRUE(with_hub(*vault, 1));
  fs::rename(file_, data_ / "elsewhere");
  EXPECT_THAT(rewrap_store(data_.string(), "").error().message, HasSubstr("it is missing"));
  ASSERT_TRUE(make_master_keys(file_, random_));
  EXPECT_THAT(rewrap_store(data_.string(), "").error().message, HasSubstr("another hub"));
  EXPECT_TRUE(rewrap_store(data_.string(), (data_ / "elsewhere").string()));
}

TEST_F(RewrapTest, ACheckNamesAMissingMasterKeyAndASalvageNeedsToBeTold) {
  const auto vault = make_master_keys(file_, random_);
  ASSERT_TRUE(with_hub(*vault, 3));
  EXPECT_TRUE(look_at_store({.data_directory = data_.string()})->at("sound").as_bool());
  fs::remove(file_);
  const auto looked = look_at_store({.data_directory = data_.string()});
  ASSERT_TRUE(looked);
  EXPECT_FALSE(looked->at("sound").as_bool());
  ASSERT_EQ(looked->at("damage").as_array().size(), 1U);
  const std::string problem(looked->at("damage").as_array()[0].at("problem").as_string().c_str());
  EXPECT_THAT(problem, HasSubstr("8 devices and policies"));
  EXPECT_THAT(problem, HasSubstr("it is missing"));

  const std::string to = data_.string() + "/salvaged";
  StoreQuestion question{.data_directory = data_.string(), .salvage = true, .to = to};
  const auto refused = look_at_store(question);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kMasterKeyUnusable);
  EXPECT_FALSE(fs::exists(to));

  question.new_keys = true;
  const auto salvaged = look_at_store(question);
  ASSERT_TRUE(salvaged) << salvaged.error().message;
  const auto& kept = salvaged->at("salvage").as_object();
  EXPECT_EQ(kept.at("keysRenewed").as_uint64(), 8U);
  EXPECT_EQ(kept.at("identitiesDisabledNow").as_uint64(), 3U);
  const std::set<std::string> old_keys = std::exchange(keys_, {});
  data_ = to;
  ASSERT_TRUE(with_hub(*read_master_keys(data_ / kMasterKeyFileName, random_)));
  for (const std::string& key : keys_) EXPECT_FALSE(old_keys.contains(key));
  data_ = data_.parent_path();
}

}  // namespace
}  // namespace linarite::server
