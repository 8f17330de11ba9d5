#include "store/embedded/log_inspection.h"

#include <gtest/gtest.h>

#include "store/embedded/scratch_store.h"

namespace linarite::store {
namespace {

enum : uint8_t { kFull = 1, kFirst = 2, kMiddle = 3, kLast = 4 };

Bytes record(uint8_t type, ByteView payload) {
  const Bytes checked = Bytes(1, static_cast<char>(type)).append(payload);
  const uint32_t crc = masked_log_crc(checked);
  Bytes out;
  for (unsigned i = 0; i < 4; ++i) out += static_cast<char>((crc >> (8 * i)) & 0xFFU);
  out += static_cast<char>(payload.size() & 0xFFU);
  out += static_cast<char>(payload.size() >> 8U);
  return out + checked;
}

// A log as RocksDB writes it, from groups.
Bytes log_of(const std::vector<Bytes>& groups) {
  Bytes out;
  for (const Bytes& group : groups) {
    size_t at = 0;
    do {
      const size_t left = kLogBlockSize - out.size() % kLogBlockSize;
      if (left < 7) out.append(left, '\0');
      const size_t room = kLogBlockSize - out.size() % kLogBlockSize - 7;
      const size_t size = std::min(room, group.size() - at);
      const bool first = at == 0;
      const bool last = at + size == group.size();
      const uint8_t type = first ? (last ? kFull : kFirst) : (last ? kLast : kMiddle);
      out += record(type, ByteView(group).substr(at, size));
      at += size;
    } while (at < group.size());
  }
  return out;
}

LogState inspect(ByteView log) {
  LogInspector inspector;
  for (size_t at = 0; at < log.size(); at += kLogBlockSize) {
    inspector.feed(log.substr(at, kLogBlockSize));
  }
  return inspector.state();
}

// The same log with `count` bytes at `offset` never written.
Bytes hole(Bytes log, size_t offset, size_t count) {
  return log.replace(offset, count, count, '\0');
}

TEST(LogInspectionTest, KnowsTheChecksum) {
  // RFC 3720, B.4: 32 zero bytes have CRC-32C 0x8A9136AA; then RocksDB's mask.
  const uint32_t crc = 0x8A9136AAU;
  EXPECT_EQ(masked_log_crc(Bytes(32, '\0')), ((crc >> 15U) | (crc << 17U)) + 0xA282EAD8U);
}

TEST(LogInspectionTest, SoundLogs) {
  EXPECT_EQ(inspect(""), LogState::kSound);
  EXPECT_EQ(inspect(log_of({"a"})), LogState::kSound);
  EXPECT_EQ(inspect(log_of({Bytes(100'000, 'a'), "b", Bytes(40'000, 'c')})), LogState::kSound);
  // A trailer of six bytes, and none.
  EXPECT_EQ(inspect(log_of({Bytes(kLogBlockSize - 7 - 6, 'a'), "b"})), LogState::kSound);
  EXPECT_EQ(inspect(log_of({Bytes(kLogBlockSize - 7, 'a'), "b"})), LogState::kSound);
}

TEST(LogInspectionTest, AnythingMayBeMissingFromTheLastGroup) {
  const Bytes before = log_of({"a", Bytes(50'000, 'b')});
  const Bytes log = log_of({"a", Bytes(50'000, 'b'), Bytes(90'000, 'c')});
  for (size_t size = before.size() + 1; size < log.size(); size += 97) {
    ASSERT_EQ(inspect(log.substr(0, size)), LogState::kTorn) << size;
  }
  for (size_t offset = before.size(); offset < log.size(); offset += 97) {
    const size_t count = std::min<size_t>(4096, log.size() - offset);
    ASSERT_EQ(inspect(hole(log, offset, count)), LogState::kTorn) << offset;
  }
  EXPECT_EQ(inspect(before + Bytes(70'000, '\0')), LogState::kTorn);
  EXPECT_EQ(inspect(Bytes(70'000, '\0')), LogState::kTorn);
}

TEST(LogInspectionTest, NothingMayBeMissingBeforeALaterGroup) {
  const Bytes before = log_of({"a", Bytes(50'000, 'b')});
  const Bytes log = log_of({"a", Bytes(50'000, 'b'), Bytes(90'000, 'c'), Bytes(40'000, 'd')});
  for (size_t offset = 0; offset < before.size(); offset += 97) {
    const size_t count = std::min<size_t>(512, before.size() - offset);
    ASSERT_EQ(inspect(hole(log, offset, count)), LogState::kDamaged) << offset;
  }
}

TEST(LogInspectionTest, AFlippedBitBeforeALaterGroupIsDamage) {
  const Bytes before = log_of({"a", Bytes(300, 'b')});
  const Bytes log = log_of({"a", Bytes(300, 'b'), Bytes(40'000, 'c'), "d"});
  for (size_t bit = 0; bit < before.size() * 8; ++bit) {
    Bytes flipped = log;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    ASSERT_EQ(inspect(flipped), LogState::kDamaged) << bit;
  }
}

TEST(LogInspectionTest, FragmentsMustFollowEachOther) {
  EXPECT_EQ(inspect(record(kMiddle, "a")), LogState::kTorn);
  EXPECT_EQ(inspect(record(kMiddle, "a") + record(kFull, "b")), LogState::kDamaged);
  EXPECT_EQ(inspect(record(kFirst, "a") + record(kFull, "b")), LogState::kDamaged);
  EXPECT_EQ(inspect(record(kFirst, "a") + record(kMiddle, "b")), LogState::kTorn);
  EXPECT_EQ(inspect(record(9, "a")), LogState::kTorn);
}

// The logs that RocksDB really writes: the store is copied while open, as a power cut would leave
// it.
class TornStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(store_.open());
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(store_.put(std::to_string(i), Bytes(1000, 'v')));
    synced_ = std::filesystem::file_size(log(store_path()));
    ASSERT_TRUE(store_.put("last", Bytes(60'000, 'v')));
    store_.wait_for_mark();
    std::filesystem::copy(store_path(), copy_path(), std::filesystem::copy_options::recursive);
    bytes_ = read_whole(log(copy_path()));
  }
  std::string store_path() const { return directory_ / "store"; }
  std::string copy_path() const { return directory_ / "copy"; }
  static std::string log(const std::string& store) {
    for (const auto& entry : std::filesystem::directory_iterator(store + "/rocksdb")) {
      if (entry.path().extension() == ".log") return entry.path();
    }
    return "";
  }

  ScratchDirectory directory_;
  ScratchStore store_{directory_ / "store"};
  size_t synced_ = 0;
  Bytes bytes_;
};

TEST_F(TornStoreTest, ItsLogIsSound) { EXPECT_EQ(inspect(bytes_), LogState::kSound); }

TEST_F(TornStoreTest, AHoleInTheLastGroupDropsThatGroupOnly) {
  // The last group was never acknowledged in this story, so no mark covers it either.
  const size_t end = synced_ + 60'000;
  write_whole(copy_path() + "/high_water", high_water_text({20}));
  write_whole(log(copy_path()), hole(bytes_.substr(0, end), synced_ + 4096, 4096));
  Logger logger = Logger::none();
  const auto checked = check_store(copy_path(), logger);
  ASSERT_TRUE(checked) << checked.error().message;
  EXPECT_EQ(checked->batch_count, 20U);
  ScratchStore reopened(copy_path());
  const Status status = reopened.open();
  ASSERT_TRUE(status) << status.error().message;
  EXPECT_EQ(reopened->sequence(0), 20U);
  EXPECT_EQ(reopened.get("19"), Bytes(1000, 'v'));
  EXPECT_EQ(reopened.get("last"), "-");
  EXPECT_TRUE(reopened.put("new", "1"));
}

TEST_F(TornStoreTest, TheSameHoleBelowTheMarkIsALoss) {
  const size_t end = synced_ + 60'000;
  write_whole(log(copy_path()), hole(bytes_.substr(0, end), synced_ + 4096, 4096));
  ScratchStore reopened(copy_path());
  const Status status = reopened.open();
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().message.find("acknowledged batches are missing"), std::string::npos);
}

TEST_F(TornStoreTest, AHoleBeforeTheLastGroupIsDamage) {
  write_whole(copy_path() + "/high_water", high_water_text({0}));
  write_whole(log(copy_path()), hole(bytes_, synced_ / 2, 512));
  ScratchStore reopened(copy_path());
  const Status status = reopened.open();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kStoreCorrupt);
  EXPECT_NE(status.error().message.find("is damaged at byte"), std::string::npos);
}

}  // namespace
}  // namespace linarite::store
