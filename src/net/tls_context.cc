#include "net/tls_context.h"

#include <openssl/pem.h>

#include <utility>

#include "base/check.h"
#include "net/detached_tls.h"

namespace linarite::net {
namespace {

constexpr char kCiphers12[] =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384";
constexpr char kCbcCiphers12[] = ":ECDHE-RSA-AES128-SHA256:ECDHE-RSA-AES256-SHA384";
constexpr char kCiphers13[] =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
constexpr char kGroups[] = "X25519:P-256";

std::unexpected<Error> refuse(std::string what) {
  return fail(ErrorCode::kArgumentInvalid, std::move(what) + ": " + take_openssl_error());
}

BioPtr memory_bio(const std::string& text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// A password would be asked for on the terminal: an encrypted key is simply not readable.
int no_password(char*, int, int, void*) { return 0; }

void set_common_options(SSL_CTX* context) {
  CHECK(SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1);
  CHECK(SSL_CTX_set1_groups_list(context, kGroups) == 1);
  SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  // RELEASE_BUFFERS: an idle connection keeps no record buffers (13 KB instead of 45).
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

std::string alpn_wire_form(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) {
    CHECK(!name.empty() && name.size() < 256);
    out.push_back(static_cast<char>(name.size()));
    out += name;
  }
  return out;
}

Status add_certificate(SSL_CTX* context, const CertificateAndKey& pair) {
  const BioPtr chain = memory_bio(pair.chain_pem);
  const X509Ptr leaf(PEM_read_bio_X509(chain.get(), nullptr, no_password, nullptr));
  if (!leaf) return refuse("the server certificate is not readable PEM");
  const BioPtr key_text = memory_bio(pair.key_pem);
  const KeyPtr key(PEM_read_bio_PrivateKey(key_text.get(), nullptr, no_password, nullptr));
  if (!key) return refuse("the private key is not readable PEM, or has a password");
  // Asked here because SSL_CTX_use_PrivateKey() would put a key of another kind silently beside it.
  if (X509_check_private_key(leaf.get(), key.get()) != 1) {
    return refuse("the private key does not belong to the certificate");
  }
  if (SSL_CTX_use_certificate(context, leaf.get()) != 1) {
    return refuse("the server certificate cannot be used");
  }
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1) {
    return refuse("the private key cannot be used");
  }
  while (X509* next = PEM_read_bio_X509(chain.get(), nullptr, no_password, nullptr)) {
    const X509Ptr issuer(next);
    if (SSL_CTX_add1_chain_cert(context, issuer.get()) != 1) {
      return refuse("the certificate's chain cannot be used");
    }
  }
  ERR_clear_error();  // The end of the text reads as an error.
  return {};
}

// The names that a server context chooses from. They are the SSL_CTX's own, because a connection in
// its handshake may outlive the TlsServerContext that made it.
int alpn_index() {
  static const int index = SSL_CTX_get_ex_new_index(
      0, nullptr, nullptr, nullptr, [](void*, void* names, CRYPTO_EX_DATA*, int, long, void*) {
        delete static_cast<std::string*>(names);
      });
  return index;
}

int choose_alpn(SSL* ssl, const unsigned char** chosen, unsigned char* chosen_size,
                const unsigned char* offered, unsigned offered_size, void*) {
  const auto* names =
      static_cast<const std::string*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), alpn_index()));
  unsigned char* out = nullptr;
  const int result = SSL_select_next_proto(
      &out, chosen_size, reinterpret_cast<const unsigned char*>(names->data()),
      static_cast<unsigned>(names->size()), offered, offered_size);
  *chosen = out;
  return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

// One server name of a client context.
class NamedServer final : public TlsEndpoint {
 public:
  NamedServer(std::shared_ptr<TlsClientContext> context, std::string name)
      : context_(std::move(context)), name_(std::move(name)) {}

  bool is_server() const override { return false; }

  SslPtr new_connection() const override {
    SslPtr ssl = context_->new_connection();
    if (!ssl) return nullptr;
    X509_VERIFY_PARAM* verify = SSL_get0_param(ssl.get());
    if (X509_VERIFY_PARAM_set1_ip_asc(verify, name_.c_str()) == 1) return ssl;
    ERR_clear_error();  // Not an address.
    SSL_set_hostflags(ssl.get(), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (SSL_set1_host(ssl.get(), name_.c_str()) != 1 ||
        SSL_set_tlsext_host_name(ssl.get(), name_.c_str()) != 1) {
      return nullptr;
    }
    return ssl;
  }

 private:
  std::shared_ptr<TlsClientContext> context_;
  std::string name_;
};

}  // namespace

