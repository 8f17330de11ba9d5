// CHECK states what only our own mistake could make false. It stays on in release builds: a broken
// invariant ends the process loudly before anything false is acknowledged.
#pragma once

namespace linarite {

[[noreturn]] void check_failed(const char* expression, const char* file, int line);

}  // namespace linarite

#define CHECK(condition)                               \
  (static_cast<bool>(condition) ? static_cast<void>(0) \
                                : ::linarite::check_failed(#condition, __FILE__, __LINE__))
