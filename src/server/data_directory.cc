#include "server/data_directory.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <utility>

namespace linarite::server {
namespace {

namespace fs = std::filesystem;

std::string environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

std::unexpected<Error> io_error(const std::string& what, const fs::path& path) {
  return fail(ErrorCode::kIoError,
              fmt::format("cannot {} {}: {}.", what, path.string(), strerror(errno)));
}

}  // namespace

Result<DataDirectory> DataDirectory::open(const std::string& path) {
  fs::path where = path;
  if (where.empty()) {
    where = wire::default_data_directory(::geteuid() == 0, environment("XDG_DATA_HOME"),
                                         environment("HOME"));
  }
  if (where.empty()) {
    return fail(ErrorCode::kArgumentInvalid,
                "there is no home directory: name the data directory with --data.");
  }
  std::error_code error;
  where = fs::absolute(where, error);
  fs::create_directories(where, error);
  // It holds keys. An existing directory of somebody else is not taken over.
  if (error || ::chmod(where.c_str(), S_IRWXU) != 0)
    return io_error("use the data directory", where);
  const fs::path lock_path = where / "lock";
  net::Descriptor lock(::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR));
  if (!lock.valid()) return io_error("write", lock_path);
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    return fail(
        ErrorCode::kStoreInUse,
        fmt::format("another linarite runs on the data directory {}; stop it, or name another "
                    "directory with --data.",
                    where.string()));
  }
  return DataDirectory(std::move(where), std::move(lock));
}

DataDirectory::~DataDirectory() {
  if (lock_.valid()) remove_control_file();
}

Status DataDirectory::write_control_file(const wire::ControlFile& content) {
  const fs::path file = path_ / wire::kControlFileName;
  const fs::path temporary = file.string() + ".new";
  const std::string text = wire::control_file_text(content);
  const net::Descriptor out(
      ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, S_IRUSR | S_IWUSR));
  if (!out.valid() ||
      ::write(out.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
      ::rename(temporary.c_str(), file.c_str()) != 0) {
    return io_error("write", file);
  }
  return {};
}

void DataDirectory::remove_control_file() {
  std::error_code ignored;
  fs::remove(path_ / wire::kControlFileName, ignored);
}

}  // namespace linarite::server
