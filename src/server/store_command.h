// `linarite store check`: the store of a data directory that no server runs on.
#pragma once

#include <boost/json/object.hpp>
#include <string>

#include "base/error.h"

namespace linarite::server {

struct StoreQuestion {
  std::string data_directory;
  // Makes a new data directory with what can be trusted of a damaged store.
  bool salvage = false;
  std::string to;  // Where; empty: beside the data directory, its name with ".salvaged".
  std::string master_key_file;  // Empty: that of the data directory.
  // Salvages although keys can't be opened, which are then replaced by new ones.
  bool new_keys = false;
};

// What is in the store, and what is wrong with it (docs/command-line.md). Nothing in the data
// directory changes but its lock files.
//   kStoreInUse   a server runs on it
//   kStoreFormat  there is no store, or not one that this program knows
//   kIoError      the operating system refused something; or the new directory is there already
//   kMasterKeyUnusable  a salvage would have to replace keys, and was not told to
Result<boost::json::object> look_at_store(const StoreQuestion& question);

}  // namespace linarite::server
