#include "store/embedded/database.h"

#include <fmt/format.h>
#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/listener.h>
#include <rocksdb/perf_level.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/table.h>

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdio>
#include <exception>
#include <limits>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "base/check.h"
#include "store/embedded/write_group.h"

namespace linarite::store {
namespace {

constexpr size_t kCacheBytes = size_t{32} << 20U;
constexpr uint64_t kManifestBytesMax = uint64_t{16} << 20U;
constexpr size_t kManifestReserveBytes = size_t{64} << 10U;
constexpr uint64_t kBytesPerSync = uint64_t{1} << 20U;
constexpr int kMemtablesMax = 3;  // One being filled, the others being written out.
constexpr int kOpenTablesMax = 512;
// A log of RocksDB is kept until all column families have written out what is in it.
constexpr uint64_t kWalMemtables = 4;
constexpr int kBackgroundJobsMax = 2;
constexpr double kBloomBitsPerKey = 10;
constexpr size_t kLogLineMax = 512;

rocksdb::Slice slice(ByteView view) { return {view.data(), view.size()}; }
ByteView view(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

Error to_error(const rocksdb::Status& status) {
  if (status.IsCorruption()) return {ErrorCode::kStoreCorrupt, status.ToString()};
  return {ErrorCode::kIoError, status.ToString()};
}

// A file that RocksDB knows but that is not there, or a database that cannot be understood, is
// damage: the format file has already vouched for version and place.
Error to_open_error(const rocksdb::Status& status) {
  if (status.IsPathNotFound() || status.IsInvalidArgument() || status.IsNotSupported() ||
      status.IsNotFound()) {
    return {ErrorCode::kStoreCorrupt, status.ToString()};
  }
  return to_error(status);
}

// RocksDB is not written with exceptions, but what it allocates may throw.
// Its counters of each comparison, which nobody reads, are a tenth of what a write takes.
template <class Call>
rocksdb::Status guarded(Call call) {
  rocksdb::SetPerfLevel(rocksdb::PerfLevel::kDisable);
  try {
    return call();
  } catch (const std::exception& exception) {
    return rocksdb::Status::IOError("RocksDB failed", exception.what());
  }
}

class Warnings final : public rocksdb::Logger {
 public:
  explicit Warnings(linarite::Logger& logger)
      : rocksdb::Logger(rocksdb::InfoLogLevel::WARN_LEVEL), logger_(logger) {}
  using rocksdb::Logger::Logv;
  void Logv(const char* format, va_list arguments) override {
    std::array<char, kLogLineMax> line{};
    std::vsnprintf(line.data(), line.size(), format, arguments);
    const std::string_view text(line.data());
    // Further lines describe tables with their first and last keys, which are not for the log.
    logger_.warning("rocksdb", {{"text", std::string(text.substr(0, text.find('\n')))}});
  }

 private:
  linarite::Logger& logger_;
};

class BackgroundErrors final : public rocksdb::EventListener {
 public:
  explicit BackgroundErrors(std::function<void(Error)> report) : report_(std::move(report)) {}
  void OnBackgroundError(rocksdb::BackgroundErrorReason, rocksdb::Status* status) override {
    if (report_) report_(to_error(*status));
  }
  // After a full disk RocksDB would start a thread that waits for room and goes on writing. What
  // failed has been answered as failed: only a new start may write again.
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status,
                            bool* goes_on) override {
    *goes_on = false;
  }

 private:
  std::function<void(Error)> report_;  // May be empty.
};

// Why each of them: docs/decisions/store-rocksdb-settings.md.
rocksdb::Options rocksdb_options(const DatabaseOptions& from, linarite::Logger& logger) {
  rocksdb::Options options;
  options.create_if_missing = from.mode == OpenMode::kCreate;
  options.paranoid_checks = from.tolerance == DatabaseOptions::Tolerance::kNone;
  // The first mode drops everything behind any damage: only for a log that is known to end there.
  options.wal_recovery_mode = from.torn_log
                                  ? rocksdb::WALRecoveryMode::kPointInTimeRecovery
                                  : rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  options.track_and_verify_wals_in_manifest = true;
  // Without the check of missing logs RocksDB would write to the manifest, and a database that is
  // only read can't: it aborts.
  if (from.tolerance == DatabaseOptions::Tolerance::kLogs) {
    options.wal_recovery_mode = rocksdb::WALRecoveryMode::kSkipAnyCorruptedRecords;
  }
  options.recycle_log_file_num =
      0;  // RocksDB ignores it in our recovery mode, which cannot have it.
  options.max_bgerror_resume_count = 0;

  options.create_missing_column_families = from.mode != OpenMode::kReadOnly;
  options.write_buffer_size = from.memtable_bytes;
  options.db_write_buffer_size = kWalMemtables * from.memtable_bytes;
  options.max_total_wal_size = kWalMemtables * from.memtable_bytes;
  options.max_write_buffer_number = kMemtablesMax;
  options.level_compaction_dynamic_level_bytes = true;
  options.compression = rocksdb::kNoCompression;
  options.bytes_per_sync = kBytesPerSync;
  options.max_background_jobs = kBackgroundJobsMax;
  options.memtable_insert_with_hint_prefix_extractor.reset(
      rocksdb::NewFixedPrefixTransform(kInsertHintSize));
  options.max_open_files = kOpenTablesMax;
  options.max_manifest_file_size = kManifestBytesMax;
  options.manifest_preallocation_size = kManifestReserveBytes;
  options.skip_stats_update_on_db_open = true;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;

  rocksdb::BlockBasedTableOptions table;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(kBloomBitsPerKey));
  table.block_cache = rocksdb::NewLRUCache(kCacheBytes);
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));

  options.info_log = std::make_shared<Warnings>(logger);
  options.listeners.push_back(std::make_shared<BackgroundErrors>(from.on_background_error));
  return options;
}

