#include "hub/key_vault.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <memory>

#include "base/base64.h"

namespace linarite::hub {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr SealedPlace kPlace{.kind = "device keys", .name = "d1", .generation = "638"};

class KeyVaultTest : public ::testing::Test {
 protected:
  static ErrorCode code(const Result<Bytes>& opened) {
    return opened ? ErrorCode{0} : opened.error().code;
  }
  Result<KeyVault> parse(std::string_view text) { return KeyVault::parse(text, random_); }

  SeededRandom random_{1};
  const KeyVault vault_ = KeyVault::make(random_);
};

TEST_F(KeyVaultTest, OpensWhatItSealed) {
  for (const Bytes& plain : {Bytes(), Bytes("x"), Bytes("\0key", 4), Bytes(kSealedPlainMax, 'k')}) {
    const Bytes sealed = vault_.seal(kPlace, plain);
    EXPECT_EQ(sealed.size(), plain.size() + kSealedOverhead);
    EXPECT_EQ(vault_.open(kPlace, sealed), plain);
    EXPECT_EQ(sealing_key(sealed), vault_.current_key());
  }
}

TEST_F(KeyVaultTest, NothingOfThePlainTextIsSeenAndNoTwoAreAlike) {
  const Bytes plain = "a key that nobody may read";
  const Bytes first = vault_.seal(kPlace, plain);
  const Bytes second = vault_.seal(kPlace, plain);
  EXPECT_THAT(first, Not(HasSubstr("nobody")));
  EXPECT_NE(first, second);
  // Neither nonce nor ciphertext.
  EXPECT_NE(first.substr(9, 12), second.substr(9, 12));
  EXPECT_NE(first.substr(21), second.substr(21));
}

TEST_F(KeyVaultTest, EveryFlippedBitIsRefused) {
  const Bytes sealed = vault_.seal(kPlace, "plain text");
  for (size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    Bytes changed = sealed;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << (bit % 8)));
    // In the name of the master key it names another one.
    const bool in_name = bit / 8 >= 1 && bit / 8 < 9;
    EXPECT_EQ(code(vault_.open(kPlace, changed)),
              in_name ? ErrorCode::kMasterKeyUnusable : ErrorCode::kStoreCorrupt)
        << bit;
  }
}

TEST_F(KeyVaultTest, EveryOtherLengthIsRefused) {
  const Bytes sealed = vault_.seal(kPlace, "plain text");
  for (size_t size = 0; size < sealed.size(); ++size) {
    EXPECT_EQ(code(vault_.open(kPlace, ByteView(sealed).substr(0, size))),
              ErrorCode::kStoreCorrupt);
  }
  EXPECT_EQ(code(vault_.open(kPlace, sealed + "x")), ErrorCode::kStoreCorrupt);
  EXPECT_EQ(code(vault_.open(kPlace, sealed + Bytes(kSealedPlainMax, 'x'))),
            ErrorCode::kStoreCorrupt);
}

TEST_F(KeyVaultTest, OpensInItsOwnPlaceOnly) {
  const Bytes sealed = vault_.seal(kPlace, "plain text");
  const std::array<SealedPlace, 6> others{{{"policy keys", "d1", "638"},
                                           {"device keys", "d2", "638"},
                                           {"device keys", "d1", "639"},
                                           {"device keys", "D1", "638"},
                                           // The same letters, cut elsewhere.
                                           {"device keys", "d16", "38"},
                                           {"device keysd1", "", "638"}}};
  for (const SealedPlace& place : others) {
    EXPECT_EQ(code(vault_.open(place, sealed)), ErrorCode::kStoreCorrupt) << place.name;
  }
}

TEST_F(KeyVaultTest, AnotherMasterKeyIsNamedAndAnotherHubRefused) {
  const Bytes sealed = vault_.seal(kPlace, "plain text");
  const auto other = KeyVault::make(random_).open(kPlace, sealed);
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, ErrorCode::kMasterKeyUnusable);
  EXPECT_THAT(other.error().message, HasSubstr(master_key_name(vault_.current_key())));

  // The same key under another hub id: no file that parse() takes has it by accident.
  std::string text = vault_.text();
  const size_t id = text.find("hub ") + 4;
  text[id] = text[id] == '0' ? '1' : '0';
  EXPECT_FALSE(parse(text));
}

