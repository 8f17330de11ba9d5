// This program's own definitions of the C library's file calls. RocksDB is a shared library, so its
// calls come here as well: those on the files of one folder are counted, and one of them fails as
// shared().fault says. What is not synced is noted, so that a power cut can be played afterwards.
#pragma once

#include <string>

namespace linarite::iofail {

// From now on, in this process: counts and fails calls on the files of this folder.
void watch_folder(const std::string& path);

// As if the power had gone: cuts each file of the folder back to what was synced of it.
void cut_power(const std::string& path);

}  // namespace linarite::iofail
