#include "cli/files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace linarite::cli {
namespace {

std::unexpected<Failure> failed_on(const char* what, const std::filesystem::path& path) {
  return failed(std::string("cannot ") + what + " " + path.string() + ": " + std::strerror(errno));
}

bool write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(descriptor, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    text.remove_prefix(static_cast<size_t>(count));
  }
  return true;
}

}  // namespace

Outcome<std::string> read_file(const std::filesystem::path& path, size_t size_max) {
  std::FILE* const file = std::fopen(path.c_str(), "rbe");
  if (file == nullptr) return failed_on("read", path);
  std::string text;
  char buffer[16384];
  size_t count = sizeof(buffer);
  while (text.size() <= size_max && count == sizeof(buffer)) {
    count = std::fread(buffer, 1, sizeof(buffer), file);
    text.append(buffer, count);
  }
  const bool broken = std::ferror(file) != 0;
  const int reason = errno;
  std::fclose(file);
  errno = reason;
  if (broken) return failed_on("read", path);
  if (text.size() > size_max) {
    return failed(path.string() + " is larger than " + std::to_string(size_max) + " bytes");
  }
  return text;
}

Outcome<void> write_file(const std::filesystem::path& path, std::string_view text) {
  const std::string draft = path.string() + "." + std::to_string(::getpid());
  ::unlink(draft.c_str());
  const int descriptor = ::open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (descriptor < 0) return failed_on("write", draft);
  const bool written = write_all(descriptor, text);
  if (::close(descriptor) != 0 || !written || ::rename(draft.c_str(), path.c_str()) != 0) {
    auto failure = failed_on("write", path);
    ::unlink(draft.c_str());
    return failure;
  }
  return {};
}

}  // namespace linarite::cli
