#include "iofail/allocations.h"

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

#include "iofail/faults.h"

namespace linarite::iofail {
namespace {

std::atomic<bool> watching{false};

bool is_to_fail() {
  if (!watching.load(std::memory_order_relaxed)) return false;
  Shared& all = shared();
  const uint64_t number = all.allocations.fetch_add(1, std::memory_order_relaxed) + 1;
  if (number != all.failing_allocation) return false;
  all.hit_phase = all.phase;
  all.hit = true;
  return true;
}

// As the standard has it: the handler is asked until it gives memory, ends or throws.
void* allocate(size_t size, size_t alignment) {
  for (bool fails = is_to_fail();; fails = false) {
    void* const memory = fails ? nullptr
                         : alignment <= alignof(std::max_align_t)
                             ? std::malloc(size == 0 ? 1 : size)
                             : std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
    if (memory != nullptr) return memory;
    const std::new_handler handler = std::get_new_handler();
    if (handler == nullptr) throw std::bad_alloc();
    handler();
  }
}

}  // namespace

void watch_allocations(bool on) { watching = on; }

}  // namespace linarite::iofail

using linarite::iofail::allocate;

void* operator new(size_t size) { return allocate(size, 0); }
void* operator new[](size_t size) { return allocate(size, 0); }
void* operator new(size_t size, std::align_val_t alignment) {
  return allocate(size, static_cast<size_t>(alignment));
}
void* operator new[](size_t size, std::align_val_t alignment) {
  return allocate(size, static_cast<size_t>(alignment));
}
void* operator new(size_t size, const std::nothrow_t& /*tag*/) noexcept {
  try {
    return allocate(size, 0);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
void* operator new[](size_t size, const std::nothrow_t& tag) noexcept {
  return operator new(size, tag);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t /*size*/) noexcept { std::free(memory); }
void operator delete[](void* memory, size_t /*size*/) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t /*alignment*/) noexcept { std::free(memory); }
void operator delete[](void* memory, std::align_val_t /*alignment*/) noexcept { std::free(memory); }
void operator delete(void* memory, size_t /*size*/, std::align_val_t /*alignment*/) noexcept {
  std::free(memory);
}
void operator delete[](void* memory, size_t /*size*/, std::align_val_t /*alignment*/) noexcept {
  std::free(memory);
}
