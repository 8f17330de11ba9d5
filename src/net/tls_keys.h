// The keys of one direction of a TLS 1.3 connection (RFC 8446, 5.2, 5.3, 7.2, 7.3). Cryptography is
// OpenSSL's; here is what it is applied to. Loop thread only.
#pragma once

#include <openssl/evp.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace linarite::net {

inline constexpr size_t kTlsTagSize = 16;  // Of every suite here.

// A cipher suite of TLS 1.3.
struct TlsSuite {
  EVP_CIPHER* cipher;
  size_t key_size;
  size_t secret_size;  // Of its digest: 32 for SHA-256, 48 for SHA-384.
};

// The suite with this number: TLS_AES_128_GCM_SHA256, TLS_AES_256_GCM_SHA384 or
// TLS_CHACHA20_POLY1305_SHA256; null for any other.
const TlsSuite* tls_suite(uint16_t number);

// Overwrites its secrets when it goes.
class TlsKeys {
 public:
  // `secret` has suite.secret_size bytes.
  TlsKeys(const TlsSuite& suite, ByteView secret);
  ~TlsKeys();
  TlsKeys(const TlsKeys&) = delete;
  TlsKeys& operator=(const TlsKeys&) = delete;

  // Goes on to the next secret, as after a KeyUpdate.
  void advance();
  uint64_t sequence() const { return sequence_; }  // Of the next record.

  // Lets go of what this thread keeps of the key: before it is used on another one.
  void leave_thread() const;

  // Encrypts `size` bytes in place and writes the tag behind them.
  void seal(ByteView header, char* text, size_t size);
  // Decrypts what seal() made, without its tag, to `out`; false if anything was changed.
  [[nodiscard]] bool open(ByteView header, ByteView sealed, char* out);

 private:
  static constexpr size_t kSecretMax = 48;
  static constexpr size_t kKeyMax = 32;
  static constexpr size_t kIvSize = 12;

  void derive();
  // The cipher with this key, set to the nonce of the next record.
  EVP_CIPHER_CTX* begin_record(bool sealing);

  const TlsSuite& suite_;
  uint64_t id_ = 0;  // Of this key, in the process.
  uint64_t sequence_ = 0;
  std::array<unsigned char, kSecretMax> secret_{};
  std::array<unsigned char, kKeyMax> key_{};
  std::array<unsigned char, kIvSize> iv_{};
};

}  // namespace linarite::net
