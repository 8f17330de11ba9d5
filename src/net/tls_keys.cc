#include "net/tls_keys.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "net/openssl_types.h"

namespace linarite::net {
namespace {

using CipherPtr = std::unique_ptr<EVP_CIPHER_CTX, FreeWith<EVP_CIPHER_CTX_free>>;
using MacPtr = std::unique_ptr<EVP_MAC_CTX, FreeWith<EVP_MAC_CTX_free>>;

// Ciphers that are set to a key already, one for each of the keys that this thread used last: to
// set one costs as much as a short record. A connection that is silent keeps none.
class Ciphers {
 public:
  struct Place {
    uint64_t id = 0;
    CipherPtr cipher;
  };
  Place& place(uint64_t id) { return places_[id % places_.size()]; }

 private:
  static constexpr size_t kPlaces = 1024;  // About a kilobyte each, once it is used.
  std::vector<Place> places_{kPlaces};
};

Ciphers& ciphers() {
  thread_local Ciphers all;
  return all;
}

uint64_t next_id() {
  static std::atomic<uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

MacPtr new_hmac(const char* digest) {
  static EVP_MAC* const hmac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  MacPtr context(EVP_MAC_CTX_new(hmac));
  std::string name = digest;
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name.data(), 0),
      OSSL_PARAM_construct_end()};
  CHECK(context && EVP_MAC_CTX_set_params(context.get(), parameters) == 1);
  return context;
}

// HMAC with a key of the digest's size, which is the size of `out` too.
void hmac(const TlsSuite& suite, const unsigned char* key, ByteView text, unsigned char* out) {
  thread_local const MacPtr sha256 = new_hmac("SHA256");
  thread_local const MacPtr sha384 = new_hmac("SHA384");
  EVP_MAC_CTX* const context = suite.secret_size == 32 ? sha256.get() : sha384.get();
  size_t size = 0;
  CHECK(EVP_MAC_init(context, key, suite.secret_size, nullptr) == 1);
  CHECK(EVP_MAC_update(context, reinterpret_cast<const unsigned char*>(text.data()), text.size()) ==
        1);
  CHECK(EVP_MAC_final(context, out, &size, suite.secret_size) == 1);
}

// HKDF-Expand-Label (7.1) with an empty context, for no more than one block of the digest.
void expand_label(const TlsSuite& suite, const unsigned char* secret, std::string_view label,
                  unsigned char* out, size_t size) {
  CHECK(size <= suite.secret_size);
  Bytes info;
  info += '\0';
  info += static_cast<char>(size);
  info += static_cast<char>(6 + label.size());
  info.append("tls13 ").append(label);
  info.append(std::string_view("\x00\x01", 2));  // No context; the first block (RFC 5869, 2.3).
  std::array<unsigned char, 48> block;
  hmac(suite, secret, info, block.data());
  std::copy_n(block.begin(), size, out);
  OPENSSL_cleanse(block.data(), block.size());
}

}  // namespace

const TlsSuite* tls_suite(uint16_t number) {
  const auto fetched = [](const char* name) {
    EVP_CIPHER* const cipher = EVP_CIPHER_fetch(nullptr, name, nullptr);
    CHECK(cipher != nullptr);
    return cipher;
  };
  static const TlsSuite aes128{fetched("AES-128-GCM"), 16, 32};
  static const TlsSuite aes256{fetched("AES-256-GCM"), 32, 48};
  static const TlsSuite chacha{fetched("ChaCha20-Poly1305"), 32, 32};
  return number == 0x1301   ? &aes128
         : number == 0x1302 ? &aes256
         : number == 0x1303 ? &chacha
                            : nullptr;
}

TlsKeys::TlsKeys(const TlsSuite& suite, ByteView secret) : suite_(suite) {
  CHECK(secret.size() == suite.secret_size);
  std::ranges::copy(secret, secret_.begin());
  derive();
}

TlsKeys::~TlsKeys() {
  leave_thread();
  OPENSSL_cleanse(secret_.data(), secret_.size());
  OPENSSL_cleanse(key_.data(), key_.size());
  OPENSSL_cleanse(iv_.data(), iv_.size());
}

void TlsKeys::leave_thread() const {
  Ciphers::Place& place = ciphers().place(id_);
  if (place.id == id_) place = {};
}

void TlsKeys::derive() {
  id_ = next_id();
  sequence_ = 0;
  expand_label(suite_, secret_.data(), "key", key_.data(), suite_.key_size);
  expand_label(suite_, secret_.data(), "iv", iv_.data(), iv_.size());
}

void TlsKeys::advance() {
  std::array<unsigned char, kSecretMax> next{};
  expand_label(suite_, secret_.data(), "traffic upd", next.data(), suite_.secret_size);
  secret_ = next;
  OPENSSL_cleanse(next.data(), next.size());
  leave_thread();
  derive();
}

EVP_CIPHER_CTX* TlsKeys::begin_record(bool sealing) {
  Ciphers::Place& place = ciphers().place(id_);
  if (place.id != id_) {
    if (!place.cipher) place.cipher.reset(EVP_CIPHER_CTX_new());
    CHECK(place.cipher && EVP_CipherInit_ex2(place.cipher.get(), suite_.cipher, key_.data(),
                                             nullptr, sealing ? 1 : 0, nullptr) == 1);
    place.id = id_;
  }
  std::array<unsigned char, kIvSize> nonce = iv_;
  for (size_t i = 0; i < sizeof(sequence_); ++i) {
    nonce[kIvSize - 1 - i] ^= static_cast<unsigned char>(sequence_ >> (8 * i));
  }
  ++sequence_;
  CHECK(EVP_CipherInit_ex2(place.cipher.get(), nullptr, nullptr, nonce.data(), -1, nullptr) == 1);
  return place.cipher.get();
}

void TlsKeys::seal(ByteView header, char* text, size_t size) {
  EVP_CIPHER_CTX* const cipher = begin_record(/*sealing=*/true);
  auto* const bytes = reinterpret_cast<unsigned char*>(text);
  int count = 0;
  CHECK(EVP_EncryptUpdate(cipher, nullptr, &count,
                          reinterpret_cast<const unsigned char*>(header.data()),
                          static_cast<int>(header.size())) == 1);
  CHECK(EVP_EncryptUpdate(cipher, bytes, &count, bytes, static_cast<int>(size)) == 1);
  CHECK(EVP_EncryptFinal_ex(cipher, bytes + size, &count) == 1);
  CHECK(EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, kTlsTagSize, bytes + size) == 1);
}

bool TlsKeys::open(ByteView header, ByteView sealed, char* out) {
  CHECK(sealed.size() >= kTlsTagSize);
  EVP_CIPHER_CTX* const cipher = begin_record(/*sealing=*/false);
  const size_t size = sealed.size() - kTlsTagSize;
  const auto* const bytes = reinterpret_cast<const unsigned char*>(sealed.data());
  auto* const text = reinterpret_cast<unsigned char*>(out);
  // OpenSSL only reads it, whatever its type says.
  auto* const tag = const_cast<unsigned char*>(bytes + size);
  int count = 0;
  return EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, kTlsTagSize, tag) == 1 &&
         EVP_DecryptUpdate(cipher, nullptr, &count,
                           reinterpret_cast<const unsigned char*>(header.data()),
                           static_cast<int>(header.size())) == 1 &&
         EVP_DecryptUpdate(cipher, text, &count, bytes, static_cast<int>(size)) == 1 &&
         EVP_DecryptFinal_ex(cipher, text + size, &count) == 1;
}

}  // namespace linarite::net
