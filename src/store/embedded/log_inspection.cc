#include "store/embedded/log_inspection.h"

#include <algorithm>
#include <array>

#include "base/check.h"

namespace linarite::store {
namespace {

constexpr size_t kHeaderSize = 7;
constexpr uint32_t kCrcMask = 0xA282EAD8U;

enum RecordType : uint8_t { kZero = 0, kFull = 1, kFirst = 2, kMiddle = 3, kLast = 4 };

constexpr std::array<uint32_t, 256> crc_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) {
      value = (value & 1U) != 0 ? (value >> 1U) ^ 0x82F63B78U : value >> 1U;
    }
    table[i] = value;
  }
  return table;
}

uint32_t little_endian(ByteView bytes) {
  uint32_t value = 0;
  for (size_t i = bytes.size(); i > 0; --i)
    value = (value << 8U) | static_cast<uint8_t>(bytes[i - 1]);
  return value;
}

bool is_zero(ByteView bytes) { return bytes.find_first_not_of('\0') == ByteView::npos; }

}  // namespace

uint32_t masked_log_crc(ByteView bytes) {
  static constexpr std::array<uint32_t, 256> kTable = crc_table();
  uint32_t crc = 0xFFFFFFFFU;
  for (const char byte : bytes)
    crc = (crc >> 8U) ^ kTable[(crc ^ static_cast<uint8_t>(byte)) & 0xFFU];
  crc = ~crc;
  return ((crc >> 15U) | (crc << 17U)) + kCrcMask;
}

// In a damaged record the length may be what is damaged. Followed anyway, it leads either to a
// record with a fitting checksum, or to nothing more in this block.
void LogInspector::feed(ByteView block) {
  CHECK(block.size() <= kLogBlockSize);
  const uint64_t start = block_offset_;
  block_offset_ += block.size();
  for (size_t at = 0; at < block.size();) {
    const ByteView rest = block.substr(at);
    const uint64_t offset = start + at;
    if (rest.size() < kHeaderSize) {
      // The trailer of a whole block is zero; at the end of the log this is a cut header.
      if (block.size() == kLogBlockSize && is_zero(rest)) return;
      collected_from_.reset();
      if (!damage_) damage_ = group_.value_or(offset);
      return;
    }
    const uint32_t crc = little_endian(rest.substr(0, 4));
    const size_t length = little_endian(rest.substr(4, 2));
    const auto type = static_cast<uint8_t>(rest[6]);
    if (length > rest.size() - kHeaderSize || type == kZero) {
      collected_from_.reset();
      if (!damage_) damage_ = group_.value_or(offset);
      return;
    }
    if (masked_log_crc(rest.substr(6, 1 + length)) == crc) {
      record(type, offset);
      collect(type, offset, rest.substr(kHeaderSize, length));
    } else {
      collected_from_.reset();
      if (!damage_) damage_ = group_.value_or(offset);
    }
    at += kHeaderSize + length;
  }
}

void LogInspector::record(uint8_t type, uint64_t offset) {
  const bool begins = type == kFull || type == kFirst;
  if (damage_) {
    group_after_damage_ = group_after_damage_ || begins;
    return;
  }
  if (begins == group_.has_value()) {
    // A group that never ended, or one that never began. In the first case a later one is already
    // here.
    damage_ = group_.value_or(offset);
    group_after_damage_ = begins;
    return;
  }
  if (type == kFirst) group_ = offset;
  if (type == kLast) group_.reset();
}

// A group counts as whole only if nothing between its fragments was left out.
void LogInspector::collect(uint8_t type, uint64_t offset, ByteView payload) {
  if (!visit_) return;
  if (type == kFull || type == kFirst) {
    collected_from_ = offset;
    collected_.clear();
  }
  if (!collected_from_) return;
  collected_.append(payload);
  if (type != kFull && type != kLast) return;
  visit_(*collected_from_, collected_);
  collected_from_.reset();
}

LogState LogInspector::state() const {
  if (group_after_damage_) return LogState::kDamaged;
  return damage_ || group_ ? LogState::kTorn : LogState::kSound;
}

}  // namespace linarite::store
