#include "hub/secret_memory.h"

#include <openssl/crypto.h>
#include <sys/mman.h>

#include <cstring>
#include <utility>

#include "base/check.h"

namespace linarite::hub {

void wipe(std::string& text) {
  OPENSSL_cleanse(text.data(), text.size());
  text.clear();
}

SecretMemory::SecretMemory(ByteView bytes) : size_(bytes.size()) {
  CHECK(!bytes.empty());
  void* const pages =
      ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(pages != MAP_FAILED);
  data_ = static_cast<char*>(pages);
  // Both are a help that a machine may refuse, and no condition.
  static_cast<void>(::mlock(data_, size_));
  static_cast<void>(::madvise(data_, size_, MADV_DONTDUMP));
  std::memcpy(data_, bytes.data(), size_);
}

SecretMemory::SecretMemory(SecretMemory&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

SecretMemory::~SecretMemory() {
  if (data_ == nullptr) return;
  OPENSSL_cleanse(data_, size_);
  ::munmap(data_, size_);
}

}  // namespace linarite::hub
