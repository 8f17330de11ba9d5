// The data directory of a running server: its lock, and the files that lie in it.
//
//   lock                       held while a server runs on it
//   control.json               by which the command line finds the server (wire/control_file.h)
//   ca.pem, ca.key, server-*   the development CA (net/dev_ca.h)
//   master.key                 what opens the keys in the store (server/master_key_file.h)
//   store/                     the store
#pragma once

#include <filesystem>
#include <string>

#include "base/error.h"
#include "net/descriptor.h"
#include "wire/control_file.h"

namespace linarite::server {

class DataDirectory {
 public:
  // Makes the directory (mode 0700) if needed and locks it. kStoreInUse if a server runs on it
  // already; kIoError for the rest. An empty path is the default of this user.
  static Result<DataDirectory> open(const std::string& path);

  DataDirectory(DataDirectory&&) = default;
  ~DataDirectory();

  const std::filesystem::path& path() const { return path_; }

  // Writes control.json (mode 0600), whole or not at all. The destructor removes it.
  Status write_control_file(const wire::ControlFile& content);
  void remove_control_file();

 private:
  DataDirectory(std::filesystem::path path, net::Descriptor lock)
      : path_(std::move(path)), lock_(std::move(lock)) {}

  std::filesystem::path path_;
  net::Descriptor lock_;  // Open and locked; the kernel lets go when the process ends.
};

}  // namespace linarite::server
