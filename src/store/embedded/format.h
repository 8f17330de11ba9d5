// What the embedded store writes, as pure functions: record keys, sealed values, and the sealed
// lines of its own two files. docs/store-format.md is the description.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "store/store.h"

namespace linarite::store {

// Format 2 added the log of each partition. A store of format 1 is one without logs: it is opened,
// and is of the newest format from then on. Format 3 is format 2 whose identities and policies have
// sealed keys (hub/records.h): an older program could not read them.
inline constexpr uint32_t kFormatVersion = 3;
inline constexpr uint32_t kFormatVersionWithoutLogs = 1;
inline constexpr size_t kSealSize = 8;          // Bytes before each stored value.
inline constexpr size_t kPartitionKeySize = 2;  // Bytes before each stored key.
inline constexpr size_t kOwnFileSizeMax = 16384;

// The big-endian number of a partition, which starts all of its keys.
Bytes partition_prefix(PartitionId partition);
// The key of a partition's batch sequence. It sorts after the records of every partition.
Bytes sequence_key(PartitionId partition);

// The 8 bytes that go before a value: XXH3 of the value, seeded with XXH3 of the key, seeded in
// turn with the partition. A value under the wrong key or partition does not fit either.
Bytes seal_of(PartitionId partition, ByteView key, ByteView value);
// The value without its seal, as a view of `stored`; kStoreCorrupt if the seal does not fit.
Result<ByteView> unseal(PartitionId partition, ByteView key, ByteView stored);

// The file `format`: which version wrote the store and how many partitions it has.
struct Format {
  uint32_t version = kFormatVersion;
  uint32_t partition_count = 0;
  bool operator==(const Format&) const = default;
};
Bytes format_text(const Format& format);
// kStoreCorrupt if the text is damaged, kStoreFormat if it is sound but of a version that we do not
// know.
Result<Format> parse_format(ByteView text);

// The file `high_water`: for each partition the sequence of a batch that is known to be durable.
// RocksDB's manifest too: a manifest that was cut between two of its entries looks sound to
// RocksDB.
using HighWater = std::vector<uint64_t>;
struct ManifestMark {
  uint64_t number = 0;  // Of the file MANIFEST-number.
  uint64_t size = 0;    // Bytes of it that are known to be durable.
  bool operator==(const ManifestMark&) const = default;
};
Bytes high_water_text(const HighWater& mark, std::optional<ManifestMark> manifest = std::nullopt);
Result<HighWater> parse_high_water(ByteView text);
// Nothing if the mark is damaged or does not say.
std::optional<ManifestMark> parse_manifest_mark(ByteView text);

}  // namespace linarite::store
