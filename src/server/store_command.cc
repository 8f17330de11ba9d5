#include "server/store_command.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <filesystem>
#include <fstream>
#include <optional>
#include <utility>

#include "base/clock.h"
#include "base/logging.h"
#include "base/random.h"
#include "net/descriptor.h"
#include "server/master_key_file.h"
#include "server/salvage.h"
#include "server/store_contents.h"
#include "store/embedded/closed_store.h"
#include "store/embedded/files.h"
#include "wire/control_file.h"

namespace linarite::server {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

constexpr const char* kStore = "store";
constexpr const char* kLock = "lock";
constexpr const char* kReport = "salvage-report.json";

// The master keys of a data directory, or new ones, if they can't be had, and why.
struct MasterKeys {
  hub::KeyVault vault;
  fs::path file;
  Status usable;
};

MasterKeys master_keys(const fs::path& data, const std::string& named, Random& random) {
  const fs::path file = named.empty() ? data / kMasterKeyFileName : fs::path(named);
  auto vault = read_master_keys(file, random);
  if (vault) return {.vault = *std::move(vault), .file = file, .usable = {}};
  return {
      .vault = hub::KeyVault::make(random), .file = file, .usable = std::unexpected(vault.error())};
}

// Why keys of the store can't be opened; empty: they can.
std::string unopened(const StoreContents& contents, const MasterKeys& keys) {
  if (contents.unopened == 0) return {};
  return fmt::format("the keys of {} devices and policies can't be opened: {}", contents.unopened,
                     keys.usable ? fmt::format("their master key is not in {}", keys.file.string())
                                 : keys.usable.error().message);
}

json::object describe(const store::ClosedStore& store, const StoreContents& contents,
                      const std::string& unopened) {
  json::array damage;
  if (!unopened.empty()) {
    damage.push_back(json::object{{"file", nullptr}, {"content", nullptr}, {"problem", unopened}});
  }
  for (const store::Damage& one : store.damage()) {
    damage.push_back(
        json::object{{"file", one.file}, {"content", one.content}, {"problem", one.what}});
  }
  for (const std::string& problem : contents.problems) {
    damage.push_back(json::object{{"file", nullptr}, {"content", nullptr}, {"problem", problem}});
  }
  json::array ranges;
  for (const EventRange& range : contents.event_ranges) {
    ranges.push_back(json::object{
        {"partition", range.partition}, {"first", range.first}, {"last", range.next - 1}});
  }
  return {{"sound", damage.empty()},
          {"partitions", store.partition_count()},
          {"identities", contents.identities},
          {"disabledIdentities", contents.disabled},
          {"queuedMessages", contents.messages},
          {"feedback", contents.feedback},
          {"sessions", contents.sessions},
          {"policies", contents.policies},
          {"events", contents.events},
          {"eventRanges", std::move(ranges)},
          {"damage", std::move(damage)}};
}

json::object describe(const SalvageReport& report, const fs::path& to) {
  json::array losses;
  for (const std::string& loss : report.losses) losses.emplace_back(loss);
  return {{"dataDirectory", to.string()},
          {"report", (to / kReport).string()},
          {"recordsCertain", report.records_certain},
          {"identities", report.identities},
          {"identitiesDisabledNow", report.identities_disabled_now},
          {"keysRenewed", report.keys_renewed},
          {"queuedMessages", report.messages},
          {"policies", report.policies},
          {"events", report.events},
          {"losses", std::move(losses)}};
}

std::unexpected<Error> io_error(const char* what, const fs::path& path, std::string why) {
  return fail(ErrorCode::kIoError, fmt::format("cannot {} {}: {}", what, path.string(), why));
}

// Certificates and what else lies beside the store.
Status copy_beside(const fs::path& from, const fs::path& to) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(from, error)) {
    const std::string name = entry.path().filename();
    if (!entry.is_regular_file() || name == kLock || name == wire::kControlFileName) continue;
    fs::copy_file(entry.path(), to / name, error);
    if (error) return io_error("copy", entry.path(), error.message());
  }
  if (error) return io_error("read", from, error.message());
  return {};
}

// On the disk before the directory gets its name.
Status sync_all(const fs::path& directory) {
  const net::Descriptor folder(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.valid() && ::syncfs(folder.get()) == 0) return {};
  return io_error("sync", directory, std::generic_category().message(errno));
}