// A partition's log: its keys only rise and go from the front, so no table overlaps another. Each
// is moved to the last level by a record in the manifest, is never rewritten, and is deleted whole.
rocksdb::ColumnFamilyOptions log_options(const rocksdb::Options& records) {
  rocksdb::ColumnFamilyOptions options(records);
  options.num_levels = 2;
  options.level_compaction_dynamic_level_bytes = false;
  options.level0_file_num_compaction_trigger = 1;
  options.ttl = 0;
  options.periodic_compaction_seconds = 0;
  return options;
}

}  // namespace

struct Database::Rocks {
  // The first keys of the tables that a family had at one of RocksDB's versions of it.
  struct TableStarts {
    uint64_t version = 0;
    std::shared_ptr<const std::vector<Bytes>> keys;
  };

  std::shared_ptr<rocksdb::FileSystem> file_system;
  std::unique_ptr<rocksdb::Env> env;  // Must outlive the database.
  std::unique_ptr<rocksdb::DB> db;
  // The records and the log of each partition; no logs in a database of format 1 that is only read.
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  WriteGroup group{handles};
  std::mutex starts_mutex;
  std::map<uint32_t, TableStarts> starts;  // By id of the family. Guarded by starts_mutex.

  rocksdb::ColumnFamilyHandle* records() const { return handles.front(); }
  // Null if the database has no logs.
  rocksdb::ColumnFamilyHandle* log(PartitionId partition) const {
    return partition + 1 < handles.size() ? handles[partition + 1] : nullptr;
  }
  rocksdb::Status open(const DatabaseOptions& options, const rocksdb::Options& settings) {
    std::vector<rocksdb::ColumnFamilyDescriptor> families{
        {rocksdb::kDefaultColumnFamilyName, rocksdb::ColumnFamilyOptions(settings)}};
    for (PartitionId i = 0; i < options.partition_count; ++i) {
      families.emplace_back(log_family(i), log_options(settings));
    }
    rocksdb::DB* opened = nullptr;
    rocksdb::Status status;
    if (options.mode == OpenMode::kReadOnly) {
      std::vector<std::string> names;
      status = rocksdb::DB::ListColumnFamilies(settings, options.path, &names);
      if (!status.ok()) return status;
      if (names.size() == 1) families.resize(1);
      status = rocksdb::DB::OpenForReadOnly(settings, options.path, families, &handles, &opened);
    } else {
      status = rocksdb::DB::Open(settings, options.path, families, &handles, &opened);
    }
    db.reset(opened);
    return status;
  }

