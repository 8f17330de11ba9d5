#include "base/out_of_memory.h"

#include <gtest/gtest.h>

#include <new>

namespace linarite {
namespace {

// As operator new does when there is no memory left.
void ask_the_handler() {
  end_when_out_of_memory();
  std::get_new_handler()();
}

TEST(OutOfMemoryTest, EndsTheProcessAndSaysWhy) {
  EXPECT_DEATH(ask_the_handler(), "level=critical msg=\"out of memory\"");
}

}  // namespace
}  // namespace linarite
