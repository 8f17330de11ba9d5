#include "cli/trust_files.h"

#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>

#include <cstdlib>
#include <memory>

#include "cli/files.h"
#include "cli/local_hub.h"

namespace linarite::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kBundleHead =
    "# The roots that this machine trusts, and that of a Linarite hub. Written by 'linarite trust' "
    "and 'linarite run'.\n";
// Oracle's attribute of a certificate that is trusted; the value names the purposes.
constexpr const char* kTrustedKeyUsage = "2.16.840.1.113894.746875.1.1";

template <auto free_function>
struct Free {
  template <class T>
  void operator()(T* object) const {
    free_function(object);
  }
};
void free_bags(STACK_OF(PKCS12_SAFEBAG) * bags) {
  sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
}
void free_safes(STACK_OF(PKCS7) * safes) { sk_PKCS7_pop_free(safes, PKCS7_free); }
void free_bio(BIO* bio) { BIO_free(bio); }
using Bio = std::unique_ptr<BIO, Free<free_bio>>;
using Certificate = std::unique_ptr<X509, Free<X509_free>>;
using Bags = std::unique_ptr<STACK_OF(PKCS12_SAFEBAG), Free<free_bags>>;
using Safes = std::unique_ptr<STACK_OF(PKCS7), Free<free_safes>>;
using Store = std::unique_ptr<PKCS12, Free<PKCS12_free>>;

// The machine's roots; empty if it has none where systems keep them. SSL_CERT_FILE goes first, for
// it may hold more: a company's own. A bundle of ours does not, or it would hold other hubs' too.
std::string machine_roots() {
  const char* const named = std::getenv("SSL_CERT_FILE");
  for (const char* path :
       {named == nullptr ? "" : named, "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem", X509_get_default_cert_file()}) {
    std::error_code error;
    if (*path == '\0' || !fs::is_regular_file(path, error)) continue;
    auto text = read_file(path, kRootsSizeMax);
    if (text && !text->starts_with(kBundleHead)) return *std::move(text);
  }
  return {};
}

bool add_certificate(STACK_OF(PKCS12_SAFEBAG) * *bags, X509* certificate, size_t number) {
  const std::string name = number == 0 ? "linarite" : "root-" + std::to_string(number);
  X509_alias_set1(certificate, reinterpret_cast<const unsigned char*>(name.data()),
                  static_cast<int>(name.size()));
  PKCS12_SAFEBAG* const bag = PKCS12_add_cert(bags, certificate);
  const ASN1_OBJECT* const any_purpose = OBJ_nid2obj(NID_anyExtendedKeyUsage);
  // -1: the bytes are an object, which is copied.
  return bag != nullptr &&
         PKCS12_add1_attr_by_txt(bag, kTrustedKeyUsage, V_ASN1_OBJECT,
                                 reinterpret_cast<const unsigned char*>(any_purpose), -1) == 1;
}

Result<std::string> encoded(const Bags& bags) {
  STACK_OF(PKCS7)* raw_safes = nullptr;
  // No encryption (-1): certificates are no secret.
  const bool added = PKCS12_add_safe(&raw_safes, bags.get(), -1, 0, nullptr) == 1;
  const Safes safes(raw_safes);
  const Store store(added ? PKCS12_add_safes(safes.get(), 0) : nullptr);
  const std::string password(kTrustStorePassword);
  if (!store || PKCS12_set_mac(store.get(), password.c_str(), -1, nullptr, 0, PKCS12_DEFAULT_ITER,
                               nullptr) != 1) {
    return fail(ErrorCode::kIoError, "OpenSSL could not make the Java trust store");
  }
  unsigned char* bytes = nullptr;
  const int size = i2d_PKCS12(store.get(), &bytes);
  if (size <= 0) return fail(ErrorCode::kIoError, "OpenSSL could not make the Java trust store");
  std::string out(reinterpret_cast<const char*>(bytes), static_cast<size_t>(size));
  OPENSSL_free(bytes);
  return out;
}

}  // namespace

