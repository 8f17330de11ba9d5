// Whether a function takes longer for one class of inputs than for another, after dudect (Reparaz,
// Balasch, Verbauwhede: Dude, is my code constant time?, 2017).
//
// A sample is one call with an input of a class that is drawn just before, and that nobody has seen
// before. Inputs of both classes are made each time, and one of them is selected into the one place
// from which the function reads, without a branch: what the caches and the predictor know when the
// clock starts does not depend on the class, and neither do address and length.
//
// Welch's t says whether the means of the two classes differ: above kThreshold they do. It is
// computed over all times, and over those below some percentiles of both classes together, as the
// slow ones (interrupts, other processes) hide small differences; the largest value counts.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "base/random.h"

namespace linarite::timing {

inline constexpr double kThreshold = 4.5;

struct Credential {
  std::string identity;  // A device id, or a policy.
  std::string secret;    // A token, or a key.
};

// A new one each time. Those of the two classes of a pair are of one length.
using Maker = std::function<Credential(Random& random)>;
// Judges a credential; false, as all that are measured must be refused.
using Check = std::function<bool(std::string_view identity, std::string_view secret)>;

struct Pair {
  const char* name;
  const char* first;
  const char* second;
  std::array<Maker, 2> classes;
  Check check;
};

struct Outcome {
  double t = 0;           // The largest, of all percentiles,
  double percentile = 0;  // and which it was.
  double difference = 0;  // Of the means of the faster half, in nanoseconds.
  double mean = 0;        // Of the faster half, of both classes.
};

// Keeps the calling thread on the processor that it runs on.
void stay_on_this_processor();

Outcome measure(const Pair& pair, size_t samples, Random& random);

}  // namespace linarite::timing
