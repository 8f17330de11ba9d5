#include "server/master_key_file.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "hub/secret_memory.h"
#include "net/descriptor.h"

namespace linarite::server {
namespace {

namespace fs = std::filesystem;

std::unexpected<Error> unusable(const fs::path& file, std::string_view what) {
  return fail(ErrorCode::kMasterKeyUnusable,
              fmt::format("the master key file {}: {}.", file.string(), what));
}

std::unexpected<Error> io_error(const char* what, const fs::path& path) {
  return fail(ErrorCode::kIoError,
              fmt::format("cannot {} {}: {}.", what, path.string(), strerror(errno)));
}

Status check_mode(const fs::path& file, const struct stat& found) {
  if (!S_ISREG(found.st_mode)) return unusable(file, "it is no regular file");
  const bool by_group = (found.st_mode & S_IRWXG) != 0 && found.st_uid == ::geteuid();
  if ((found.st_mode & S_IRWXO) == 0 && !by_group) return {};
  return unusable(file, fmt::format("its mode {:04o} lets others read it; make it 0400 or 0600, "
                                    "and look at who has had access",
                                    found.st_mode & 07777U));
}

Status sync_directory(const fs::path& directory) {
  const net::Descriptor folder(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.valid() && ::fsync(folder.get()) == 0) return {};
  return io_error("sync", directory);
}

}  // namespace

Result<hub::KeyVault> read_master_keys(const fs::path& file, Random& random) {
  const net::Descriptor in(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!in.valid() && (errno == ENOENT || errno == ENOTDIR)) {
    return unusable(file,
                    "it is missing, and the store's keys can't be opened without it. Put it back "
                    "from where it was kept, or name it with store.master_key_file");
  }
  struct stat found{};
  if (!in.valid() || ::fstat(in.get(), &found) != 0) return io_error("read", file);
  if (Status ok = check_mode(file, found); !ok) return std::unexpected(ok.error());
  std::string text(hub::kMasterKeyTextMax + 1, '\0');
  size_t size = 0;
  for (ssize_t got = 1; got > 0 && size < text.size(); size += static_cast<size_t>(got)) {
    got = ::read(in.get(), text.data() + size, text.size() - size);
    if (got < 0) return io_error("read", file);
  }
  auto vault = hub::KeyVault::parse(std::string_view(text).substr(0, size), random);
  hub::wipe(text);
  if (!vault) return unusable(file, vault.error().message);
  return vault;
}

Result<hub::KeyVault> make_master_keys(const fs::path& file, Random& random) {
  hub::KeyVault made = hub::KeyVault::make(random);
  if (Status written = write_master_keys(file, made); !written) {
    return std::unexpected(written.error());
  }
  return made;
}

Status write_master_keys(const fs::path& file, const hub::KeyVault& vault) {
  const fs::path temporary = file.string() + ".new";
  std::string text = vault.text();
  const net::Descriptor out(
      ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, S_IRUSR | S_IWUSR));
  const bool written =
      out.valid() &&
      ::write(out.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
      ::fsync(out.get()) == 0 && ::rename(temporary.c_str(), file.c_str()) == 0;
  hub::wipe(text);
  if (!written) return io_error("write", file);
  return sync_directory(file.has_parent_path() ? file.parent_path() : fs::path("."));
}

}  // namespace linarite::server