Result<std::string> java_trust_store(std::string_view certificates_pem) {
  const Bio input(
      BIO_new_mem_buf(certificates_pem.data(), static_cast<int>(certificates_pem.size())));
  STACK_OF(PKCS12_SAFEBAG)* raw_bags = nullptr;
  size_t count = 0;
  bool whole = input != nullptr;
  while (whole) {
    const Certificate one(PEM_read_bio_X509(input.get(), nullptr, nullptr, nullptr));
    if (!one) break;
    whole = add_certificate(&raw_bags, one.get(), count++);
  }
  const Bags bags(raw_bags);
  if (!whole || count == 0) {
    return fail(ErrorCode::kMalformed, "there are no readable certificates for Java's trust store");
  }
  return encoded(bags);
}

Outcome<TrustFiles> write_trust_files(const fs::path& data_directory) {
  std::error_code error;
  fs::path directory = fs::absolute(data_directory, error);
  if (error) directory = data_directory;
  TrustFiles out = {.ca = directory / "ca.pem",
                    .bundle = directory / "ca-bundle.pem",
                    .java_store = directory / "ca-bundle.p12"};
  if (!fs::exists(out.ca, error) && error != std::errc::permission_denied) {
    return failed("there is no " + out.ca.string() +
                  ": start a hub on this data directory once, with 'linarite serve', or name "
                  "another with --data");
  }
  const auto ca = read_file(out.ca, kCaSizeMax);
  if (!ca) return std::unexpected(ca.error());
  const std::string bundle = std::string(kBundleHead) + *ca + "\n" + machine_roots();
  const auto before = read_file(out.bundle, kRootsSizeMax);
  if (before && *before == bundle && fs::exists(out.java_store, error)) return out;
  const auto store = java_trust_store(bundle);
  if (!store) return std::unexpected(store.error());
  // The bundle last: it is what is looked at to see whether anything has changed.
  if (auto written = write_file(out.java_store, *store); !written) {
    return std::unexpected(written.error());
  }
  if (auto written = write_file(out.bundle, bundle); !written) {
    return std::unexpected(written.error());
  }
  return out;
}

std::vector<std::pair<std::string, std::string>> trust_environment(
    const TrustFiles& files, std::string_view java_tool_options) {
  // The JVM splits the variable at blanks and knows quotes for a value that holds some.
  const auto property = [](const char* name, const std::string& value) {
    return "\"-Djavax.net.ssl." + std::string(name) + "=" + value + "\"";
  };
  std::string java(java_tool_options);
  if (!java.empty()) java += ' ';
  java += property("trustStore", files.java_store.string()) + " " +
          property("trustStoreType", "PKCS12") + " " +
          property("trustStorePassword", std::string(kTrustStorePassword));
  return {{"SSL_CERT_FILE", files.bundle.string()},
          {"REQUESTS_CA_BUNDLE", files.bundle.string()},
          {"NODE_EXTRA_CA_CERTS", files.ca.string()},
          {"JAVA_TOOL_OPTIONS", java}};
}

std::string trust_text(const TrustFiles& files) {
  std::string java;
  for (const auto& [name, value] : trust_environment(files, "")) {
    if (name == "JAVA_TOOL_OPTIONS") java = value;
  }
  const std::string bundle = shell_quoted(files.bundle.string());
  return "export SSL_CERT_FILE=" + bundle + " REQUESTS_CA_BUNDLE=" + bundle + "  # Python\n" +
         "export NODE_EXTRA_CA_CERTS=" + shell_quoted(files.ca.string()) + "  # Node.js\n" +
         "export JAVA_TOOL_OPTIONS=" + shell_quoted(java) + "  # Java\n" +
         "export SSL_CERT_FILE=" + bundle + "  # .NET, C, Go, Rust, curl\n";
}

std::string shell_quoted(std::string_view word) {
  std::string out = "'";
  for (const char c : word) {
    if (c == '\'') {
      out += "'\\''";
    } else {
      out += c;
    }
  }
  return out + "'";
}

}  // namespace linarite::cli
