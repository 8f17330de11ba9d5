#include "store/embedded/recovery.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "base/check.h"
#include "base/text.h"
#include "store/embedded/log_inspection.h"

namespace linarite::store {
namespace {

constexpr const char* kRestore =
    "Restore the data directory from a backup; keep the damaged one for examination";

// The error with the place before it and the way out behind it.
std::unexpected<Error> refuse(const std::string& path, const Error& error) {
  std::string text = fmt::format("the store {}: {}.", path, error.message);
  if (error.code == ErrorCode::kStoreCorrupt) text += fmt::format(" {}.", kRestore);
  if (error.code == ErrorCode::kIoError) {
    text += " Check the disk, its free space and the directory's owner, then start again.";
  }
  return fail(error.code, std::move(text));
}

class Recovery {
 public:
  Recovery(const EmbeddedOptions& options, const Clock& clock, Logger& logger,
           std::shared_ptr<rocksdb::FileSystem> file_system)
      : options_(options), clock_(clock), logger_(logger) {
    parts_->health = std::make_unique<Health>(logger);
    parts_->files = std::make_unique<Files>(std::move(file_system));
  }

  // Creates or opens the store for use.
  Result<std::unique_ptr<RecoveredStore>> run();
  // Reads all of it and changes nothing.
  Result<CheckReport> check();

 private:
  std::string file(const char* name) const { return options_.path + "/" + name; }
  Files& files() { return *parts_->files; }

  Status open_for_use();
  Status refuse_foreign_directory();
  Status lock();
  Status read_or_create_format();
  Status read_mark();
  bool is_unused() const;
  Status inspect_logs();
  Status open_database(OpenMode mode);
  Status compare_with_mark();
  Status convert_format();

