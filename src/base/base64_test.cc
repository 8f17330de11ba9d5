#include "base/base64.h"

#include <gtest/gtest.h>

namespace linarite {
namespace {

TEST(Base64Test, KnowsTheVectorsOfRfc4648) {
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, coded] : vectors) {
    EXPECT_EQ(base64_encode(plain), coded);
    EXPECT_EQ(base64_decode(coded), plain);
  }
}

TEST(Base64Test, RefusesWhatIsNotStrict) {
  for (const char* bad :
       {"Zg", "Zg=", "Zg===", "Z===", "Zm 9", "Zm9v\n", "Zh==", "Zm9=", "_-__", "=Zg="}) {
    EXPECT_FALSE(base64_decode(bad)) << bad;
  }
}

}  // namespace
}  // namespace linarite
