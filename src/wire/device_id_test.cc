#include "wire/device_id.h"

#include <gtest/gtest.h>

namespace linarite::wire {
namespace {

TEST(DeviceId, TheAlphabetIsExactlyAzures) {
  const std::string_view allowed =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-:.+%_#*?!(),=@;$'";
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    EXPECT_EQ(is_valid_device_id({&c, 1}), allowed.find(c) != std::string_view::npos) << byte;
  }
}

TEST(DeviceId, HasOneTo128Characters) {
  EXPECT_FALSE(is_valid_device_id(""));
  EXPECT_TRUE(is_valid_device_id(std::string(128, 'd')));
  EXPECT_FALSE(is_valid_device_id(std::string(129, 'd')));
  EXPECT_FALSE(is_valid_device_id("a b"));
  EXPECT_FALSE(is_valid_device_id("a/b"));
  EXPECT_FALSE(is_valid_device_id("d\xC3\xA4"));
  EXPECT_FALSE(is_valid_device_id(std::string_view("d\0", 2)));
}

TEST(Identity, TextAndValidity) {
  EXPECT_EQ(identity_text({"d", ""}), "d");
  EXPECT_EQ(identity_text({"d", "m"}), "d/m");
  EXPECT_TRUE(is_valid_identity({"d", ""}));
  EXPECT_TRUE(is_valid_identity({"d", "$edgeAgent"}));
  EXPECT_FALSE(is_valid_identity({"", "m"}));
  EXPECT_FALSE(is_valid_identity({"d", "m/n"}));
  EXPECT_NE((Identity{"d", ""}), (Identity{"D", ""}));
}

}  // namespace
}  // namespace linarite::wire
