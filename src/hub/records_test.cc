#include "hub/records.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "hub/plain_records.h"

namespace linarite::hub {
namespace {

const WallTime kTime{std::chrono::milliseconds(1767322245123)};

// Every shortened and every lengthened value must be refused, and no byte may be left unread.
template <class Decode>
void expect_whole_or_nothing(const Bytes& value, Decode decode) {
  EXPECT_TRUE(decode(value));
  for (size_t size = 0; size < value.size(); ++size) {
    EXPECT_FALSE(decode(ByteView(value).substr(0, size))) << size;
  }
  EXPECT_FALSE(decode(value + "x"));
  Bytes other_version = value;
  other_version[0] = 3;
  EXPECT_FALSE(decode(other_version));
}

// Keys of devices and policies, sealed by a vault.
class SealedRecordsTest : public ::testing::Test {
 protected:
  Result<Identity> identity(ByteView value) const { return decode_identity(value, vault_); }
  Result<Policy> policy(ByteView value) const { return decode_policy(value, vault_); }

  SeededRandom random_{1};
  const KeyVault vault_ = KeyVault::make(random_);
  const Identity device_{.device_id = "d1",
                         .generation_id = "63",
                         .etag = "e",
                         .primary_key = "cHJpbWFyeSBrZXkgb2YgZDE=",
                         .secondary_key = "c2Vjb25kYXJ5IGtleQ=="};
  const Policy rule_{"service", 3, "cHJpbWFyeSBrZXk=", "c2Vjb25kYXJ5IGtleQ=="};
};

TEST_F(SealedRecordsTest, Identity) {
  const Identity all{.device_id = "d1",
                     .generation_id = "63",
                     .etag = "e",
                     .status = DeviceStatus::kDisabled,
                     .status_reason = "r",
                     .status_updated = kTime,
                     .authentication = AuthenticationType::kSelfSigned,
                     .primary_key = "a",
                     .secondary_key = "b",
                     .primary_thumbprint = "c",
                     .secondary_thumbprint = "d",
                     .iot_edge = true,
                     .device_scope = "s"};
  const Bytes value = encode_identity(all, vault_);
  EXPECT_EQ(identity(value), all);
  expect_whole_or_nothing(value, [this](ByteView bytes) { return identity(bytes); });
}

TEST_F(SealedRecordsTest, NoKeyStandsInARecord) {
  for (const Bytes& value : {encode_identity(device_, vault_), encode_policy(rule_, vault_)}) {
    for (const char* key : {"cHJpbWFyeSBr", "c2Vjb25kYXJ5", "primary key", "secondary key"}) {
      EXPECT_EQ(value.find(key), Bytes::npos) << key;
    }
  }
}

TEST_F(SealedRecordsTest, ADeviceWithoutKeysHasNothingSealed) {
  Identity device = device_;
  device.authentication = AuthenticationType::kCertificateAuthority;
  device.primary_key.clear();
  device.secondary_key.clear();
  const Bytes value = encode_identity(device, vault_);
  EXPECT_EQ(identity(value), device);
  EXPECT_EQ(decode_identity(value, KeyVault::make(random_)), device);
}

TEST_F(SealedRecordsTest, EveryFlippedBitOfTheSealedKeysIsRefused) {
  const Bytes value = encode_identity(device_, vault_);
  const auto sealed = vault_.seal({"device keys", "d1", "63"}, "");
  const size_t begin = value.find(sealed.substr(0, 9));  // Version and master key.
  ASSERT_NE(begin, Bytes::npos);
  const size_t size = kSealedOverhead + 8 + device_.primary_key.size() +
                      device_.secondary_key.size() + 1;  // With the version of the pair.
  for (size_t bit = begin * 8; bit < (begin + size) * 8; ++bit) {
    Bytes changed = value;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(identity(changed)) << bit;
  }
}

// The sealed keys of one record put into another one.
TEST_F(SealedRecordsTest, KeysOfAnotherRecordAreRefused) {
  const auto with_keys_of = [this](const Identity& into, const Identity& from) {
    Bytes value = encode_identity(into, vault_);
    const Bytes other = encode_identity(from, vault_);
    const Bytes mark = vault_.seal({"device keys", "d1", "63"}, "").substr(0, 9);
    const size_t size = other.size() - other.find(mark);
    return value.replace(value.find(mark), size, other.substr(other.find(mark), size));
  };
  Identity other = device_;
  EXPECT_TRUE(identity(with_keys_of(device_, device_)));
  other.device_id = "d2";
  EXPECT_EQ(identity(with_keys_of(other, device_)).error().code, ErrorCode::kStoreCorrupt);
  other = device_;
  other.generation_id = "64";  // Deleted and created again.
  EXPECT_EQ(identity(with_keys_of(other, device_)).error().code, ErrorCode::kStoreCorrupt);

  // A policy may not take the keys of a device of its name.
  Identity device = device_;
  device.device_id = rule_.name;
  device.generation_id = "";
  device.primary_key = rule_.primary_key;
  const Bytes mark = vault_.seal({"device keys", "d1", "63"}, "").substr(0, 9);
  const Bytes from = encode_identity(device, vault_);
  Bytes value = encode_policy(rule_, vault_);
  const size_t size = value.size() - value.find(mark);
  value.replace(value.find(mark), size, from.substr(from.find(mark), size));
  EXPECT_EQ(policy(value).error().code, ErrorCode::kStoreCorrupt);
}

TEST_F(SealedRecordsTest, AnotherVaultReadsAllButTheKeys) {
  const KeyVault other = KeyVault::make(random_);
  const Bytes device = encode_identity(device_, vault_);
  EXPECT_EQ(decode_identity(device, other).error().code, ErrorCode::kMasterKeyUnusable);
  Identity expected = device_;
  expected.primary_key.clear();
  expected.secondary_key.clear();
  EXPECT_EQ(decode_identity_without_keys(device), expected);
  const Bytes policy = encode_policy(rule_, vault_);
  EXPECT_EQ(decode_policy(policy, other).error().code, ErrorCode::kMasterKeyUnusable);
  EXPECT_EQ(decode_policy_without_keys(policy)->rights, 3);
}

// Version 1, as older programs wrote it.
TEST_F(SealedRecordsTest, PlainRecordsAreReadAndSealed) {
  const Bytes plain = plain_identity(device_);
  EXPECT_EQ(identity(plain), device_);
  const auto sealed = sealed_again(kDeviceKey, plain, vault_);
  ASSERT_TRUE(sealed && *sealed);
  EXPECT_EQ((*sealed)->find(device_.primary_key), Bytes::npos);
  EXPECT_EQ(identity(**sealed), device_);
  EXPECT_EQ(*sealed_again(kDeviceKey, **sealed, vault_), std::nullopt);

  const auto rule = sealed_again(kPolicyKey, plain_policy(rule_), vault_);
  ASSERT_TRUE(rule && *rule);
  EXPECT_EQ(policy(**rule)->primary_key, rule_.primary_key);
  EXPECT_EQ(policy(**rule)->secondary_key, rule_.secondary_key);
  EXPECT_EQ(*sealed_again(kPolicyKey, **rule, vault_), std::nullopt);

  // With a new master key once more.
  const KeyVault next = vault_.with_new_key();
  const auto renewed = sealed_again(kDeviceKey, **sealed, next);
  ASSERT_TRUE(renewed && *renewed);
  EXPECT_EQ(decode_identity(**renewed, next.with_current_key_only()), device_);
}

TEST(RecordsTest, Keyring) {
  const Keyring keyring{.hub_id = "hub", .key = 17, .complete = true};
  EXPECT_EQ(decode_keyring(encode_keyring(keyring)), keyring);
  expect_whole_or_nothing(encode_keyring(keyring), decode_keyring);
}

TEST(RecordsTest, Message) {
  const wire::C2dMessage message{.message_id = "m",
                                 .correlation_id = "c",
                                 .user_id = "u",
                                 .to = "t",
                                 .content_type = "ct",
                                 .content_encoding = "ce",
                                 .expiry = kTime,
                                 .ack = wire::Ack::kNegative,
                                 .properties = {{"a", "1"}, {"b", ""}},
                                 .body = std::string("\0x", 2)};
  const MessageHeader header{.device_id = "d1",
                             .enqueued = kTime,
                             .expiry = kTime,
                             .size = static_cast<uint32_t>(message.size()),
                             .ack = wire::Ack::kNegative};
  const Bytes value = encode_message(header, message);
  EXPECT_EQ(decode_message_header(value), header);
  const auto stored = decode_message(value);
  ASSERT_TRUE(stored);
  EXPECT_EQ(stored->header, header);
  EXPECT_EQ(stored->message, message);
  expect_whole_or_nothing(value, decode_message);
}

TEST(RecordsTest, TheRest) {
  const FeedbackRecord record{"m", kTime, Outcome::kPurged, "d", "g"};
  EXPECT_EQ(decode_feedback(encode_feedback(record)), record);
  expect_whole_or_nothing(encode_feedback(record), decode_feedback);
  const Session session{{{"filter", 1, kTime}}};
  EXPECT_EQ(decode_session(encode_session(session)), session);
  expect_whole_or_nothing(encode_session(session), decode_session);
  const ConnectionTimes times{kTime, kTime};
  EXPECT_EQ(decode_connection_times(encode_connection_times(times)), times);
  expect_whole_or_nothing(encode_connection_times(times), decode_connection_times);
  SeededRandom random(1);
  const KeyVault vault = KeyVault::make(random);
  expect_whole_or_nothing(encode_policy({"p", 3, "a", "b"}, vault),
                          [&](ByteView value) { return decode_policy(value, vault); });
  const LogBegin begin{.sequence = 1, .offset = 2, .last_offset = 3, .last_enqueued = kTime};
  EXPECT_EQ(decode_log_begin(encode_log_begin(begin)), begin);
  expect_whole_or_nothing(encode_log_begin(begin), decode_log_begin);
  EXPECT_EQ(decode_number(encode_number(7)), 7U);
  expect_whole_or_nothing(encode_number(7), decode_number);
  EXPECT_EQ(key_sequence(record_key(kMessageKey, uint64_t{258})), 258U);
  EXPECT_FALSE(key_sequence("m123"));
}

}  // namespace
}  // namespace linarite::hub
