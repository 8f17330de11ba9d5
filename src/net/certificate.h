// Making and reading the certificates of the development CA (X.509 version 3, RFC 5280).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "net/openssl_types.h"

namespace linarite::net {

// DNS names in lower case, or numeric addresses.
using HostNames = std::vector<std::string>;

// True for a numeric address or a DNS name of letters, digits and hyphens (RFC 1123, 2.1).
bool is_host_name(std::string_view text);
bool is_numeric_address(std::string_view text);
// A name in lower case; an address in the one form in which names_of() gives it.
std::string canonical_name(std::string_view text);

// Null only if OpenSSL fails. RSA-2048 takes 50 to 300 ms, P-256 less than one.
KeyPtr make_p256_key();
KeyPtr make_rsa_key();

struct Validity {
  WallTime from;
  WallTime until;
};

// A self-signed CA that may sign end entities only, and only for `names` (RFC 5280, 4.2.1.10).
Result<X509Ptr> make_ca(EVP_PKEY* key, const std::string& common_name, const HostNames& names,
                        Validity validity);
// A server certificate for `names`.
Result<X509Ptr> make_server_certificate(EVP_PKEY* key, const HostNames& names, Validity validity,
                                        X509* ca, EVP_PKEY* ca_key);

// The names of a certificate (subjectAltName), in its order.
HostNames names_of(X509* certificate);
WallTime expiry_of(X509* certificate);
// True if `ca` signed the certificate and its name constraints allow all its names.
bool is_issued_by(X509* certificate, X509* ca);
// True if the name constraints of `ca` allow `name`.
bool allows_name(X509* ca, const std::string& name);

std::string to_pem(X509* certificate);
std::string to_pem(EVP_PKEY* key);  // PKCS #8, not encrypted.
// Null if the text is not one.
X509Ptr certificate_from_pem(const std::string& pem);
KeyPtr key_from_pem(const std::string& pem);
bool belong_together(X509* certificate, EVP_PKEY* key);

}  // namespace linarite::net
