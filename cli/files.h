// The few files that the command line reads and writes.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

#include "cli/failure.h"

namespace linarite::cli {

// The whole file. Fails with a sentence that names it, also when it is larger than `size_max`
// bytes.
Outcome<std::string> read_file(const std::filesystem::path& path, size_t size_max);

// Replaces the file as a whole: readers see the old one or the new one. Mode 0600.
Outcome<void> write_file(const std::filesystem::path& path, std::string_view text);

}  // namespace linarite::cli