  const EmbeddedOptions& options_;
  const Clock& clock_;
  Logger& logger_;
  Format format_;
  bool torn_log_ = false;
  std::optional<HighWater> mark_;  // Missing in a store whose creation was cut short.
  std::unique_ptr<RecoveredStore> parts_ = std::make_unique<RecoveredStore>();
};

// A wrong path in the configuration must not turn somebody's home directory into a store.
Status Recovery::refuse_foreign_directory() {
  const auto children = files().children(options_.path);
  if (!children) return std::unexpected(children.error());
  const auto is_there = [&children](std::string_view name) {
    return std::ranges::find(*children, name) != children->end();
  };
  if (is_there(kFormatFile)) return {};
  if (is_there(kHighWaterFile) || is_there(kDatabaseDirectory)) {
    return fail(ErrorCode::kStoreCorrupt, "the file format is missing");
  }
  for (const std::string& name : *children) {
    if (name == kLockFile || name == "format.new" || name == "lost+found") continue;
    return fail(ErrorCode::kStoreFormat,
                "the directory is not empty and holds no store. Name an empty or a new directory");
  }
  if (options_.partition_count > 0) return {};
  return fail(ErrorCode::kStoreFormat, "the directory holds no store");
}

Status Recovery::lock() {
  auto taken = FileLock::take(file(kLockFile));
  if (taken) {
    parts_->lock = std::make_unique<FileLock>(std::move(*taken));
    return {};
  }
  if (taken.error().code != ErrorCode::kStoreInUse) return std::unexpected(taken.error());
  return fail(ErrorCode::kStoreInUse,
              "it is in use. A store belongs to one process at a time: stop the other one first");
}

Status Recovery::read_or_create_format() {
  const auto text = files().read(file(kFormatFile), kOwnFileSizeMax);
  if (!text) return std::unexpected(text.error());
  if (!text->has_value()) {
    format_ = {.version = kFormatVersion, .partition_count = options_.partition_count};
    return files().replace(options_.path, kFormatFile, format_text(format_));
  }
  const auto format = parse_format(**text);
  if (!format) return std::unexpected(format.error());
  format_ = *format;
  if (options_.partition_count != 0 && options_.partition_count != format_.partition_count) {
    return fail(
        ErrorCode::kStoreFormat,
        fmt::format("it has {} partitions and the configuration says {}. The number is fixed "
                    "when a store is created: correct the configuration",
                    format_.partition_count, options_.partition_count));
  }
  return {};
}

Status Recovery::read_mark() {
  const auto text = files().read(file(kHighWaterFile), kOwnFileSizeMax);
  if (!text) return std::unexpected(text.error());
  if (!text->has_value()) return {};
  auto mark = parse_high_water(**text);
  if (!mark) return std::unexpected(mark.error());
  if (mark->size() != format_.partition_count) {
    return fail(ErrorCode::kStoreCorrupt, "the file high_water belongs to another store");
  }
  mark_ = std::move(*mark);
  if (const auto damage = short_manifest(files(), file(kDatabaseDirectory), **text)) {
    return std::unexpected(*damage);
  }
  return {};
}

// Until something was acknowledged there is nothing to lose, and creation may have been cut short.
bool Recovery::is_unused() const {
  return !mark_ || std::ranges::all_of(*mark_, [](uint64_t sequence) { return sequence == 0; });
}

// Must come before RocksDB opens the logs: it replays what it takes for sound and deletes them. An
// older log that is torn is left to RocksDB: it may be one that a power cut brought back after its
// deletion.
Status Recovery::inspect_logs() {
  const auto begun = files().exists(file(kDatabaseDirectory));
  if (!begun) return std::unexpected(begun.error());
  if (!*begun) return {};
  const auto children = files().children(file(kDatabaseDirectory));
  if (!children) return std::unexpected(children.error());
  std::map<uint64_t, std::string> logs;
  for (const std::string& name : *children) {
    if (!name.ends_with(kLogSuffix)) continue;
    const auto number = whole_number<uint64_t>(name.substr(0, name.size() - kLogSuffix.size()));
    if (number) logs.emplace(*number, name);
  }
  for (const auto& [number, name] : logs) {
    LogInspector inspector;
    bool empty = true;
    const Status read = files().read_blocks(file(kDatabaseDirectory) + "/" + name, kLogBlockSize,
                                            [&](ByteView block) {
                                              empty = false;
                                              inspector.feed(block);
                                            });
    if (!read) return read;
    if (inspector.state() == LogState::kDamaged) {
      return fail(
          ErrorCode::kStoreCorrupt,
          fmt::format("the log {}/{} is damaged at byte {}, with acknowledged batches behind it",
                      kDatabaseDirectory, name, inspector.damage_offset()));
    }
    if (!empty) torn_log_ = inspector.state() == LogState::kTorn;
  }
  return {};
}

Status Recovery::open_database(OpenMode mode) {
  auto opened =
      Database::open({.path = file(kDatabaseDirectory),
                      .mode = mode,
                      .torn_log = torn_log_,
                      .partition_count = format_.partition_count,
                      .memtable_bytes = options_.memtable_bytes,
                      .on_background_error = [health = parts_->health.get()](
                                                 const Error& error) { health->fail(error); }},
                     files().file_system(), logger_);
  if (!opened) return std::unexpected(opened.error());
  parts_->database = std::move(*opened);
  for (PartitionId partition = 0; partition < format_.partition_count; ++partition) {
    const auto sequence = parts_->database->sequence(partition);
    if (!sequence) return std::unexpected(sequence.error());
    parts_->sequences.push_back(*sequence);
  }
  return {};
}

// Recovery may lawfully drop a torn tail, but only of batches that were never acknowledged. A store
// that ends before its mark has lost more than that.
Status Recovery::compare_with_mark() {
  const HighWater& found = parts_->sequences;
  std::string missing;
  if (!mark_ && std::ranges::any_of(found, [](uint64_t sequence) { return sequence > 0; })) {
    missing = "the file high_water is missing";
  }
  for (PartitionId partition = 0; mark_ && partition < found.size(); ++partition) {
    if (found[partition] >= (*mark_)[partition]) continue;
    missing = fmt::format(
        "acknowledged batches are missing: partition {} ends with batch {}, its "
        "high-water mark is {}",
        partition, found[partition], (*mark_)[partition]);
    break;
  }
  if (missing.empty()) return {};
  if (!options_.accept_loss) {
    return fail(
        ErrorCode::kStoreCorrupt,
        missing + ". To go on without what is missing, open the store once with accept_loss");
  }
  logger_.error("store opened with a loss accepted by the operator",
                {{"path", options_.path}, {"loss", missing}});
  return {};
}

// Opening has made room for the logs, and nothing is in them yet: from here on a program that knows
// older formats only is kept away.
Status Recovery::convert_format() {
  if (format_.version == kFormatVersion) return {};
  format_.version = kFormatVersion;
  return files().replace(options_.path, kFormatFile, format_text(format_));
}

Status Recovery::open_for_use() {
  Status status = files().make_directory(options_.path);
  if (status) status = refuse_foreign_directory();
  if (status) status = lock();
  if (status) status = read_or_create_format();
  if (status) status = read_mark();
  if (status) status = files().make_directory(file(kDatabaseDirectory));
  if (status) status = inspect_logs();
  if (status) status = open_database(is_unused() ? OpenMode::kCreate : OpenMode::kExisting);
  if (status) status = compare_with_mark();
  if (status) status = convert_format();
  if (!status) return status;
  return files().replace(options_.path, kHighWaterFile,
                         high_water_text(parts_->sequences, files().manifest()));
}

Result<std::unique_ptr<RecoveredStore>> Recovery::run() {
  if (const Status opened = open_for_use(); !opened) return refuse(options_.path, opened.error());
  const auto duration = files().measure_sync(options_.path, clock_);
  if (!duration) return refuse(options_.path, duration.error());
  parts_->sync_duration = *duration;
  return std::move(parts_);
}

Result<CheckReport> Recovery::check() {
  Status status = refuse_foreign_directory();
  if (status) status = lock();
  if (status) status = read_or_create_format();
  if (status) status = read_mark();
  if (status) status = inspect_logs();
  if (status) status = open_database(OpenMode::kReadOnly);
  if (status) status = compare_with_mark();
  if (!status) return refuse(options_.path, status.error());
  const auto contents = parts_->database->verify(format_.partition_count);
  if (!contents) return refuse(options_.path, contents.error());
  CheckReport report{.partition_count = format_.partition_count,
                     .batch_count = 0,
                     .record_count = contents->record_count,
                     .byte_count = contents->byte_count};
  for (const uint64_t sequence : parts_->sequences) report.batch_count += sequence;
  return report;
}

}  // namespace

std::optional<Error> short_manifest(const Files& files, const std::string& database,
                                    ByteView mark_text) {
  const auto mark = parse_manifest_mark(mark_text);
  if (!mark) return std::nullopt;
  std::string name = fmt::format("MANIFEST-{:06}", mark->number);
  const auto current = files.read(database + "/CURRENT", kOwnFileSizeMax);
  if (!current || !*current || **current != name + "\n") return std::nullopt;
  uint64_t size = 0;
  const Status read = files.read_blocks(database + "/" + name, kLogBlockSize,
                                        [&](ByteView block) { size += block.size(); });
  if (!read || size >= mark->size) return std::nullopt;
  return Error{ErrorCode::kStoreCorrupt, fmt::format("{}/{} has {} bytes, and had {}",
                                                     kDatabaseDirectory, name, size, mark->size)};
}

void Health::fail(const Error& error) {
  const std::lock_guard lock(mutex_);
  if (failure_) return;
  failure_ = error;
  logger_.error("the store failed and takes no more writes until it is opened again",
                {{"reason", error.message}});
}

std::optional<Error> Health::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

void Health::room_changed(bool room, uint64_t free_bytes, uint64_t reserved_bytes) {
  if (room) {
    logger_.info("the disk has room again", {{"free_bytes", std::to_string(free_bytes)}});
  } else {
    logger_.error("the disk is nearly full: new messages are refused until there is room",
                  {{"free_bytes", std::to_string(free_bytes)},
                   {"needed_bytes", std::to_string(reserved_bytes)}});
  }
}

Result<std::unique_ptr<RecoveredStore>> recover(const EmbeddedOptions& options, const Clock& clock,
                                                Logger& logger,
                                                std::shared_ptr<rocksdb::FileSystem> file_system) {
  CHECK(!options.path.empty());
  CHECK(options.partition_count <= kPartitionCountMax);
  return Recovery(options, clock, logger, std::move(file_system)).run();
}

Result<CheckReport> check_store(const std::string& path, Logger& logger) {
  CHECK(!path.empty());
  const EmbeddedOptions options{.path = path};
  const SystemClock clock;
  return Recovery(options, clock, logger, nullptr).check();
}

}  // namespace linarite::store