  // The first keys of a family's tables, in their order. Each scan asks; a log may have hundreds of
  // tables, so they are kept until the family has others.
  std::shared_ptr<const std::vector<Bytes>> table_starts(rocksdb::ColumnFamilyHandle* family) {
    uint64_t version = 0;  // Read first: what changes meanwhile makes the next scan look again.
    const bool known =
        db->GetIntProperty(family, rocksdb::DB::Properties::kCurrentSuperVersionNumber, &version);
    const std::lock_guard lock(starts_mutex);
    TableStarts& kept = starts[family->GetID()];
    if (known && kept.keys && kept.version == version) return kept.keys;
    rocksdb::ColumnFamilyMetaData tables;
    db->GetColumnFamilyMetaData(family, &tables);
    std::vector<Bytes> keys;
    for (const rocksdb::LevelMetaData& level : tables.levels) {
      for (const rocksdb::SstFileMetaData& table : level.files) keys.push_back(table.smallestkey);
    }
    std::ranges::sort(keys);
    kept = {.version = version,
            .keys = std::make_shared<const std::vector<Bytes>>(std::move(keys))};
    return kept.keys;
  }

  // RocksDB only warns of a table whose properties are damaged, and then reads its index in a wrong
  // form: the table ends early without an error (found by tests/bitflip). Such a table has no
  // properties, or empty ones.
  rocksdb::Status check_properties() const {
    for (rocksdb::ColumnFamilyHandle* const family : handles) {
      rocksdb::TablePropertiesCollection all;
      const rocksdb::Status status = db->GetPropertiesOfAllTables(family, &all);
      if (!status.ok()) return status;
      for (const auto& [path, properties] : all) {
        if (properties != nullptr && !properties->comparator_name.empty()) continue;
        return rocksdb::Status::Corruption("the properties of a table are damaged", path);
      }
    }
    return rocksdb::Status::OK();
  }

  // Forgets the log records of a partition before `end`. Whole tables are deleted at once, at the
  // cost of a record in the manifest; what lies in tables with others goes when these do.
  rocksdb::Status trim_log(PartitionId partition, ByteView end) {
    const Bytes first = partition_prefix(partition);
    const Bytes last = partition_prefix(partition).append(end);
    const rocksdb::Slice from = slice(first);
    const rocksdb::Slice to = slice(last);
    return rocksdb::DeleteFilesInRange(db.get(), log(partition), &from, &to, /*include_end=*/false);
  }
};

// The log of each partition is a column family of its own, so that its tables hold nothing else.
std::string log_family(PartitionId partition) { return fmt::format("log-{}", partition); }

Database::Database(std::unique_ptr<Rocks> rocks) : rocks_(std::move(rocks)) {}

Database::~Database() {
  guarded([this] {
    for (rocksdb::ColumnFamilyHandle* handle : rocks_->handles) {
      rocks_->db->DestroyColumnFamilyHandle(handle).PermitUncheckedError();
    }
    return rocks_->db->Close();
  }).PermitUncheckedError();
}

void Database::abandon(std::unique_ptr<Database> database) {
  static std::mutex mutex;
  static auto* const kept = new std::vector<std::unique_ptr<Database>>;  // Never destroyed.
  rocksdb::CancelAllBackgroundWork(database->rocks_->db.get(), /*wait=*/true);
  const std::lock_guard lock(mutex);
  kept->push_back(std::move(database));
}

Result<std::unique_ptr<Database>> Database::open(DatabaseOptions options,
                                                 std::shared_ptr<rocksdb::FileSystem> file_system,
                                                 Logger& logger) {
  auto rocks = std::make_unique<Rocks>();
  rocks->file_system = std::move(file_system);
  rocks->env = rocksdb::NewCompositeEnv(rocks->file_system);
  rocksdb::Options rocksdb_opts = rocksdb_options(options, logger);
  rocksdb_opts.env = rocks->env.get();
  const rocksdb::Status status = guarded([&] { return rocks->open(options, rocksdb_opts); });
  if (!status.ok()) return std::unexpected(to_open_error(status));
  std::unique_ptr<Database> database(new Database(std::move(rocks)));
  if (options.tolerance != DatabaseOptions::Tolerance::kNone) return database;
  const rocksdb::Status checked = guarded([&] { return database->rocks_->check_properties(); });
  if (!checked.ok()) return std::unexpected(to_open_error(checked));
  return database;
}

