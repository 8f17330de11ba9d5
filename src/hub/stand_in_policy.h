// The policy that is looked at when a token names one that does not exist.
#pragma once

#include "hub/policies.h"

namespace linarite::hub {

// Without rights, with keys of the length of generated ones, which everybody may know: whatever
// fits them must be refused. Only so that the refusal takes as long as that of a real policy.
const Policy& stand_in_policy();

}  // namespace linarite::hub
