// Bytes from a generator of 64-bit words.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace linarite {

// Fills `size` bytes at `out` with what `next()` gives, in the order of this machine's memory; of
// the last word what is needed.
template <class Next>
void fill_with_words(char* out, size_t size, Next next) {
  while (size > 0) {
    const uint64_t word = next();
    const size_t count = std::min(size, sizeof(word));
    std::memcpy(out, &word, count);
    out += count;
    size -= count;
  }
}

}  // namespace linarite
