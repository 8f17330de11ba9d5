#include "server/rewrap.h"

#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/logging.h"
#include "base/manual_loop.h"
#include "base/random.h"
#include "hub/keyring.h"
#include "server/master_key_file.h"
#include "store/embedded/embedded_store.h"
#include "store/embedded/files.h"

namespace linarite::server {
namespace {

namespace fs = std::filesystem;

constexpr const char* kStore = "store";
constexpr const char* kLock = "lock";

Result<store::FileLock> lock_directory(const fs::path& data) {
  std::error_code error;
  if (!fs::is_directory(data / kStore, error)) {
    return fail(ErrorCode::kStoreFormat,
                fmt::format("the data directory {} holds no store", data.string()));
  }
  auto lock = store::FileLock::take((data / kLock).string());
  if (lock || lock.error().code != ErrorCode::kStoreInUse) return lock;
  return fail(ErrorCode::kStoreInUse,
              fmt::format("a server runs on the data directory {}: stop it first", data.string()));
}

// The vault for the new sealing: with a new key, or the one that an interrupted run has made.
Result<hub::KeyVault> renewed(const fs::path& file, const hub::KeyVault& vault) {
  if (vault.key_count() > 1) return vault;
  hub::KeyVault out = vault.with_new_key();
  if (Status written = write_master_keys(file, out); !written) {
    return std::unexpected(written.error());
  }
  return out;
}

Result<hub::SealedAgain> seal_store(store::EmbeddedStore& store, const hub::KeyVault& vault) {
  ManualClock clock{WallTime{}};
  ManualLoop loop(clock);
  for (store::PartitionId p = 0; p < store.partition_count(); ++p) store.attach(p, loop);
  std::optional<Result<hub::SealedAgain>> done;
  hub::seal_again(store, std::vector<Loop*>(store.partition_count(), &loop), vault,
                  [&done](Result<hub::SealedAgain> result) { done = std::move(result); });
  loop.run_until([&] { return done.has_value(); });
  const Status closed = store.close();
  if (*done && !closed) return std::unexpected(closed.error());
  return *std::move(done);
}

}  // namespace

Result<boost::json::object> rewrap_store(const std::string& data_directory,
                                         const std::string& master_key_file) {
  const fs::path data = data_directory;
  const auto lock = lock_directory(data);
  if (!lock) return std::unexpected(lock.error());
  const fs::path file =
      master_key_file.empty() ? data / kMasterKeyFileName : fs::path(master_key_file);
  SystemRandom random;
  const auto vault = read_master_keys(file, random);
  if (!vault) return std::unexpected(vault.error());
  const SystemClock clock;
  Logger log = Logger::none();
  auto store = store::EmbeddedStore::open({.path = (data / kStore).string()}, clock, log);
  if (!store) return std::unexpected(store.error());
  const auto keyring = hub::read_keyring(**store);
  if (!keyring) return std::unexpected(keyring.error());
  if (Status fits = hub::check_keyring(*keyring, *vault); !fits) {
    return fail(fits.error().code,
                fmt::format("the master key file {}: {}.", file.string(), fits.error().message));
  }
  const auto next = renewed(file, *vault);
  if (!next) return std::unexpected(next.error());
  const auto sealed = seal_store(**store, *next);
  if (!sealed) return std::unexpected(sealed.error());
  boost::json::object out{{"masterKey", hub::master_key_name(next->current_key())},
                          {"recordsSealed", sealed->records}};
  if (!sealed->forgotten) {
    out["oldKeysKept"] = "the disk has no room to rewrite the store; make room and do it again";
    return out;
  }
  const Status written = write_master_keys(file, next->with_current_key_only());
  if (!written) return std::unexpected(written.error());
  return out;
}

}  // namespace linarite::server
