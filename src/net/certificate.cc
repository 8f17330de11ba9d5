#include "net/certificate.h"

#include <arpa/inet.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>

#include <chrono>

#include "base/text.h"
#include "net/socket_address.h"

namespace linarite::net {
namespace {

using NamesPtr = std::unique_ptr<GENERAL_NAMES, FreeWith<GENERAL_NAMES_free>>;
using ConstraintsPtr = std::unique_ptr<NAME_CONSTRAINTS, FreeWith<NAME_CONSTRAINTS_free>>;
using ExtensionPtr = std::unique_ptr<X509_EXTENSION, FreeWith<X509_EXTENSION_free>>;

constexpr size_t kDnsNameMax = 253;
constexpr size_t kDnsLabelMax = 63;

std::unexpected<Error> refuse(const std::string& what) {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  const char* reason = ERR_reason_error_string(code);
  return fail(ErrorCode::kIoError, what + (reason == nullptr ? "" : std::string(": ") + reason));
}

// The caller has checked every name with is_host_name(), so none can add to the syntax.
Status add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  if (!extension || X509_add_ext(certificate, extension.get(), -1) != 1) {
    return refuse("certificate extension " + value);
  }
  return {};
}

std::string subject_alt_name(const HostNames& names) {
  std::string out;
  for (const std::string& name : names) {
    if (!out.empty()) out += ",";
    out += (is_numeric_address(name) ? "IP:" : "DNS:") + name;
  }
  return out;
}

// Not critical, against RFC 5280: Mbed TLS, which many devices use, knows no name constraints and
// refuses every critical extension that it does not know. Who knows them obeys them either way
// (docs/decisions/0004-dev-ca-name-constraints.md).
std::string permitted_names(const HostNames& names) {
  std::string out;
  for (const std::string& name : names) {
    if (!out.empty()) out += ",";
    if (!is_numeric_address(name)) {
      out += "permitted;DNS:" + name;
    } else if (name.find(':') == std::string::npos) {
      out += "permitted;IP:" + name + "/255.255.255.255";
    } else {
      out += "permitted;IP:" + name + "/ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    }
  }
  return out;
}

Result<X509Ptr> unsigned_certificate(EVP_PKEY* key, const std::string& common_name,
                                     Validity validity) {
  X509Ptr out(X509_new());
  unsigned char serial[16];
  if (!out || RAND_bytes(serial, sizeof(serial)) != 1) return refuse("certificate");
  serial[0] =
      static_cast<unsigned char>((serial[0] & 0x3FU) | 0x40U);  // Positive, always 16 bytes.
  const std::unique_ptr<BIGNUM, FreeWith<BN_free>> number(
      BN_bin2bn(serial, sizeof(serial), nullptr));
  X509_set_version(out.get(), X509_VERSION_3);
  BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(out.get()));
  using std::chrono::floor;
  using std::chrono::seconds;
  ASN1_TIME_set(X509_getm_notBefore(out.get()),
                floor<seconds>(validity.from).time_since_epoch().count());
  ASN1_TIME_set(X509_getm_notAfter(out.get()),
                floor<seconds>(validity.until).time_since_epoch().count());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(out.get()), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(common_name.c_str()), -1, -1,
                             0);
  if (X509_set_pubkey(out.get(), key) != 1) return refuse("certificate key");
  return out;
}

struct Extension {
  int nid;
  std::string value;
};

Status finish(X509* certificate, X509* issuer, EVP_PKEY* issuer_key,
              const std::vector<Extension>& extensions) {
  X509_set_issuer_name(certificate, X509_get_subject_name(issuer));
  for (const auto& [nid, value] : extensions) {
    if (Status added = add_extension(certificate, issuer, nid, value); !added) return added;
  }
  if (X509_sign(certificate, issuer_key, EVP_sha256()) == 0) return refuse("certificate signature");
  return {};
}

template <class Object, class Write>
std::string pem_text(Object* object, Write write) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  if (!bio || write(bio.get(), object) != 1) return {};
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return std::string(text, static_cast<size_t>(size));
}

BioPtr memory_bio(const std::string& text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::string address_text(const ASN1_OCTET_STRING* address) {
  char text[INET6_ADDRSTRLEN] = {};
  const int family = ASN1_STRING_length(address) == 4 ? AF_INET : AF_INET6;
  if (family == AF_INET6 && ASN1_STRING_length(address) != 16) return {};
  inet_ntop(family, ASN1_STRING_get0_data(address), text, sizeof(text));
  return text;
}

bool allows_names(X509* ca, X509* certificate) {
  const ConstraintsPtr constraints(
      static_cast<NAME_CONSTRAINTS*>(X509_get_ext_d2i(ca, NID_name_constraints, nullptr, nullptr)));
  if (!constraints) return true;
  X509_check_purpose(certificate, -1,
                     0);  // Makes OpenSSL look at the extensions before it checks them.
  const bool allowed = NAME_CONSTRAINTS_check(certificate, constraints.get()) == X509_V_OK;
  ERR_clear_error();
  return allowed;
}

}  // namespace

bool is_numeric_address(std::string_view text) {
  return SocketAddress::parse(std::string(text), 0).has_value();
}

