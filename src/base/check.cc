#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace linarite {

void check_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "level=critical msg=\"check failed\" expression=\"%s\" at=%s:%d\n",
               expression, file, line);
  std::abort();
}

}  // namespace linarite
