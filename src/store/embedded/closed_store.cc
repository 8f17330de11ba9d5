#include "store/embedded/closed_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "base/check.h"
#include "base/text.h"
#include "store/embedded/database.h"
#include "store/embedded/embedded_store.h"
#include "store/embedded/files.h"
#include "store/embedded/log_inspection.h"
#include "store/embedded/recovery.h"

namespace linarite::store {
namespace {

constexpr const char* kRecords =
    "records of all partitions: identities, policies, queued messages, feedback, sessions";
constexpr const char* kLog = "the log of what was written last, of all partitions";
constexpr const char* kManifest = "the list of the tables";

std::string content_of(const std::string& family) {
  if (family == kRecordsFamily) return kRecords;
  if (family.starts_with("log-")) return "events of partition " + family.substr(4);
  return "unknown: a table of records or of events";
}

std::string in_database(const std::string& name) {
  return std::string(kDatabaseDirectory) + "/" + name;
}

// The files with this suffix, by their number.
std::vector<std::string> numbered(const std::vector<std::string>& names, std::string_view suffix) {
  std::map<uint64_t, std::string> found;
  for (const std::string& name : names) {
    if (!name.ends_with(suffix)) continue;
    const auto number = whole_number<uint64_t>(name.substr(0, name.size() - suffix.size()));
    if (number) found.emplace(*number, name);
  }
  std::vector<std::string> out;
  for (auto& entry : found) out.push_back(std::move(entry.second));
  return out;
}

}  // namespace

ClosedStore::ClosedStore(std::string path, Logger& logger)
    : path_(std::move(path)), logger_(logger), files_(std::make_unique<Files>(nullptr)) {}
ClosedStore::~ClosedStore() = default;

Result<std::unique_ptr<ClosedStore>> ClosedStore::open(const std::string& path, Logger& logger) {
  std::unique_ptr<ClosedStore> store(new ClosedStore(path, logger));
  const auto there = store->files_->exists(path);
  if (!there) return std::unexpected(there.error());
  if (!*there) {
    return fail(ErrorCode::kStoreFormat, fmt::format("there is no store {}", path));
  }
  const auto report = check_store(path, logger);
  if (!report && report.error().code != ErrorCode::kStoreCorrupt) {
    return std::unexpected(report.error());
  }
  Status status = store->lock();
  if (status && report) {
    store->partition_count_ = report->partition_count;
    status = store->open_sound();
  } else if (status) {
    status = store->survey();
    if (status && store->damage_.empty()) {
      store->add_damage(kDatabaseDirectory, "everything", report.error().message);
      store->doubt_everything();
    }
  }
  if (!status) return std::unexpected(status.error());
  return store;
}

Status ClosedStore::lock() {
  auto taken = FileLock::take(file(kLockFile));
  if (!taken) return std::unexpected(taken.error());
  lock_ = std::make_unique<FileLock>(std::move(*taken));
  return {};
}

Status ClosedStore::open_sound() {
  log_certain_.assign(partition_count_, true);
  if (Status read = read_logs(); !read) return read;
  open_database();
  written_records_.clear();
  written_log_.clear();
  return {};
}

Status ClosedStore::survey() {
  Status status = read_own_files();
  if (status) status = read_logs();
  if (!status) return status;
  open_database();
  compare_with_mark();
  read_tables();
  read_through();
  return {};
}

void ClosedStore::doubt_everything() {
  records_certain_ = false;
  log_certain_.assign(partition_count_, false);
}

void ClosedStore::doubt(const std::string& family) {
  if (family == kRecordsFamily) {
    records_certain_ = false;
    return;
  }
  const auto partition =
      family.starts_with("log-") ? whole_number<PartitionId>(family.substr(4)) : std::nullopt;
  if (partition && *partition < partition_count_) {
    log_certain_[*partition] = false;
  } else {
    doubt_everything();
  }
}

// How many partitions there are is in both files.
Status ClosedStore::read_own_files() {
  const auto mark_text = files_->read(file(kHighWaterFile), kOwnFileSizeMax);
  if (!mark_text) return std::unexpected(mark_text.error());
  if (*mark_text) {
    auto mark = parse_high_water(**mark_text);
    if (mark) mark_ = *std::move(mark);
  }
  if (!mark_) {
    mark_damaged_ = true;
    add_damage(kHighWaterFile, "which batch of each partition must at least be there",
               *mark_text ? "its checksum does not fit" : "it is missing");
  }
  const auto format_text = files_->read(file(kFormatFile), kOwnFileSizeMax);
  if (!format_text) return std::unexpected(format_text.error());
  const auto format =
      *format_text ? parse_format(**format_text) : fail(ErrorCode::kStoreCorrupt, "it is missing");
  if (!format && format.error().code != ErrorCode::kStoreCorrupt) {
    return std::unexpected(format.error());
  }
  if (format) {
    partition_count_ = format->partition_count;
  } else {
    add_damage(kFormatFile, "version and number of partitions", format.error().message);
    if (mark_) partition_count_ = static_cast<uint32_t>(mark_->size());
  }
  if (partition_count_ == 0) {
    return fail(
        ErrorCode::kStoreFormat,
        fmt::format("the store {}: format and high_water are both damaged, and nothing else "
                    "tells how many partitions there are",
                    path_));
  }
  if (mark_ && mark_->size() != partition_count_) {
    add_damage(kHighWaterFile, "which batch of each partition must at least be there",
               "it belongs to another store");
    mark_.reset();
    mark_damaged_ = true;
  }
  log_certain_.assign(partition_count_, true);
  const auto damage =
      mark_ ? short_manifest(*files_, file(kDatabaseDirectory), **mark_text) : std::nullopt;
  if (damage) {
    add_damage(kDatabaseDirectory, kManifest, damage->message);
    doubt_everything();
  }
  return {};
}

Status ClosedStore::read_logs() {
  const auto children = files_->children(file(kDatabaseDirectory));
  if (!children) {
    add_damage(kDatabaseDirectory, "everything", "it is missing");
    doubt_everything();
    return {};
  }
  const std::vector<std::string> names = numbered(*children, kLogSuffix);
  for (const std::string& name : names) {
    if (Status read = read_log(name, name == names.back()); !read) return read;
  }
  // Without the mark nothing tells whether a torn end is a power cut's or damage.
  if (mark_damaged_ && torn_log_) doubt_everything();
  return {};
}

Status ClosedStore::read_log(const std::string& name, bool newest) {
  uint64_t unreadable = 0;
  LogInspector inspector([&](uint64_t, ByteView group) {
    if (!for_each_write(group, [this](const StrayWrite& write) {
          auto& written = write.to_log ? written_log_ : written_records_;
          std::optional<Bytes> value;
          if (write.stored_value) value = Bytes(*write.stored_value);
          written.insert_or_assign(Bytes(write.stored_key), std::move(value));
        })) {
      ++unreadable;
    }
  });
  const Status read = files_->read_blocks(file(kDatabaseDirectory) + "/" + name, kLogBlockSize,
                                          [&](ByteView block) { inspector.feed(block); });
  if (!read) return read;
  if (newest) torn_log_ = inspector.state() == LogState::kTorn;
  if (inspector.state() != LogState::kDamaged && unreadable == 0) return {};
  add_damage(in_database(name), kLog,
             unreadable > 0 ? fmt::format("{} groups can't be read", unreadable)
                            : fmt::format("damaged at byte {}, with acknowledged batches behind it",
                                          inspector.damage_offset()));
  log_damaged_ = true;
  doubt_everything();
  return {};
}

// First as strictly as damaged tables allow; then what can be had, if only to know what was erased.
void ClosedStore::open_database() {
  using Tolerance = DatabaseOptions::Tolerance;
  for (const Tolerance tolerance : {Tolerance::kTables, Tolerance::kLogs}) {
    if (tolerance == Tolerance::kTables && log_damaged_) continue;
    auto opened = Database::open({.path = file(kDatabaseDirectory),
                                  .mode = OpenMode::kReadOnly,
                                  .torn_log = torn_log_,
                                  .tolerance = tolerance,
                                  .partition_count = partition_count_,
                                  .memtable_bytes = EmbeddedOptions().memtable_bytes,
                                  .on_background_error = {}},
                                 files_->file_system(), logger_);
    if (opened) {
      database_ = std::move(*opened);
      return;
    }
    if (tolerance == Tolerance::kTables) {
      add_damage(kDatabaseDirectory, kManifest, opened.error().message);
      doubt_everything();
    }
  }
}

void ClosedStore::compare_with_mark() {
  for (PartitionId partition = 0; database_ && partition < partition_count_; ++partition) {
    const auto sequence = database_->sequence(partition);
    if (!sequence || !mark_ || *sequence >= (*mark_)[partition]) continue;
    add_damage(kDatabaseDirectory, kLog,
               fmt::format("acknowledged batches are missing: partition {} ends with batch {}, its "
                           "high-water mark is {}",
                           partition, *sequence, (*mark_)[partition]));
    doubt_everything();
  }
}

void ClosedStore::read_tables() {
  if (database_) {
    for (const Table& table : database_->tables()) read_table(table.name, table.family, table.size);
    return;
  }
  const auto children = files_->children(file(kDatabaseDirectory));
  if (!children) return;
  for (const std::string& name : numbered(*children, kTableSuffix)) read_table(name, {}, {});
}

void ClosedStore::read_table(const std::string& name, const std::string& family,
                             std::optional<uint64_t> size) {
  const std::string path = file(kDatabaseDirectory) + "/" + name;
  auto table = StrayTable::open(path);
  std::error_code error;
  const uint64_t found = std::filesystem::file_size(path, error);
  Status status;
  if (error) {
    status = fail(ErrorCode::kStoreCorrupt, "it is missing");
  } else if (size && *size != found) {
    status =
        fail(ErrorCode::kStoreCorrupt, fmt::format("it has {} bytes instead of {}", found, *size));
  } else {
    status = table ? (*table)->verify() : std::unexpected(table.error());
  }
  const std::string of = !family.empty() || !table ? family : (*table)->family();
  if (!status) {
    std::string content = content_of(of);
    if (table) content += fmt::format(" ({} entries)", (*table)->entry_count());
    add_damage(in_database(name), std::move(content), status.error().message);
    doubt(of);
  }
  if (table) tables_.push_back({.name = name, .table = *std::move(table), .family = of});
}

// What RocksDB takes for sound must fit our own seals as well.
void ClosedStore::read_through() {
  const auto nothing = [](std::string_view, std::string_view) { return true; };
  for (PartitionId partition = 0; database_ && partition < partition_count_; ++partition) {
    Status read;
    if (records_certain_) {
      const auto sequence = database_->sequence(partition);
      if (!sequence) read = std::unexpected(sequence.error());
      if (read) read = database_->scan(partition, {}, {}, nothing);
    }
    if (!read) {
      add_damage(kDatabaseDirectory, kRecords, read.error().message);
      records_certain_ = false;
    }
    if (!log_certain_[partition]) continue;
    read = database_->scan_log(partition, {}, {}, nothing);
    if (read) continue;
    add_damage(kDatabaseDirectory, content_of(log_family(partition)), read.error().message);
    log_certain_[partition] = false;
  }
}

// RocksDB's word, if it can still give one, is the newest version of a record or that it is gone.
// Where it can't, a write in the logs is newer than any table.
Result<std::optional<Bytes>> ClosedStore::newest(PartitionId partition, const Bytes& key,
                                                 const std::optional<Bytes>& stray) const {
  if (database_) {
    auto found = database_->get(partition, key);
    if (found) return found;
  }
  const Bytes stored_key = partition_prefix(partition).append(key);
  const auto written = written_records_.find(stored_key);
  if (written == written_records_.end()) return stray;
  if (!written->second) return std::nullopt;
  const auto record = stray_record(stored_key, *written->second);
  return record ? std::optional(record->value) : std::nullopt;
}

Status ClosedStore::scan(PartitionId partition, std::string_view begin, std::string_view end,
                         const Store::Visitor& visit) {
  CHECK(partition < partition_count_);
  if (records_certain_ && database_) return database_->scan(partition, begin, end, visit);
  std::map<Bytes, std::optional<Bytes>> found;  // Of the newest table.
  const auto take = [&](StrayRecord record) {
    if (record.partition != partition || record.key < begin) return;
    if (!end.empty() && record.key >= end) return;
    found.insert_or_assign(std::move(record.key), std::move(record.value));
  };
  for (const Stray& stray : tables_) {
    if (stray.family.starts_with("log-")) continue;
    StrayTable::Cursor cursor(*stray.table);
    while (auto record = cursor.next()) take(*std::move(record));
  }
  for (const auto& [stored_key, value] : written_records_) {
    if (!value) continue;
    if (auto record = stray_record(stored_key, *value)) take(*std::move(record));
  }
  for (const auto& [key, stray] : found) {
    const auto value = newest(partition, key, stray);
    if (!value) return std::unexpected(value.error());
    if (*value && !visit(key, **value)) break;
  }
  return {};
}

Status ClosedStore::scan_log(PartitionId partition, const Store::Visitor& visit) {
  CHECK(partition < partition_count_);
  if (log_certain_[partition] && database_) return database_->scan_log(partition, {}, {}, visit);
  // Tables of a log follow each other; one that is read for its next record only costs no memory.
  struct Source {
    StrayTable::Cursor cursor;
    std::optional<StrayRecord> next;
  };
  std::vector<Source> sources;
  for (const Stray& stray : tables_) {
    if (stray.family != log_family(partition)) continue;
    sources.push_back({.cursor = StrayTable::Cursor(*stray.table), .next = {}});
    sources.back().next = sources.back().cursor.next();
  }
  auto written = written_log_.lower_bound(partition_prefix(partition));
  const auto written_end = written_log_.lower_bound(partition_prefix(partition + 1));
  for (;;) {
    std::optional<StrayRecord> least;
    for (Source& source : sources) {
      if (source.next && (!least || source.next->key < least->key)) least = source.next;
    }
    while (written != written_end) {
      auto record = written->second ? stray_record(written->first, *written->second) : std::nullopt;
      if (record) {
        if (!least || record->key < least->key) least = std::move(record);
        break;
      }
      ++written;
    }
    if (!least) return {};
    if (least->partition == partition && !visit(least->key, least->value)) return {};
    for (Source& source : sources) {
      while (source.next && source.next->key <= least->key) source.next = source.cursor.next();
    }
    const Bytes stored_key = partition_prefix(partition).append(least->key);
    while (written != written_end && written->first <= stored_key) ++written;
  }
}

}  // namespace linarite::store
