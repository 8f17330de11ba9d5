#include "base/out_of_memory.h"

#include <unistd.h>

#include <cstdlib>
#include <new>
#include <string_view>

namespace linarite {
namespace {

// Allocates nothing.
[[noreturn]] void end() {
  constexpr std::string_view kLine = "level=critical msg=\"out of memory\"\n";
  if (::write(STDERR_FILENO, kLine.data(), kLine.size()) < 0) std::abort();
  std::abort();
}

}  // namespace

void end_when_out_of_memory() { std::set_new_handler(end); }

}  // namespace linarite
