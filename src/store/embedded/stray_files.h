// RocksDB's files read one by one, without the database that they belong to: what is left when the
// manifest is gone or says of a file what is not true. Everything here distrusts what it reads: a
// record counts only if its seal fits (format.h).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/error.h"
#include "store/store.h"

namespace linarite::store {

// A record as it is stored, with its seal proved.
struct StrayRecord {
  PartitionId partition = 0;
  Bytes key;
  Bytes value;
};

// Of stored bytes, or nothing if they are no record of a partition.
std::optional<StrayRecord> stray_record(ByteView stored_key, ByteView stored_value);

// One table file.
class StrayTable {
 public:
  // kStoreCorrupt if it can't be opened at all.
  static Result<std::unique_ptr<StrayTable>> open(const std::string& path);
  ~StrayTable();

  // The column family whose records it holds; empty if the table does not say.
  std::string family() const;
  uint64_t entry_count() const;
  // Reads all of it; kStoreCorrupt at the first block whose checksum does not fit.
  Status verify() const;

  // Walks over what can be read, in the order of the keys. Blocks that are damaged are left out.
  class Cursor {
   public:
    explicit Cursor(const StrayTable& table);
    ~Cursor();
    Cursor(Cursor&&) noexcept;
    // The next record, or nothing at the end.
    std::optional<StrayRecord> next();

   private:
    struct Place;
    bool step();
    bool skip_damage();
    std::unique_ptr<Place> place_;
  };

 private:
  struct Reader;
  explicit StrayTable(std::unique_ptr<Reader> reader);
  std::unique_ptr<Reader> reader_;
};

// What a group in RocksDB's log does to one key.
struct StrayWrite {
  bool to_log = false;  // To the partition's log, else to its records.
  ByteView stored_key;
  std::optional<ByteView> stored_value;  // Nothing: it is erased.
};

// False if the group can't be read to its end. Ranges that are erased are not told.
bool for_each_write(ByteView group, const std::function<void(const StrayWrite&)>& visit);

}  // namespace linarite::store
