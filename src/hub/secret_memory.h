// Memory for secrets that live long, and how to leave none of a short one behind.
#pragma once

#include <cstddef>
#include <string>

#include "base/bytes.h"

namespace linarite::hub {

// Overwrites the text, in a way that a compiler does not leave out, and makes it empty.
void wipe(std::string& text);

// Bytes in pages of their own: locked, so that they are never swapped out, as far as RLIMIT_MEMLOCK
// allows; left out of core dumps; overwritten when they are no longer needed.
class SecretMemory {
 public:
  explicit SecretMemory(ByteView bytes);
  ~SecretMemory();
  SecretMemory(SecretMemory&& other) noexcept;
  SecretMemory& operator=(SecretMemory&&) = delete;

  ByteView view() const { return {data_, size_}; }

 private:
  char* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace linarite::hub
