// What TLS connections are made from: certificates, versions, ciphers, and how a peer is verified.
//
// Server and client: TLS 1.2 and 1.3 only, no compression, no renegotiation, no early data, groups
// X25519 and P-256 (reliability.md, 6.4).
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/error.h"
#include "net/openssl_types.h"

namespace linarite::net {

// Makes the SSL object of one connection. An interface because the two ends differ.
class TlsEndpoint {
 public:
  virtual ~TlsEndpoint() = default;
  virtual bool is_server() const = 0;
  // Null only if memory is exhausted. Any thread.
  virtual SslPtr new_connection() const = 0;
};

// A certificate with what leads to its root, and its private key; both PEM text, not file names.
struct CertificateAndKey {
  std::string chain_pem;
  std::string key_pem;
};

struct TlsServerOptions {
  // One per kind of key. With P-256 and RSA both present OpenSSL picks what the client can verify,
  // P-256 first: its handshake costs the server half.
  std::vector<CertificateAndKey> certificates;
  // ECDHE-RSA with AES-CBC and SHA-256/384, for stacks without GCM. Azure still offers them.
  bool allow_cbc = false;
  // Records of TLS 1.3 by our own record layer (detached_tls.h); false: all by OpenSSL.
  bool own_records = true;
  // Protocol names (RFC 7301) chosen from when the client offers any; without a match, or without
  // an offer, the connection goes on without one.
  std::vector<std::string> alpn;
};

// The server's side. A client certificate is asked for and never refused here: whether a
// certificate is good for an identity is decided per identity after the handshake
// (device-protocol.md, 0.5), so PeerInfo carries it. The handshake does prove that the peer holds
// its key.
class TlsServerContext final : public TlsEndpoint {
 public:
  // Fails with kArgumentInvalid: a certificate or key that cannot be read, or that do not belong
  // together.
  static Result<std::shared_ptr<TlsServerContext>> create(const TlsServerOptions& options);

  // From now on new connections get these certificates; those that exist go on. After a failure the
  // old ones stay. Any thread.
  Status reload(const TlsServerOptions& options);

  bool is_server() const override { return true; }
  SslPtr new_connection() const override;

 private:
  static Result<SslContextPtr> build(const TlsServerOptions& options);

  mutable std::mutex mutex_;
  SslContextPtr context_;  // Guarded by mutex_. A connection keeps the one it was made from.
};

struct TlsClientOptions {
  // PEM text of the only roots to trust; empty: those of the machine.
  std::string roots_pem;
  // The device's own certificate, if it has one.
  std::string chain_pem;
  std::string key_pem;
  std::vector<std::string> alpn;
  // For tests of the server only.
  bool verify_server = true;
  int version_min = TLS1_2_VERSION;
  int version_max = TLS1_3_VERSION;
  std::string ciphers;  // TLS 1.2 list; empty: the library's own.
};

// The client's side. The chain and the name (DNS name or IP address) are always verified.
class TlsClientContext final : public TlsEndpoint {
 public:
  static Result<std::shared_ptr<TlsClientContext>> create(const TlsClientOptions& options);

  // The endpoint for one server name: sent as SNI unless it is an address, and verified.
  static std::shared_ptr<const TlsEndpoint> for_server(std::shared_ptr<TlsClientContext> context,
                                                       std::string name);

  bool is_server() const override { return false; }
  SslPtr new_connection() const override;

 private:
  explicit TlsClientContext(SslContextPtr context) : context_(std::move(context)) {}
  SslContextPtr context_;
};

}  // namespace linarite::net
