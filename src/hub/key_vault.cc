#include "hub/key_vault.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "base/base64.h"
#include "base/check.h"
#include "base/text.h"

namespace linarite::hub {
namespace {

constexpr uint8_t kVersion = 1;
constexpr size_t kNonceSize = 12;
constexpr size_t kTagSize = 16;
constexpr std::string_view kFirstLine = "linarite-master-keys 1\n";
constexpr std::string_view kHubWord = "hub ";
constexpr std::string_view kKeyWord = "key ";
constexpr std::string_view kChecksumWord = "checksum ";
constexpr std::string_view kIdLabel = "linarite master key id";
constexpr size_t kIdDigits = 2 * sizeof(MasterKeyId);

struct FreeContext {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, FreeContext>;

// Looked up once: OpenSSL 3 would do it for each record.
const EVP_CIPHER* cipher() {
  static const EVP_CIPHER* const found = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  CHECK(found != nullptr);
  return found;
}

const unsigned char* raw(ByteView bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}
unsigned char* raw(Bytes& bytes) { return reinterpret_cast<unsigned char*>(bytes.data()); }

Bytes sha256(ByteView text) {
  Bytes out(32, '\0');
  unsigned int size = 0;
  CHECK(EVP_Digest(text.data(), text.size(), raw(out), &size, EVP_sha256(), nullptr) == 1);
  return out;
}

std::string checksum_line(std::string_view before) {
  return fmt::format("{}{}\n", kChecksumWord, hex_text(sha256(before).substr(0, 8)));
}

std::unexpected<Error> unusable(std::string message) {
  return fail(ErrorCode::kMasterKeyUnusable, std::move(message));
}
std::unexpected<Error> damaged() { return unusable("it is damaged, or no file of master keys"); }

// Takes "WORD rest\n" from the front.
std::optional<std::string_view> take_line(std::string_view& text, std::string_view word) {
  const size_t end = text.find('\n');
  if (end == std::string_view::npos || !text.starts_with(word)) return std::nullopt;
  const std::string_view rest = text.substr(word.size(), end - word.size());
  text.remove_prefix(end + 1);
  return rest;
}

std::optional<Bytes> hex_bytes(std::string_view digits) {
  Bytes out;
  if (digits.size() % 2 != 0) return std::nullopt;
  for (size_t i = 0; i < digits.size(); i += 2) {
    unsigned value = 0;
    const char* const from = digits.data() + i;
    const auto read = std::from_chars(from, from + 2, value, 16);
    if (read.ec != std::errc() || read.ptr != from + 2) return std::nullopt;
    out += static_cast<char>(value);
  }
  return out;
}

}  // namespace

KeyVault::MasterKey KeyVault::master_key(ByteView secret) {
  Bytes labelled = Bytes(kIdLabel).append(secret);
  const Bytes digest = sha256(labelled);
  wipe(labelled);
  return {.id = *ByteReader(digest).number<MasterKeyId>(),
          .secret = std::make_shared<const SecretMemory>(secret)};
}

KeyVault KeyVault::make(Random& random) {
  Bytes secret = random.bytes(kMasterKeySize);
  KeyVault out(random.bytes(kHubIdSize), {master_key(secret)}, random);
  wipe(secret);
  return out;
}

KeyVault KeyVault::with_new_key() const {
  CHECK(keys_.size() < kMasterKeysMax);
  Bytes secret = random_.bytes(kMasterKeySize);
  std::vector<MasterKey> keys = keys_;
  keys.insert(keys.begin(), master_key(secret));
  wipe(secret);
  return {hub_id_, std::move(keys), random_};
}

KeyVault KeyVault::with_current_key_only() const { return {hub_id_, {keys_.front()}, random_}; }

Bytes KeyVault::text() const {
  Bytes out(kFirstLine);
  out.reserve(kMasterKeyTextMax);  // So that no copy is left behind when it grows.
  out += fmt::format("{}{}\n", kHubWord, hex_text(hub_id_));
  for (const MasterKey& key : keys_) {
    std::string secret = base64_encode(key.secret->view());
    out.append(kKeyWord).append(master_key_name(key.id)).append(" ").append(secret).append("\n");
    wipe(secret);
  }
  return out += checksum_line(out);
}

Result<KeyVault> KeyVault::parse(std::string_view text, Random& random) {
  if (text.size() > kMasterKeyTextMax || !text.starts_with(kFirstLine)) return damaged();
  const size_t last = text.rfind(kChecksumWord);
  if (last == std::string_view::npos || text.substr(last) != checksum_line(text.substr(0, last))) {
    return damaged();
  }
  std::string_view rest = text.substr(0, last).substr(kFirstLine.size());
  const auto hub = take_line(rest, kHubWord);
  const auto hub_id = hub ? hex_bytes(*hub) : std::nullopt;
  if (!hub_id || hub_id->size() != kHubIdSize) return damaged();
  std::vector<MasterKey> keys;
  while (!rest.empty()) {
    const auto line = take_line(rest, kKeyWord);
    if (!line || line->size() < kIdDigits + 1 || keys.size() == kMasterKeysMax) return damaged();
    auto secret = base64_decode(line->substr(kIdDigits + 1));
    if (!secret || secret->size() != kMasterKeySize) return damaged();
    MasterKey key = master_key(*secret);
    wipe(*secret);
    if (line->substr(0, kIdDigits + 1) != master_key_name(key.id) + " ") return damaged();
    if (std::ranges::find(keys, key.id, &MasterKey::id) != keys.end()) return damaged();
    keys.push_back(std::move(key));
  }
  if (keys.empty()) return damaged();
  return KeyVault(*hub_id, std::move(keys), random);
}

const KeyVault::MasterKey* KeyVault::find(MasterKeyId id) const {
  const auto found = std::ranges::find(keys_, id, &MasterKey::id);
  return found == keys_.end() ? nullptr : &*found;
}

Bytes KeyVault::additional_data(const SealedPlace& place, MasterKeyId id) const {
  Bytes out;
  out.reserve(64 + kHubIdSize + place.kind.size() + place.name.size() + place.generation.size());
  ByteWriter writer(out);
  writer.number(kVersion);
  writer.number(id);
  for (const std::string_view part :
       {std::string_view(hub_id_), place.kind, place.name, place.generation}) {
    writer.number(static_cast<uint32_t>(part.size()));
    writer.bytes(part);
  }
  return out;
}

Bytes KeyVault::seal(const SealedPlace& place, ByteView plain) const {
  CHECK(plain.size() <= kSealedPlainMax);
  const MasterKey& key = keys_.front();
  const Bytes nonce = random_.bytes(kNonceSize);
  const Bytes bound = additional_data(place, key.id);
  Bytes text(plain.size(), '\0');
  Bytes tag(kTagSize, '\0');
  const Context context(EVP_CIPHER_CTX_new());
  EVP_CIPHER_CTX* const at = context.get();
  int size = 0;
  CHECK(at != nullptr);
  CHECK(EVP_EncryptInit_ex2(at, cipher(), raw(key.secret->view()), raw(nonce), nullptr) == 1);
  CHECK(EVP_EncryptUpdate(at, nullptr, &size, raw(bound), static_cast<int>(bound.size())) == 1);
  CHECK(EVP_EncryptUpdate(at, raw(text), &size, raw(plain), static_cast<int>(plain.size())) == 1);
  CHECK(EVP_EncryptFinal_ex(at, raw(text) + size, &size) == 1);
  CHECK(EVP_CIPHER_CTX_ctrl(at, EVP_CTRL_AEAD_GET_TAG, kTagSize, tag.data()) == 1);
  Bytes out;
  out.reserve(plain.size() + kSealedOverhead);
  ByteWriter writer(out);
  writer.number(kVersion);
  writer.number(key.id);
  writer.bytes(nonce);
  writer.bytes(text);
  writer.bytes(tag);
  return out;
}

Result<Bytes> KeyVault::open(const SealedPlace& place, ByteView sealed) const {
  const auto broken = [] {
    return fail(ErrorCode::kStoreCorrupt,
                "stored keys can't be opened: they were changed, or "
                "belong to another place");
  };
  const auto id = sealing_key(sealed);
  if (!id) return broken();
  const MasterKey* const key = find(*id);
  if (key == nullptr) {
    return unusable(fmt::format("stored keys are sealed with the master key {}, which is not there",
                                master_key_name(*id)));
  }
  ByteView rest = sealed.substr(1 + sizeof(MasterKeyId));
  const ByteView nonce = rest.substr(0, kNonceSize);
  const ByteView text = rest.substr(kNonceSize, rest.size() - kNonceSize - kTagSize);
  Bytes tag(rest.substr(rest.size() - kTagSize));
  const Bytes bound = additional_data(place, *id);
  Bytes plain(text.size(), '\0');
  const Context context(EVP_CIPHER_CTX_new());
  EVP_CIPHER_CTX* const at = context.get();
  int size = 0;
  CHECK(at != nullptr);
  CHECK(EVP_DecryptInit_ex2(at, cipher(), raw(key->secret->view()), raw(nonce), nullptr) == 1);
  CHECK(EVP_DecryptUpdate(at, nullptr, &size, raw(bound), static_cast<int>(bound.size())) == 1);
  CHECK(EVP_DecryptUpdate(at, raw(plain), &size, raw(text), static_cast<int>(text.size())) == 1);
  CHECK(EVP_CIPHER_CTX_ctrl(at, EVP_CTRL_AEAD_SET_TAG, kTagSize, tag.data()) == 1);
  if (EVP_DecryptFinal_ex(at, raw(plain) + size, &size) == 1) return plain;
  wipe(plain);
  return broken();
}

std::optional<MasterKeyId> sealing_key(ByteView sealed) {
  if (sealed.size() < kSealedOverhead || sealed.size() > kSealedOverhead + kSealedPlainMax) {
    return std::nullopt;
  }
  ByteReader reader(sealed);
  if (reader.number<uint8_t>() != kVersion) return std::nullopt;
  return reader.number<MasterKeyId>();
}

std::string master_key_name(MasterKeyId id) { return fmt::format("{:016x}", id); }

}  // namespace linarite::hub
