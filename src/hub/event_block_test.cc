// How a block lies in the store: packed where that saves something, and refused when damaged.
#include "hub/event_block.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace linarite::hub {
namespace {

using std::chrono::milliseconds;

constexpr uint64_t kFirst = 7;
constexpr uint64_t kOffset = 1000;

EventBlockPtr block_of(size_t count, const Bytes& sections) {
  EventBlockBuilder builder(kFirst, kOffset);
  for (size_t i = 0; i < count; ++i) {
    builder.add(
        {.annotations = "iothub-connection-device-id", .annotation_count = 1, .sections = sections},
        WallTime(milliseconds(i)));
  }
  return builder.finish();
}

TEST(EventBlockTest, WhatRepeatsIsPackedAndComesBackWhole) {
  const EventBlockPtr block = block_of(100, "the same words again");
  const Bytes stored = block->stored();
  EXPECT_LT(stored.size(), block->record().size() / 2);
  const auto read = EventBlock::decode(stored);
  ASSERT_TRUE(read);
  EXPECT_EQ((*read)->record(), block->record());
  EXPECT_EQ((*read)->first(), kFirst);
  EXPECT_EQ((*read)->next_offset(), block->next_offset())
      << "offsets are those of what is unpacked";
  EXPECT_EQ((*read)->back().sections, "the same words again");
}

TEST(EventBlockTest, KeepsNoRoomForMore) {
  const EventBlockPtr small = block_of(1, "a few words");
  EXPECT_LE(small->memory_bytes(), small->byte_count() + 256);
  const EventBlockPtr large = block_of(1000, Bytes(1000, 'x'));
  EXPECT_LE(large->memory_bytes(), large->byte_count() + large->byte_count() / 64);
}

TEST(EventBlockTest, NoiseIsStoredAsItIs) {
  const EventBlockPtr block = block_of(1, SeededRandom(1).bytes(2000));
  EXPECT_EQ(block->stored(), block->record());
}

TEST(EventBlockTest, ADamagedPackedBlockIsRefused) {
  const Bytes stored = block_of(100, "the same words again")->stored();
  EXPECT_FALSE(EventBlock::decode(stored.substr(0, stored.size() - 1)));
  EXPECT_FALSE(EventBlock::decode(stored + "x"));
  Bytes larger = stored;
  larger[21] = '\x7f';  // The size of the events.
  const auto refused = EventBlock::decode(larger);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kStoreCorrupt);
  Bytes other = stored;
  other.front() = 3;
  EXPECT_FALSE(EventBlock::decode(other)) << "a version that is not known";
}

}  // namespace
}  // namespace linarite::hub
