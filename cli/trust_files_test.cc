#include "cli/trust_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/pkcs12.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/clock.h"
#include "cli/files.h"
#include "net/certificate.h"

namespace linarite::cli {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

std::string make_ca_pem() {
  const net::KeyPtr key = net::make_p256_key();
  const WallTime now = SystemClock().wall();
  return net::to_pem(
      net::make_ca(key.get(), "test CA", {"127.0.0.1"}, {now, now + std::chrono::hours(1)})->get());
}

class TrustFilesTest : public ::testing::Test {
 protected:
  TrustFilesTest() {
    char name[] = "/tmp/linarite-trust-XXXXXX";
    directory_ = ::mkdtemp(name);
    EXPECT_TRUE(write_file(directory_ / "roots.pem", roots_));
    ::setenv("SSL_CERT_FILE", (directory_ / "roots.pem").c_str(), 1);
  }
  ~TrustFilesTest() override {
    ::unsetenv("SSL_CERT_FILE");
    fs::remove_all(directory_);
  }
  void start_hub() { EXPECT_TRUE(write_file(directory_ / "ca.pem", ca_)); }
  std::string content(const fs::path& path) { return *read_file(path, kRootsSizeMax); }

  const std::string roots_ = make_ca_pem();
  const std::string ca_ = make_ca_pem();
  fs::path directory_;
};

TEST_F(TrustFilesTest, NeedTheAuthorityOfAHub) {
  const auto files = write_trust_files(directory_);
  ASSERT_FALSE(files);
  EXPECT_THAT(files.error().message, HasSubstr("ca.pem"));
  EXPECT_THAT(files.error().message, HasSubstr("linarite serve"));
}

TEST_F(TrustFilesTest, TheBundleHoldsTheHubsAndTheMachinesRoots) {
  start_hub();
  const auto files = write_trust_files(directory_);
  ASSERT_TRUE(files) << files.error().message;
  EXPECT_THAT(content(files->bundle), HasSubstr(ca_));
  EXPECT_THAT(content(files->bundle), HasSubstr(roots_));
  EXPECT_EQ(content(files->ca), ca_);
  struct stat status = {};
  ASSERT_EQ(::stat(files->bundle.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(TrustFilesTest, AreMadeAnewOnlyWhenSomethingChanged) {
  start_hub();
  const auto files = write_trust_files(directory_);
  ASSERT_TRUE(files);
  const std::string store = content(files->java_store);
  ASSERT_TRUE(write_trust_files(directory_));
  EXPECT_EQ(content(files->java_store), store);  // Each making has another salt.
  ASSERT_TRUE(write_file(directory_ / "roots.pem", make_ca_pem()));
  ASSERT_TRUE(write_trust_files(directory_));
  EXPECT_NE(content(files->java_store), store);
}

// `linarite run -- linarite run`: the bundle of one hub does not go into that of another.
TEST_F(TrustFilesTest, ABundleOfOursIsNotTakenForTheMachinesRoots) {
  start_hub();
  const auto files = write_trust_files(directory_);
  ASSERT_TRUE(files);
  ::setenv("SSL_CERT_FILE", files->bundle.c_str(), 1);
  ASSERT_TRUE(write_trust_files(directory_));
  const std::string bundle = content(files->bundle);
  EXPECT_EQ(bundle.find(ca_), bundle.rfind(ca_));
}

TEST_F(TrustFilesTest, TheVariables) {
  const TrustFiles files = {
      .ca = "/a b/ca.pem", .bundle = "/a b/ca-bundle.pem", .java_store = "/a b/ca-bundle.p12"};
  const auto variables = trust_environment(files, "-Xmx1g");
  ASSERT_EQ(variables.size(), 4U);
  EXPECT_EQ(variables[0], std::make_pair(std::string("SSL_CERT_FILE"), files.bundle.string()));
  EXPECT_EQ(variables[3].first, "JAVA_TOOL_OPTIONS");
  EXPECT_THAT(variables[3].second,
              HasSubstr("-Xmx1g \"-Djavax.net.ssl.trustStore=/a b/ca-bundle.p12\""));
  EXPECT_THAT(trust_text(files), HasSubstr("export NODE_EXTRA_CA_CERTS='/a b/ca.pem'"));
}

TEST(ShellQuoted, ReadsBackAsOneWord) {
  EXPECT_EQ(shell_quoted("a b$c"), "'a b$c'");
  EXPECT_EQ(shell_quoted("it's"), "'it'\\''s'");
}

TEST(JavaTrustStore, MarksItsCertificatesAsTrusted) {
  const auto store = java_trust_store(make_ca_pem() + "between\n" + make_ca_pem());
  ASSERT_TRUE(store);
  const auto* bytes = reinterpret_cast<const unsigned char*>(store->data());
  PKCS12* const parsed = d2i_PKCS12(nullptr, &bytes, static_cast<long>(store->size()));
  ASSERT_NE(parsed, nullptr);
  EXPECT_EQ(PKCS12_verify_mac(parsed, std::string(kTrustStorePassword).c_str(), -1), 1);
  STACK_OF(X509)* all = nullptr;
  EVP_PKEY* key = nullptr;
  X509* own = nullptr;
  EXPECT_EQ(PKCS12_parse(parsed, std::string(kTrustStorePassword).c_str(), &key, &own, &all), 1);
  EXPECT_EQ(sk_X509_num(all), 2);
  EXPECT_EQ(key, nullptr);
  sk_X509_pop_free(all, X509_free);
  PKCS12_free(parsed);
  // 2.16.840.1.113894.746875.1.1 as DER, once for each certificate.
  const std::string attribute("\x06\x0c\x60\x86\x48\x01\x86\xf9\x66\xad\xca\x7b\x01\x01", 14);
  size_t count = 0;
  for (size_t at = store->find(attribute); at != std::string::npos;
       at = store->find(attribute, at + 1)) {
    ++count;
  }
  EXPECT_EQ(count, 2U);
}

TEST(JavaTrustStore, NeedsACertificate) {
  EXPECT_FALSE(java_trust_store(""));
  EXPECT_FALSE(java_trust_store("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"));
}

}  // namespace
}  // namespace linarite::cli