// What was salvaged is looked at as any store is, before anybody may rely on it.
Result<StoreContents> contents_of(const fs::path& store, const hub::KeyVault& vault, Logger& log) {
  auto opened = store::ClosedStore::open(store.string(), log);
  if (!opened) return std::unexpected(opened.error());
  if (!(*opened)->damage().empty()) {
    return fail(ErrorCode::kStoreCorrupt, (*opened)->damage().front().what);
  }
  auto contents = read_contents(**opened, vault);
  if (contents && contents->unopened > 0) {
    return fail(ErrorCode::kMasterKeyUnusable, "some keys can't be opened");
  }
  if (contents && !contents->problems.empty()) {
    return fail(ErrorCode::kStoreCorrupt, contents->problems.front());
  }
  return contents;
}

Status make_directory(const fs::path& path) {
  std::error_code error;
  if (!fs::create_directory(path, error) || error) {
    return io_error("make", path, error ? error.message() : "it is there already");
  }
  fs::permissions(path, fs::perms::owner_all, error);
  if (error) return io_error("use", path, error.message());
  return {};
}

Result<json::object> salvage_into(store::ClosedStore& from, const fs::path& data,
                                  const fs::path& to, const MasterKeys& keys, json::object looked,
                                  Logger& log) {
  const fs::path making = to.string() + ".new";
  std::error_code error;
  if (fs::exists(to, error)) return io_error("make", to, "it is there already");
  if (Status made = make_directory(making); !made) return std::unexpected(made.error());
  if (Status copied = copy_beside(data, making); !copied) return std::unexpected(copied.error());
  if (!keys.usable) {
    const Status made = write_master_keys(making / kMasterKeyFileName, keys.vault);
    if (!made) return std::unexpected(made.error());
  }
  SystemRandom random;
  const auto report =
      salvage(from, (making / kStore).string(), SystemClock().wall(), random, keys.vault, log);
  if (!report) return std::unexpected(report.error());
  if (const auto kept = contents_of(making / kStore, keys.vault, log); !kept) {
    return fail(kept.error().code, fmt::format("what was salvaged is not sound and stays in {}: {}",
                                               making.string(), kept.error().message));
  }
  looked["salvage"] = describe(*report, to);
  std::ofstream out(making / kReport);
  out << json::serialize(looked) << "\n";
  out.close();
  if (!out) return io_error("write", making / kReport, "the disk may be full");
  if (Status synced = sync_all(making); !synced) return std::unexpected(synced.error());
  fs::rename(making, to, error);
  if (error) return io_error("rename", making, error.message());
  const fs::path parent = fs::absolute(to, error).parent_path();
  if (Status synced = sync_all(parent); !synced) return std::unexpected(synced.error());
  return looked;
}

}  // namespace

Result<json::object> look_at_store(const StoreQuestion& question) {
  fs::path data = question.data_directory;
  if (data.filename().empty()) data = data.parent_path();  // "data/"
  std::error_code error;
  if (!fs::is_directory(data / kStore, error)) {
    return fail(ErrorCode::kStoreFormat,
                fmt::format("the data directory {} holds no store", data.string()));
  }
  const auto lock = store::FileLock::take((data / kLock).string());
  if (!lock && lock.error().code == ErrorCode::kStoreInUse) {
    return fail(
        ErrorCode::kStoreInUse,
        fmt::format("a server runs on the data directory {}: stop it first", data.string()));
  }
  if (!lock) return std::unexpected(lock.error());
  Logger log = Logger::none();
  auto opened = store::ClosedStore::open((data / kStore).string(), log);
  if (!opened) return std::unexpected(opened.error());
  SystemRandom random;
  const MasterKeys keys = master_keys(data, question.master_key_file, random);
  const auto contents = read_contents(**opened, keys.vault);
  if (!contents) return std::unexpected(contents.error());
  const std::string closed = unopened(*contents, keys);
  json::object looked = describe(**opened, *contents, closed);
  if (!question.salvage || looked.at("sound").as_bool()) return looked;
  if (!closed.empty() && !question.new_keys) {
    return fail(ErrorCode::kMasterKeyUnusable,
                closed + " If the master key is lost for good, --new-keys gives them new ones");
  }
  const fs::path to = question.to.empty() ? data.string() + ".salvaged" : question.to;
  return salvage_into(**opened, data, to, keys, std::move(looked), log);
}

}  // namespace linarite::server
