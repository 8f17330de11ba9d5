// `linarite store rewrap`: a new master key for the store of a data directory that no server runs
// on.
#pragma once

#include <boost/json/object.hpp>
#include <string>

#include "base/error.h"

namespace linarite::server {

// Adds a new master key to the file of master keys, seals all keys in the store with it, rewrites
// the store's files without the old forms, and takes the old master keys out of the file: each step
// on the disk before the next. After a crash in between the server starts as ever, and seals what
// is left; another call goes on with the key that was made. An empty `master_key_file` is that of
// the data directory. Says what was done: "masterKey", "recordsSealed", and "oldKeysKept" if the
// disk had no room to rewrite the store.
//   kStoreInUse         a server runs on it
//   kStoreFormat        there is no store
//   kMasterKeyUnusable  see server/master_key_file.h, hub/keyring.h
//   and what opening the store may say
Result<boost::json::object> rewrap_store(const std::string& data_directory,
                                         const std::string& master_key_file);

}  // namespace linarite::server
