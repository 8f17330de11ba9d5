// Tells a torn log from a damaged one, which RocksDB's recovery modes cannot.
//
// A power cut may leave any part of the last, unsynced group of a log unwritten, also one in its
// middle: a hole with sound fragments of the same group behind it. RocksDB refuses that in its
// strict modes, and in the others it drops everything behind any damage. We write one group at a
// time and sync it before the next, so the rule is: damage with no beginning of a later group
// behind it is a torn tail and was never acknowledged; damage with one behind it destroyed
// acknowledged batches.
//
// The form of the log is RocksDB's (wiki page "Write Ahead Log File Format"): blocks of 32 KiB of
// records, each a header (CRC-32C of the rest, 4 bytes; length, 2; type, 1; little endian) and its
// payload. A group is one record of type full, or first, middle..., last. Logs are not recycled.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "base/bytes.h"

namespace linarite::store {

inline constexpr size_t kLogBlockSize = 32768;

enum class LogState : uint8_t { kSound, kTorn, kDamaged };

class LogInspector {
 public:
  // Is given each whole group, with the offset of its beginning, also those behind damage.
  using GroupVisitor = std::function<void(uint64_t offset, ByteView group)>;

  LogInspector() = default;
  explicit LogInspector(GroupVisitor visit) : visit_(std::move(visit)) {}

  // The blocks of a log from the first to the last; only the last may be shorter than
  // kLogBlockSize.
  void feed(ByteView block);

  LogState state() const;
  // Where the first damage begins. For kTorn and kDamaged.
  uint64_t damage_offset() const { return damage_ ? *damage_ : group_.value_or(0); }

 private:
  void record(uint8_t type, uint64_t offset);
  void collect(uint8_t type, uint64_t offset, ByteView payload);

  uint64_t block_offset_ = 0;
  std::optional<uint64_t> group_;  // Where the group that is being read began.
  std::optional<uint64_t> damage_;
  bool group_after_damage_ = false;

  GroupVisitor visit_;
  std::optional<uint64_t> collected_from_;  // Where the group in collected_ began.
  Bytes collected_;
};

// CRC-32C (Castagnoli), as RocksDB masks it in its logs. Seen here for tests that make logs.
uint32_t masked_log_crc(ByteView bytes);

}  // namespace linarite::store