TEST_F(KeyVaultTest, ANewKeyIsUsedFromThenOnAndTheOldOneStillOpens) {
  const Bytes old = vault_.seal(kPlace, "plain text");
  const KeyVault both = vault_.with_new_key();
  EXPECT_EQ(both.hub_id(), vault_.hub_id());
  EXPECT_EQ(both.key_count(), 2U);
  EXPECT_NE(both.current_key(), vault_.current_key());
  EXPECT_EQ(both.open(kPlace, old), "plain text");
  const Bytes renewed = both.seal(kPlace, "plain text");
  EXPECT_EQ(code(vault_.open(kPlace, renewed)), ErrorCode::kMasterKeyUnusable);

  const KeyVault one = both.with_current_key_only();
  EXPECT_EQ(one.open(kPlace, renewed), "plain text");
  EXPECT_EQ(code(one.open(kPlace, old)), ErrorCode::kMasterKeyUnusable);
}

TEST_F(KeyVaultTest, TheTextHoldsAllOfIt) {
  KeyVault vault = vault_;
  const Bytes old = vault.seal(kPlace, "plain text");
  while (vault.key_count() < kMasterKeysMax) {
    KeyVault more = vault.with_new_key();
    const auto read = parse(more.text());
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->text(), more.text());
    EXPECT_EQ(read->current_key(), more.current_key());
    EXPECT_EQ(read->open(kPlace, old), "plain text");
    std::destroy_at(&vault);
    std::construct_at(&vault, std::move(more));
  }
  EXPECT_LE(vault.text().size(), kMasterKeyTextMax);
}

TEST_F(KeyVaultTest, DamagedTextIsRefusedWithoutTellingAnyOfIt) {
  const std::string text = vault_.with_new_key().text();
  for (size_t bit = 0; bit < text.size() * 8; ++bit) {
    std::string changed = text;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << (bit % 8)));
    const auto read = parse(changed);
    ASSERT_FALSE(read) << bit;
    EXPECT_EQ(read.error().code, ErrorCode::kMasterKeyUnusable);
    EXPECT_EQ(read.error().message, "it is damaged, or no file of master keys");
  }
  for (size_t size = 0; size < text.size(); ++size) {
    EXPECT_FALSE(parse(std::string_view(text).substr(0, size))) << size;
  }
  EXPECT_FALSE(parse(text + "\n"));
  EXPECT_FALSE(parse(Bytes(kMasterKeyTextMax + 1, 'x')));
  EXPECT_FALSE(parse(text + text));
}

// Made by another program (Node.js) from docs/store-format.md: what one version wrote, all later
// ones read.
TEST_F(KeyVaultTest, TheFormIsPinned) {
  const std::string text =
      "linarite-master-keys 1\n"
      "hub 000102030405060708090a0b0c0d0e0f\n"
      "key e42f604526f7ee05 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
      "checksum 610f0d50beccfa3e\n";
  const auto vault = parse(text);
  ASSERT_TRUE(vault);
  const auto sealed =
      base64_decode("AeQvYEUm9+4FZGVmZ2hpamtsbW5vOHe/DxfJIvtGFsmKvrTpkgjyHbKwdAPUG74=");
  ASSERT_TRUE(sealed);
  EXPECT_EQ(vault->open(kPlace, *sealed), "plain text");
}

TEST(SecretMemoryTest, HoldsAndWipes) {
  SecretMemory memory("secret");
  EXPECT_EQ(memory.view(), "secret");
  const SecretMemory moved(std::move(memory));
  EXPECT_EQ(moved.view(), "secret");
  std::string text = "a text longer than a small string may be";
  const char* const at = text.data();
  const size_t size = text.size();
  wipe(text);
  EXPECT_TRUE(text.empty());
  for (size_t i = 0; i < size; ++i) EXPECT_EQ(at[i], '\0');  // The string still has its memory.
}

}  // namespace
}  // namespace linarite::hub
