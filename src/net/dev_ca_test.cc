#include "net/dev_ca.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <fstream>

#include "base/clock.h"

namespace linarite::net {
namespace {

using std::chrono::days;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class DevCaTest : public ::testing::Test {
 protected:
  DevCaTest() {
    char name[] = "/tmp/linarite_dev_ca_XXXXXX";
    root_ = mkdtemp(name);
  }
  ~DevCaTest() override { std::filesystem::remove_all(root_); }

  Result<DevCertificates> open(HostNames names = {}, HostNames extra = {}) {
    return open_dev_ca({root_ / "tls", std::move(names), std::move(extra), false, now_});
  }
  std::filesystem::path file(const std::string& name) const { return root_ / "tls" / name; }

  std::filesystem::path root_;
  WallTime now_ = SystemClock().wall();
};

TEST_F(DevCaTest, TheFirstStartMakesEverythingAndTheSecondNothing) {
  const auto first = open();
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_TRUE(first->ca_made);
  EXPECT_FALSE(first->ca_replaced);
  EXPECT_TRUE(first->certificates_made);
  ASSERT_EQ(first->certificates.size(), 2U);
  const X509Ptr ca = certificate_from_pem(first->ca_pem);
  for (const CertificateAndKey& pair : first->certificates) {
    const X509Ptr leaf = certificate_from_pem(pair.chain_pem);
    EXPECT_TRUE(is_issued_by(leaf.get(), ca.get()));
    EXPECT_TRUE(belong_together(leaf.get(), key_from_pem(pair.key_pem).get()));
    EXPECT_THAT(names_of(leaf.get()), ElementsAre("localhost", "127.0.0.1", "::1"));
    EXPECT_GT(expiry_of(leaf.get()), now_ + days(89));
  }
  const auto second = open();
  ASSERT_TRUE(second);
  EXPECT_FALSE(second->ca_made);
  EXPECT_FALSE(second->certificates_made);
  EXPECT_EQ(second->certificates[1].chain_pem, first->certificates[1].chain_pem);
}

TEST_F(DevCaTest, TheRsaCertificateMayComeLater) {
  const auto first = open_dev_ca({root_ / "tls", {}, {}, true, now_});
  ASSERT_TRUE(first);
  EXPECT_TRUE(first->rsa_deferred);
  EXPECT_EQ(first->certificates.size(), 1U);
  const auto later = open();
  EXPECT_EQ(later->certificates.size(), 2U);
  EXPECT_EQ(later->certificates[0].chain_pem, first->certificates[0].chain_pem);
  EXPECT_FALSE(open_dev_ca({root_ / "tls", {}, {}, true, now_})->rsa_deferred);
}

TEST_F(DevCaTest, OnlyTheOwnerMayReadTheFiles) {
  ASSERT_TRUE(open());
  for (const char* name : {"ca.pem", "ca.key", "server-p256.pem", "server-p256.key",
                           "server-rsa.pem", "server-rsa.key"}) {
    struct stat about{};
    ASSERT_EQ(::stat(file(name).c_str(), &about), 0) << name;
    EXPECT_EQ(about.st_mode & 0777U, 0600U) << name;
  }
}

TEST_F(DevCaTest, ANewHostNameReplacesTheCaBecauseTheOldOneMayNotSignIt) {
  const auto first = open();
  const auto second = open({"Hub.Example", "10.0.0.7"});
  ASSERT_TRUE(second);
  EXPECT_TRUE(second->ca_replaced);
  EXPECT_NE(second->ca_pem, first->ca_pem);
  EXPECT_THAT(second->names,
              ElementsAre("hub.example", "10.0.0.7", "localhost", "127.0.0.1", "::1"));
  const auto without = open();
  EXPECT_FALSE(without->ca_made);
  EXPECT_TRUE(without->certificates_made);
  EXPECT_EQ(without->ca_pem, second->ca_pem);
}

TEST_F(DevCaTest, ANewMachineNameKeepsTheCa) {
  const auto first = open({}, {"box1"});
  EXPECT_THAT(first->names, ElementsAre("localhost", "127.0.0.1", "::1", "box1"));
  const auto second = open({}, {"box2", "not a name"});
  EXPECT_FALSE(second->ca_made);
  EXPECT_THAT(second->names, ElementsAre("localhost", "127.0.0.1", "::1"));
}

TEST_F(DevCaTest, CertificatesAreRenewedInTimeWithTheSameKeys) {
  const auto first = open();
  now_ += days(59);
  EXPECT_FALSE(open()->certificates_made);
  now_ += days(2);
  const auto renewed = open();
  EXPECT_TRUE(renewed->certificates_made);
  EXPECT_FALSE(renewed->ca_made);
  EXPECT_EQ(renewed->certificates[0].key_pem, first->certificates[0].key_pem);
  EXPECT_EQ(renewed->certificates[1].key_pem, first->certificates[1].key_pem);
  EXPECT_NE(renewed->certificates[1].chain_pem, first->certificates[1].chain_pem);
}

TEST_F(DevCaTest, TheCaMaySignOnlyItsNames) {
  const auto made = open({"hub.example"});
  const X509Ptr ca = certificate_from_pem(made->ca_pem);
  EXPECT_TRUE(allows_name(ca.get(), "hub.example"));
  EXPECT_TRUE(allows_name(ca.get(), "sub.hub.example"));
  EXPECT_FALSE(allows_name(ca.get(), "bank.example"));
  EXPECT_TRUE(allows_name(ca.get(), "::1"));
  EXPECT_FALSE(allows_name(ca.get(), "10.1.2.3"));
  EXPECT_FALSE(allows_name(ca.get(), "::2"));
}

TEST_F(DevCaTest, DamagedFilesOfTheCaAreNeverReplacedSilently) {
  ASSERT_TRUE(open());
  std::ofstream(file("ca.key")) << "damaged";
  const auto refused = open();
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("restore them, or delete both"));
}

TEST_F(DevCaTest, AFirstStartThatWasCutShortIsFinished) {
  ASSERT_TRUE(open());
  std::filesystem::remove(file("ca.pem"));
  std::filesystem::remove(file("server-rsa.pem"));
  const auto again = open();
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_TRUE(again->ca_made);
}

TEST_F(DevCaTest, NamesThatAreNoneAreRefused) {
  for (const char* name : {"", "a b", "-a", "a-", "a..b", "a.", "a,DNS:evil",
                           "h\xC3\xBC"
                           "b",
                           "*"}) {
    EXPECT_FALSE(open({name})) << name;
  }
  EXPECT_TRUE(is_host_name("a-1.b2"));
  EXPECT_FALSE(is_host_name(std::string(64, 'a')));
  EXPECT_FALSE(is_host_name(std::string(254, 'a')));
}

TEST_F(DevCaTest, ADirectoryThatCannotBeMadeIsNamed) {
  std::ofstream(root_ / "tls") << "a file";
  EXPECT_THAT(open().error().message, HasSubstr((root_ / "tls").string()));
}

}  // namespace
}  // namespace linarite::net
