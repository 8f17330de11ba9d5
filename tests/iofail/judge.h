// Opens the store that a scenario left behind, on a disk without faults, and compares it with
// shared().promises.
#pragma once

#include <string>

namespace linarite::iofail {

// Empty if every promise was kept, or else the first that was broken.
std::string judge(const std::string& folder);

}  // namespace linarite::iofail
