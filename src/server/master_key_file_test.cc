#include "server/master_key_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

namespace linarite::server {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

class MasterKeyFileTest : public ::testing::Test {
 protected:
  MasterKeyFileTest() {
    char name[] = "/tmp/linarite_master_key_XXXXXX";
    folder_ = mkdtemp(name);
    file_ = folder_ / kMasterKeyFileName;
  }
  ~MasterKeyFileTest() override { fs::remove_all(folder_); }

  std::string text() {
    std::ifstream in(file_);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
  }
  std::string refusal() {
    const auto read = read_master_keys(file_, random_);
    if (read) return "";
    EXPECT_EQ(read.error().code, ErrorCode::kMasterKeyUnusable) << read.error().message;
    EXPECT_THAT(read.error().message, HasSubstr(file_.string()));
    return read.error().message;
  }

  fs::path folder_;
  fs::path file_;
  SeededRandom random_{1};
};

TEST_F(MasterKeyFileTest, WhatIsMadeIsReadAndForTheOwnerOnly) {
  const auto made = make_master_keys(file_, random_);
  ASSERT_TRUE(made);
  struct stat found{};
  ASSERT_EQ(::stat(file_.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 07777U, 0600U);
  EXPECT_EQ(read_master_keys(file_, random_)->text(), made->text());
  ASSERT_EQ(::chmod(file_.c_str(), 0400), 0);
  EXPECT_EQ(refusal(), "");
}

TEST_F(MasterKeyFileTest, IsReplacedWhole) {
  const auto first = make_master_keys(file_, random_);
  ASSERT_TRUE(write_master_keys(file_, first->with_new_key()));
  EXPECT_EQ(read_master_keys(file_, random_)->key_count(), 2U);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 1);
}

TEST_F(MasterKeyFileTest, AFileThatOthersMayReadIsRefused) {
  ASSERT_TRUE(make_master_keys(file_, random_));
  for (const mode_t mode : {0640U, 0604U, 0660U, 0644U, 0620U, 0602U, 0601U}) {
    ASSERT_EQ(::chmod(file_.c_str(), mode), 0);
    EXPECT_THAT(refusal(), HasSubstr("make it 0400 or 0600")) << mode;
  }
  ASSERT_EQ(::chmod(file_.c_str(), 0600), 0);
  EXPECT_EQ(refusal(), "");
}

// As systemd hands over a credential, and a container's runtime a secret.
TEST_F(MasterKeyFileTest, AnotherUsersFileMayBeReadThroughItsGroup) {
  if (::geteuid() != 0) return;  // Only root may give a file away.
  ASSERT_TRUE(make_master_keys(file_, random_));
  ASSERT_EQ(::chown(file_.c_str(), 12345, ::getegid()), 0);
  ASSERT_EQ(::chmod(file_.c_str(), 0440), 0);
  EXPECT_EQ(refusal(), "");
  ASSERT_EQ(::chmod(file_.c_str(), 0444), 0);
  EXPECT_THAT(refusal(), HasSubstr("0444"));
}

TEST_F(MasterKeyFileTest, WhatIsMissingDamagedOrNoFileIsNamed) {
  EXPECT_THAT(refusal(), HasSubstr("it is missing"));
  const auto made = make_master_keys(file_, random_);
  std::string damaged = made->text();
  damaged[damaged.find("key ") + 30] ^= 1;
  std::ofstream(file_) << damaged;
  EXPECT_THAT(refusal(), HasSubstr("damaged"));
  EXPECT_THAT(refusal(), Not(HasSubstr(damaged.substr(damaged.find("key "), 30))));
  std::ofstream(file_) << std::string(100'000, 'x');
  EXPECT_THAT(refusal(), HasSubstr("damaged"));
  std::ofstream(file_) << "";
  EXPECT_THAT(refusal(), HasSubstr("damaged"));
  fs::remove(file_);
  fs::create_directory(file_);
  EXPECT_THAT(refusal(), HasSubstr("no regular file"));
  fs::remove(file_);
  ASSERT_EQ(::mkfifo(file_.c_str(), 0600), 0);
  EXPECT_THAT(refusal(), HasSubstr("no regular file"));
}

TEST_F(MasterKeyFileTest, ADirectoryThatIsNotThereIsAnError) {
  const auto made = make_master_keys(folder_ / "none" / "master.key", random_);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, ErrorCode::kIoError);
}

}  // namespace
}  // namespace linarite::server