void Database::add(PartitionId partition, const Batch& batch) {
  rocks_->group.add(partition, batch);
}

void Database::set_sequence(PartitionId partition, uint64_t sequence) {
  rocks_->group.set_sequence(partition, sequence);
}

Status Database::write(bool sync) {
  rocksdb::WriteOptions options;
  options.sync = sync;
  const rocksdb::Status status = guarded([&] {
    rocksdb::Status written = rocks_->group.encode();
    if (written.ok()) written = rocks_->db->Write(options, &rocks_->group.encoded());
    for (const auto& [partition, end] : rocks_->group.trims()) {
      if (written.ok()) written = rocks_->trim_log(partition, end);
    }
    return written;
  });
  rocks_->group.clear();
  if (!status.ok()) return std::unexpected(to_error(status));
  return {};
}

Status Database::flush() {
  const rocksdb::Status status =
      guarded([&] { return rocks_->db->Flush(rocksdb::FlushOptions(), rocks_->handles); });
  if (!status.ok()) return std::unexpected(to_error(status));
  return {};
}

Status Database::rewrite_records() {
  const rocksdb::Status status = guarded([&] {
    rocksdb::Status done = rocks_->db->Flush(rocksdb::FlushOptions(), rocks_->handles);
    rocksdb::CompactRangeOptions options;
    options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
    if (done.ok()) done = rocks_->db->CompactRange(options, rocks_->records(), nullptr, nullptr);
    // What it no longer needs RocksDB deletes when it comes to it: here it is waited for.
    if (done.ok()) done = rocks_->db->DisableFileDeletions();
    if (done.ok()) done = rocks_->db->EnableFileDeletions(/*force=*/true);
    return done;
  });
  if (!status.ok()) return std::unexpected(to_error(status));
  return {};
}

Result<std::optional<Bytes>> Database::get(PartitionId partition, std::string_view key) const {
  const Bytes stored_key = partition_prefix(partition).append(key);
  rocksdb::PinnableSlice stored;
  const rocksdb::Status status = guarded([&] {
    return rocks_->db->Get(rocksdb::ReadOptions(), rocks_->db->DefaultColumnFamily(),
                           slice(stored_key), &stored);
  });
  if (status.IsNotFound()) return std::nullopt;
  if (!status.ok()) return std::unexpected(to_error(status));
  const auto value = unseal(partition, key, view(stored));
  if (!value) return std::unexpected(value.error());
  return Bytes(*value);
}

Status Database::scan(PartitionId partition, std::string_view begin, std::string_view end,
                      const Store::Visitor& visit) const {
  return scan_space(Space::kRecords, partition, begin, end, visit);
}

Status Database::scan_log(PartitionId partition, std::string_view begin, std::string_view end,
                          const Store::Visitor& visit) const {
  return scan_space(Space::kLog, partition, begin, end, visit);
}

Result<std::optional<Store::Record>> Database::last_log_record(PartitionId partition) const {
  rocksdb::ColumnFamilyHandle* const family = rocks_->log(partition);
  if (family == nullptr) return std::nullopt;
  const Bytes first = partition_prefix(partition);
  const Bytes last = partition_prefix(partition + 1);
  const rocksdb::Slice lower = slice(first);
  const rocksdb::Slice upper = slice(last);
  rocksdb::ReadOptions options;
  options.iterate_lower_bound = &lower;
  options.iterate_upper_bound = &upper;
  Result<std::optional<Store::Record>> outcome = std::nullopt;
  const rocksdb::Status status = guarded([&] {
    const std::unique_ptr<rocksdb::Iterator> at(rocks_->db->NewIterator(options, family));
    at->SeekToLast();
    if (!at->Valid()) return at->status();
    const ByteView key = view(at->key()).substr(kPartitionKeySize);
    const auto value = unseal(partition, key, view(at->value()));
    if (value) {
      outcome = Store::Record{.key = Bytes(key), .value = Bytes(*value)};
    } else {
      outcome = std::unexpected(value.error());
    }
    return at->status();
  });
  if (!status.ok()) return std::unexpected(to_error(status));
  return outcome;
}