std::string canonical_name(std::string_view text) {
  const std::optional<SocketAddress> address = SocketAddress::parse(std::string(text), 0);
  return address ? address->address() : ascii_lower(text);
}

bool is_host_name(std::string_view text) {
  if (is_numeric_address(text)) return true;
  if (text.empty() || text.size() > kDnsNameMax) return false;
  size_t label = 0;
  char before = '.';
  for (const char c : text) {
    const bool alphanumeric =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (c == '.' || c == '-') {
      if (before == '.' || (c == '.' && before == '-')) return false;
    } else if (!alphanumeric) {
      return false;
    }
    label = c == '.' ? 0 : label + 1;
    if (label > kDnsLabelMax) return false;
    before = c;
  }
  return before != '.' && before != '-';
}

KeyPtr make_p256_key() { return KeyPtr(EVP_EC_gen("P-256")); }
KeyPtr make_rsa_key() { return KeyPtr(EVP_RSA_gen(2048)); }

Result<X509Ptr> make_ca(EVP_PKEY* key, const std::string& common_name, const HostNames& names,
                        Validity validity) {
  Result<X509Ptr> made = unsigned_certificate(key, common_name, validity);
  if (!made) return made;
  const Status finished = finish(made->get(), made->get(), key,
                                 {{NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
                                  {NID_key_usage, "critical,keyCertSign,cRLSign"},
                                  {NID_subject_key_identifier, "hash"},
                                  {NID_authority_key_identifier, "keyid:always"},
                                  {NID_name_constraints, permitted_names(names)}});
  if (!finished) return std::unexpected(finished.error());
  return made;
}

Result<X509Ptr> make_server_certificate(EVP_PKEY* key, const HostNames& names, Validity validity,
                                        X509* ca, EVP_PKEY* ca_key) {
  // X.520 allows 64 characters; who verifies looks at the alternative names only.
  Result<X509Ptr> made = unsigned_certificate(key, names.front().substr(0, 64), validity);
  if (!made) return made;
  const bool rsa = EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA;
  const Status finished = finish(made->get(), ca, ca_key,
                                 {{NID_basic_constraints, "critical,CA:FALSE"},
                                  {NID_key_usage, rsa ? "critical,digitalSignature,keyEncipherment"
                                                      : "critical,digitalSignature"},
                                  {NID_ext_key_usage, "serverAuth"},
                                  {NID_subject_key_identifier, "hash"},
                                  {NID_authority_key_identifier, "keyid:always"},
                                  {NID_subject_alt_name, subject_alt_name(names)}});
  if (!finished) return std::unexpected(finished.error());
  return made;
}

HostNames names_of(X509* certificate) {
  HostNames out;
  const NamesPtr names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    int type = 0;
    const void* value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names.get(), i), &type);
    const auto* text = static_cast<const ASN1_STRING*>(value);
    if (type == GEN_DNS) {
      out.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                       static_cast<size_t>(ASN1_STRING_length(text)));
    } else if (type == GEN_IPADD) {
      out.push_back(address_text(text));
    }
  }
  return out;
}

WallTime expiry_of(X509* certificate) {
  tm parts{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &parts) != 1) return WallTime{};
  return WallTime(std::chrono::seconds(timegm(&parts)));
}

bool is_issued_by(X509* certificate, X509* ca) {
  const ConstraintsPtr constraints(
      static_cast<NAME_CONSTRAINTS*>(X509_get_ext_d2i(ca, NID_name_constraints, nullptr, nullptr)));
  const bool allowed =
      !constraints || NAME_CONSTRAINTS_check(certificate, constraints.get()) == X509_V_OK;
  const bool issued = allowed && X509_check_issued(ca, certificate) == X509_V_OK &&
                      X509_verify(certificate, X509_get0_pubkey(ca)) == 1;
  ERR_clear_error();
  return issued;
}

bool allows_name(X509* ca, const std::string& name) {
  // The check wants a certificate: one with nothing but the name will do.
  const X509Ptr probe(X509_new());
  return add_extension(probe.get(), probe.get(), NID_subject_alt_name, subject_alt_name({name})) &&
         allows_names(ca, probe.get());
}

std::string to_pem(X509* certificate) {
  return pem_text(certificate, [](BIO* bio, X509* x) { return PEM_write_bio_X509(bio, x); });
}

std::string to_pem(EVP_PKEY* key) {
  return pem_text(key, [](BIO* bio, EVP_PKEY* k) {
    return PEM_write_bio_PKCS8PrivateKey(bio, k, nullptr, nullptr, 0, nullptr, nullptr);
  });
}

X509Ptr certificate_from_pem(const std::string& pem) {
  X509Ptr out(PEM_read_bio_X509(memory_bio(pem).get(), nullptr, nullptr, nullptr));
  ERR_clear_error();
  return out;
}

KeyPtr key_from_pem(const std::string& pem) {
  const auto no_password = [](char*, int, int, void*) { return 0; };
  KeyPtr out(PEM_read_bio_PrivateKey(memory_bio(pem).get(), nullptr, no_password, nullptr));
  ERR_clear_error();
  return out;
}

bool belong_together(X509* certificate, EVP_PKEY* key) {
  const bool same = X509_check_private_key(certificate, key) == 1;
  ERR_clear_error();
  return same;
}

}  // namespace linarite::net
