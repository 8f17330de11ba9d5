#include "store/embedded/format.h"

#include <gtest/gtest.h>

namespace linarite::store {
namespace {

TEST(FormatTest, KeysOfPartitionsSortApartAndOurOwnSortLast) {
  EXPECT_EQ(partition_prefix(0), std::string("\0\0", 2));
  EXPECT_EQ(partition_prefix(1), std::string("\0\1", 2));
  EXPECT_EQ(partition_prefix(255), std::string("\0\xFF", 2));
  EXPECT_EQ(sequence_key(1), std::string("\xFF\xFF\0\1", 4));
  EXPECT_LT(partition_prefix(kPartitionCountMax - 1) + std::string(1024, '\xFF'), sequence_key(0));
}

TEST(FormatTest, ASealFitsItsRecordOnly) {
  const Bytes stored = seal_of(3, "key", "value") + "value";
  ASSERT_EQ(unseal(3, "key", stored), ByteView("value"));
  EXPECT_EQ(unseal(2, "key", stored).error().code, ErrorCode::kStoreCorrupt);
  EXPECT_EQ(unseal(3, "kex", stored).error().message,
            "the record with key 6b6578 of partition 3 fails its checksum");
  for (size_t i = 0; i < stored.size() * 8; ++i) {
    Bytes damaged = stored;
    damaged[i / 8] = static_cast<char>(damaged[i / 8] ^ (1 << (i % 8)));
    EXPECT_FALSE(unseal(3, "key", damaged));
  }
  EXPECT_FALSE(unseal(3, "key", stored.substr(0, 7)));
  EXPECT_FALSE(unseal(3, "key", ""));
  EXPECT_EQ(unseal(0, "", seal_of(0, "", "")), ByteView(""));
}

// The bytes on the disk: they may change only together with kFormatVersion.
TEST(FormatTest, TheFormatIsPinned) {
  EXPECT_EQ(format_text({.version = 1, .partition_count = 4}),
            "linarite-store format=1 partitions=4 checksum=a7a3c38f8d9622cc\n");
  EXPECT_EQ(high_water_text({0, 17}), "linarite-high-water 0 17 checksum=054d071770b68daa\n");
  EXPECT_EQ(seal_of(1, "key", "value"), "\x17k\x1E\xB2\x97\x8F\x99:");
}

TEST(FormatTest, ReadsBackWhatItWrote) {
  const Format format{.version = kFormatVersion, .partition_count = 256};
  EXPECT_EQ(parse_format(format_text(format)), format);
  const HighWater mark{0, 1, UINT64_MAX};
  EXPECT_EQ(parse_high_water(high_water_text(mark)), mark);
  EXPECT_LE(high_water_text(HighWater(kPartitionCountMax, UINT64_MAX)).size(), kOwnFileSizeMax);
}

TEST(FormatTest, RefusesAnUnknownVersionByName) {
  const auto refused = parse_format(format_text({.version = 4, .partition_count = 4}));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kStoreFormat);
  EXPECT_NE(refused.error().message.find("format 4"), std::string::npos);
}

TEST(FormatTest, RefusesDamage) {
  const Bytes format = format_text({.version = 1, .partition_count = 4});
  const Bytes mark = high_water_text({5, 6});
  for (size_t i = 0; i < format.size() * 8; ++i) {
    Bytes damaged = format;
    damaged[i / 8] = static_cast<char>(damaged[i / 8] ^ (1 << (i % 8)));
    EXPECT_EQ(parse_format(damaged).error().code, ErrorCode::kStoreCorrupt) << i;
  }
  for (size_t size = 0; size < mark.size(); ++size) {
    EXPECT_FALSE(parse_high_water(mark.substr(0, size)));
  }
  EXPECT_FALSE(parse_high_water(mark + "\n"));
  EXPECT_FALSE(parse_high_water(format));
  EXPECT_FALSE(parse_format(mark));
  EXPECT_FALSE(parse_high_water(high_water_text({})));
  EXPECT_FALSE(parse_format(format_text({.version = 1, .partition_count = 0})));
  EXPECT_FALSE(parse_format(format_text({.version = 1, .partition_count = 257})));
}

}  // namespace
}  // namespace linarite::store
