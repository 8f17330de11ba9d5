#include "store/embedded/stray_files.h"

#include <rocksdb/options.h>
#include <rocksdb/sst_file_reader.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <exception>
#include <utility>

#include "store/embedded/format.h"

namespace linarite::store {
namespace {

rocksdb::Slice slice(ByteView view) { return {view.data(), view.size()}; }
ByteView view(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

// RocksDB is not written with exceptions, but what a damaged length makes it allocate may throw.
template <class Call>
rocksdb::Status guarded(Call call) {
  try {
    return call();
  } catch (const std::exception& exception) {
    return rocksdb::Status::Corruption("unreadable", exception.what());
  }
}

// A key about half way between two; `low` if there is none that differs in eight bytes behind what
// they have in common.
Bytes key_between(ByteView low, ByteView high) {
  const size_t common = static_cast<size_t>(std::ranges::mismatch(low, high).in1 - low.begin());
  const auto number = [common](ByteView key) {
    uint64_t value = 0;
    for (size_t i = common; i < common + sizeof(value); ++i) {
      value = (value << 8U) | (i < key.size() ? static_cast<uint8_t>(key[i]) : 0U);
    }
    return value;
  };
  const uint64_t from = number(low);
  const uint64_t to = number(high);
  if (to <= from + 1) return Bytes(low);
  Bytes key(low.substr(0, common));
  ByteWriter(key).number(from + (to - from) / 2);
  return key;
}

}  // namespace

std::optional<StrayRecord> stray_record(ByteView stored_key, ByteView stored_value) {
  const auto partition = ByteReader(stored_key).number<uint16_t>();
  if (!partition || *partition >= kPartitionCountMax) return std::nullopt;
  const ByteView key = stored_key.substr(kPartitionKeySize);
  const auto value = unseal(*partition, key, stored_value);
  if (!value) return std::nullopt;
  return StrayRecord{.partition = *partition, .key = Bytes(key), .value = Bytes(*value)};
}

struct StrayTable::Reader {
  rocksdb::Options options;
  std::unique_ptr<rocksdb::SstFileReader> file;

  std::unique_ptr<rocksdb::Iterator> iterator() const {
    rocksdb::ReadOptions how;
    // A damaged block is left out whole: RocksDB aborts on some that it reads without their
    // checksum.
    how.verify_checksums = true;
    how.fill_cache = false;
    return std::unique_ptr<rocksdb::Iterator>(file->NewIterator(how));
  }
};

StrayTable::StrayTable(std::unique_ptr<Reader> reader) : reader_(std::move(reader)) {}
StrayTable::~StrayTable() = default;

Result<std::unique_ptr<StrayTable>> StrayTable::open(const std::string& path) {
  auto reader = std::make_unique<Reader>();
  reader->file = std::make_unique<rocksdb::SstFileReader>(reader->options);
  const rocksdb::Status status = guarded([&] { return reader->file->Open(path); });
  if (!status.ok()) return fail(ErrorCode::kStoreCorrupt, status.ToString());
  return std::unique_ptr<StrayTable>(new StrayTable(std::move(reader)));
}

std::string StrayTable::family() const {
  return reader_->file->GetTableProperties()->column_family_name;
}

uint64_t StrayTable::entry_count() const {
  return reader_->file->GetTableProperties()->num_entries;
}

Status StrayTable::verify() const {
  const rocksdb::Status status = guarded([&] { return reader_->file->VerifyChecksum(); });
  if (status.ok()) return {};
  return fail(ErrorCode::kStoreCorrupt, status.ToString());
}

struct StrayTable::Cursor::Place {
  const Reader* reader;
  std::unique_ptr<rocksdb::Iterator> at;
  Bytes last;      // The key of the last record that was read.
  Bytes position;  // The key of the last entry that was looked at, whole or not.
  bool started = false;
};

StrayTable::Cursor::Cursor(const StrayTable& table)
    : place_(std::make_unique<Place>(Place{.reader = table.reader_.get(),
                                           .at = table.reader_->iterator(),
                                           .last = {},
                                           .position = {}})) {}
StrayTable::Cursor::~Cursor() = default;
StrayTable::Cursor::Cursor(Cursor&&) noexcept = default;

std::optional<StrayRecord> StrayTable::Cursor::next() {
  while (step()) {
    const Bytes key(view(place_->at->key()));
    place_->position = key;
    // A damaged block may have its keys in any order.
    if (place_->started && key <= place_->last) continue;
    auto record = stray_record(key, view(place_->at->value()));
    if (!record) continue;
    place_->last = key;
    place_->started = true;
    return record;
  }
  return std::nullopt;
}

// To the next entry that RocksDB can make out.
bool StrayTable::Cursor::step() {
  const rocksdb::Status status = guarded([&] {
    if (place_->at->Valid()) {
      place_->at->Next();
    } else {
      place_->at->SeekToFirst();
    }
    return place_->at->status();
  });
  return place_->at->Valid() || (!status.ok() && skip_damage());
}

// The first key behind the damage is looked for by halving, up to the last key of the table.
bool StrayTable::Cursor::skip_damage() {
  const auto reaches = [this](ByteView key) {
    place_->at = place_->reader->iterator();
    const rocksdb::Status status = guarded([&] {
      place_->at->Seek(slice(key));
      return place_->at->status();
    });
    return status.ok() && place_->at->Valid();
  };
  const std::unique_ptr<rocksdb::Iterator> last = place_->reader->iterator();
  const rocksdb::Status ended = guarded([&] {
    last->SeekToLast();
    return last->status();
  });
  if (!ended.ok() || !last->Valid()) return false;
  Bytes low = place_->position;
  Bytes high(view(last->key()));
  if (high <= low) return false;
  for (Bytes middle = key_between(low, high); middle > low && middle < high;
       middle = key_between(low, high)) {
    (reaches(middle) ? high : low) = middle;
  }
  return reaches(high) && view(place_->at->key()) > ByteView(place_->position);
}

bool for_each_write(ByteView group, const std::function<void(const StrayWrite&)>& visit) {
  struct Reader final : rocksdb::WriteBatch::Handler {
    explicit Reader(const std::function<void(const StrayWrite&)>& to) : visit(to) {}
    rocksdb::Status PutCF(uint32_t family, const rocksdb::Slice& key,
                          const rocksdb::Slice& value) override {
      visit({.to_log = family != 0, .stored_key = view(key), .stored_value = view(value)});
      return rocksdb::Status::OK();
    }
    rocksdb::Status DeleteCF(uint32_t family, const rocksdb::Slice& key) override {
      visit({.to_log = family != 0, .stored_key = view(key), .stored_value = std::nullopt});
      return rocksdb::Status::OK();
    }
    rocksdb::Status DeleteRangeCF(uint32_t, const rocksdb::Slice&, const rocksdb::Slice&) override {
      return rocksdb::Status::OK();
    }
    const std::function<void(const StrayWrite&)>& visit;
  };
  constexpr size_t kHeaderSize = 12;  // Sequence number and count.
  if (group.size() < kHeaderSize) return false;
  Reader reader(visit);
  const rocksdb::Status status =
      guarded([&] { return rocksdb::WriteBatch(std::string(group)).Iterate(&reader); });
  return status.ok();
}

}  // namespace linarite::store