Result<SslContextPtr> TlsServerContext::build(const TlsServerOptions& options) {
  SslContextPtr context(SSL_CTX_new(TLS_server_method()));
  if (!context) return refuse("no TLS context");
  set_common_options(context.get());
  const std::string ciphers = std::string(kCiphers12) + (options.allow_cbc ? kCbcCiphers12 : "");
  CHECK(SSL_CTX_set_cipher_list(context.get(), ciphers.c_str()) == 1);
  CHECK(SSL_CTX_set_ciphersuites(context.get(), kCiphers13) == 1);
  // No resumption, neither by ticket nor by session id. A resumed session carries the client
  // certificate of the first handshake and survives in a ticket key that would have to be rotated,
  // bound to the listener and shared between nodes; without it every connection proves its key
  // anew. What it costs: nothing with TLS 1.3 and P-256 (2,520 handshakes a second per core either
  // way), a factor of four with TLS 1.2 (measurements.md, B2), whose clients among the SDKs do not
  // resume.
  SSL_CTX_set_options(
      context.get(), SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context.get(), 0);
  // Ask for a client certificate, and take any: no chain is built for a peer that nobody knows yet.
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_cert_verify_callback(
      context.get(), [](X509_STORE_CTX*, void*) { return 1; }, nullptr);
  if (options.certificates.empty()) {
    return fail(ErrorCode::kArgumentInvalid, "a TLS listener needs a certificate");
  }
  for (const CertificateAndKey& pair : options.certificates) {
    if (Status added = add_certificate(context.get(), pair); !added) {
      return std::unexpected(added.error());
    }
  }
  if (options.own_records) TlsSecrets::ask_for(context.get());
  if (!options.alpn.empty()) {
    auto names = std::make_unique<std::string>(alpn_wire_form(options.alpn));
    CHECK(SSL_CTX_set_ex_data(context.get(), alpn_index(), names.release()) == 1);
    SSL_CTX_set_alpn_select_cb(context.get(), choose_alpn, nullptr);
  }
  return context;
}

Result<std::shared_ptr<TlsServerContext>> TlsServerContext::create(
    const TlsServerOptions& options) {
  auto out = std::make_shared<TlsServerContext>();
  if (Status loaded = out->reload(options); !loaded) return std::unexpected(loaded.error());
  return out;
}

Status TlsServerContext::reload(const TlsServerOptions& options) {
  Result<SslContextPtr> built = build(options);
  if (!built) return std::unexpected(built.error());
  const std::lock_guard lock(mutex_);
  context_.swap(*built);
  return {};
}

SslPtr TlsServerContext::new_connection() const {
  SslContextPtr context;
  {
    const std::lock_guard lock(mutex_);
    SSL_CTX_up_ref(context_.get());
    context.reset(context_.get());
  }
  return SslPtr(SSL_new(context.get()));
}

Result<std::shared_ptr<TlsClientContext>> TlsClientContext::create(
    const TlsClientOptions& options) {
  SslContextPtr context(SSL_CTX_new(TLS_client_method()));
  if (!context) return refuse("no TLS context");
  set_common_options(context.get());
  CHECK(SSL_CTX_set_min_proto_version(context.get(), options.version_min) == 1);
  CHECK(SSL_CTX_set_max_proto_version(context.get(), options.version_max) == 1);
  if (!options.ciphers.empty() &&
      SSL_CTX_set_cipher_list(context.get(), options.ciphers.c_str()) != 1) {
    return refuse("no usable cipher in the list");
  }
  SSL_CTX_set_verify(context.get(), options.verify_server ? SSL_VERIFY_PEER : SSL_VERIFY_NONE,
                     nullptr);
  if (options.roots_pem.empty()) {
    SSL_CTX_set_default_verify_paths(context.get());
  } else {
    const BioPtr roots = memory_bio(options.roots_pem);
    size_t count = 0;
    while (X509* next = PEM_read_bio_X509(roots.get(), nullptr, no_password, nullptr)) {
      const X509Ptr root(next);
      X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()), root.get());
      ++count;
    }
    if (count == 0) return refuse("the CA file holds no readable PEM certificate");
    ERR_clear_error();
  }
  if (!options.chain_pem.empty()) {
    if (Status added = add_certificate(context.get(), {options.chain_pem, options.key_pem});
        !added) {
      return std::unexpected(added.error());
    }
  }
  if (!options.alpn.empty()) {
    const std::string names = alpn_wire_form(options.alpn);
    SSL_CTX_set_alpn_protos(context.get(), reinterpret_cast<const unsigned char*>(names.data()),
                            static_cast<unsigned>(names.size()));
  }
  return std::shared_ptr<TlsClientContext>(new TlsClientContext(std::move(context)));
}

std::shared_ptr<const TlsEndpoint> TlsClientContext::for_server(
    std::shared_ptr<TlsClientContext> context, std::string name) {
  return std::make_shared<NamedServer>(std::move(context), std::move(name));
}

SslPtr TlsClientContext::new_connection() const { return SslPtr(SSL_new(context_.get())); }

}  // namespace linarite::net
