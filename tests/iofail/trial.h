// One trial: the scenario in a process of its own with one call or one allocation failing; then the
// store that it left is judged twice, each time in a process of its own: as it is, as after a kill,
// and with everything cut off that was not synced.
#pragma once

#include <string>

#include "iofail/faults.h"

namespace linarite::iofail {

struct Trial {
  std::string outcome;  // One of a few words.
  std::string error;    // The first that the scenario was given.
  std::string broken;   // Not empty: the promise that was broken, and how.
};

// In `folder`, which is emptied. shared() has what happened.
Trial run_trial(const std::string& folder, const Fault& fault);
// Which allocation is to fail: the one of this number, from 1, or the first one of this place. With
// both 0 none fails, and the places are collected.
struct FailingAllocation {
  uint64_t number = 0;
  uint64_t place = 0;
};
Trial run_allocation_trial(const std::string& folder, FailingAllocation failing);

}  // namespace linarite::iofail