Status Database::scan_space(Space space, PartitionId partition, std::string_view begin,
                            std::string_view end, const Store::Visitor& visit) const {
  rocksdb::ColumnFamilyHandle* const family =
      space == Space::kLog ? rocks_->log(partition) : rocks_->records();
  if (family == nullptr) return {};
  const Bytes first = partition_prefix(partition).append(begin);
  const Bytes last =
      end.empty() ? partition_prefix(partition + 1) : partition_prefix(partition).append(end);
  const rocksdb::Slice bound = slice(last);
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = &bound;
  // What is scanned is read once, and would drive everything else out of the cache.
  options.fill_cache = false;
  // RocksDB 7.8 loses the error of a damaged block at the beginning of a table when an iterator
  // comes there from the table before: it goes on without that table, or ends (found by
  // tests/bitflip). A seek reports it, so each table is entered by one.
  const auto starts = rocks_->table_starts(family);
  auto next = std::ranges::upper_bound(*starts, first);
  const auto stop = std::ranges::lower_bound(next, starts->end(), last);
  Status outcome;
  const rocksdb::Status status = guarded([&] {
    const std::unique_ptr<rocksdb::Iterator> at(rocks_->db->NewIterator(options, family));
    at->Seek(slice(first));
    for (;;) {
      if (at->Valid() && (next == stop || view(at->key()) < ByteView(*next))) {
        const ByteView key = view(at->key()).substr(kPartitionKeySize);
        const auto value = unseal(partition, key, view(at->value()));
        if (!value) outcome = std::unexpected(value.error());
        if (!value || !visit(key, *value)) return rocksdb::Status::OK();
        at->Next();
      } else if ((!at->Valid() && !at->status().ok()) || next == stop) {
        return at->status();
      } else {
        at->Seek(slice(*next++));
      }
    }
  });
  if (!status.ok()) return std::unexpected(to_error(status));
  return outcome;
}

Result<uint64_t> Database::sequence(PartitionId partition) const {
  const Bytes key = sequence_key(partition);
  std::string stored;
  const rocksdb::Status status =
      guarded([&] { return rocks_->db->Get(rocksdb::ReadOptions(), slice(key), &stored); });
  if (status.IsNotFound()) return 0;
  if (!status.ok()) return std::unexpected(to_error(status));
  const auto value = unseal(kOwnSeal, key, stored);
  const auto number = value ? ByteReader(*value).number<uint64_t>() : std::nullopt;
  if (!number || value->size() != sizeof(uint64_t)) {
    return fail(ErrorCode::kStoreCorrupt,
                fmt::format("the sequence of partition {} fails its checksum", partition));
  }
  return *number;
}

Result<Contents> Database::verify(uint32_t partition_count) const {
  const rocksdb::Status status = guarded([&] { return rocks_->db->VerifyChecksum(); });
  if (!status.ok()) return std::unexpected(to_error(status));
  Contents contents;
  for (PartitionId partition = 0; partition < partition_count; ++partition) {
    const auto sequence = this->sequence(partition);
    if (!sequence) return std::unexpected(sequence.error());
    for (const Space space : {Space::kRecords, Space::kLog}) {
      const Status read =
          scan_space(space, partition, {}, {}, [&](std::string_view key, std::string_view value) {
            ++contents.record_count;
            contents.byte_count += key.size() + value.size();
            return true;
          });
      if (!read) return std::unexpected(read.error());
    }
  }
  return contents;
}

std::vector<Table> Database::tables() const {
  std::vector<rocksdb::LiveFileMetaData> files;
  rocks_->db->GetLiveFilesMetaData(&files);
  std::vector<Table> tables;
  tables.reserve(files.size());
  for (const rocksdb::LiveFileMetaData& file : files) {
    tables.push_back({.name = file.name.substr(file.name.front() == '/' ? 1 : 0),
                      .family = file.column_family_name,
                      .size = file.size});
  }
  return tables;
}

}  // namespace linarite::store
