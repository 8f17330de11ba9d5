#include "iofail/allocations.h"

#include <execinfo.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

#include "iofail/faults.h"

namespace linarite::iofail {
namespace {

constexpr size_t kFramesMax = 16;
constexpr size_t kOwnFrames = 3;  // place(), is_to_fail(), allocate().

std::atomic<bool> watching{false};

// FNV-1a of the callers' addresses, which are the same in all processes that were forked from one.
[[gnu::noinline]] uint64_t place() {
  std::array<void*, kFramesMax> frames{};
  const auto count = static_cast<size_t>(::backtrace(frames.data(), kFramesMax));
  uint64_t hash = 0xcbf29ce484222325U;
  for (size_t i = std::min(kOwnFrames, count); i < count; ++i) {
    hash = (hash ^ reinterpret_cast<uintptr_t>(frames[i])) * 0x100000001b3U;
  }
  return hash == 0 ? 1 : hash;
}

void collect(uint64_t place) {
  auto& places = shared().places;
  for (size_t i = place % kPlacesMax;; i = (i + 1) % kPlacesMax) {
    uint64_t free = 0;
    if (places[i] == place || places[i].compare_exchange_strong(free, place) || free == place)
      return;
  }
}

[[gnu::noinline]] bool is_to_fail() {
  if (!watching.load(std::memory_order_relaxed)) return false;
  Shared& all = shared();
  const uint64_t number = all.allocations.fetch_add(1, std::memory_order_relaxed) + 1;
  const bool looking = all.collect_places || (all.failing_place != 0 && !all.hit);
  const uint64_t where = looking ? place() : 0;
  if (all.collect_places) collect(where);
  const bool here = number == all.failing_allocation || (looking && all.failing_place == where);
  if (!here || all.hit.exchange(true)) return false;
  all.hit_phase = all.phase;
  return true;
}

// As the standard has it: the handler is asked until it gives memory, ends or throws.
[[gnu::noinline]] void* allocate(size_t size, size_t alignment) {
  for (bool fails = is_to_fail();; fails = false) {
    void* const memory =
        fails ? nullptr
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

void watch_allocations(bool on) {
  static_cast<void>(place());  // The first call loads what it needs.
  watching = on;
}

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
