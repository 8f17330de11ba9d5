// The randomness of a run: who acts next, what runs, what crosses. A run draws it a million times,
// so it has neither a lock nor a large state.
#pragma once

#include "base/random.h"
#include "base/random_words.h"

namespace linarite::sim {

// One run's, and one thread's. SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number
// generators, 2014).
class Dice final : public Random {
 public:
  explicit Dice(uint64_t seed) : state_(seed) {}

  // Uniform over all 64-bit values.
  uint64_t draw() {
    state_ += 0x9e3779b97f4a7c15ULL;
    uint64_t mixed = state_;
    mixed = (mixed ^ (mixed >> 30U)) * 0xbf58476d1ce4e5b9ULL;
    mixed = (mixed ^ (mixed >> 27U)) * 0x94d049bb133111ebULL;
    return mixed ^ (mixed >> 31U);
  }

  void fill(char* out, size_t size) override {
    fill_with_words(out, size, [this] { return draw(); });
  }

 private:
  uint64_t state_;
};

}  // namespace linarite::sim
