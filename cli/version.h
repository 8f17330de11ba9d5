// The version of the program; set by CMake.
#pragma once

#include <string_view>

namespace linarite::cli {

inline constexpr std::string_view kVersion = LINARITE_VERSION;

}  // namespace linarite::cli
