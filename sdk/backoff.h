// The pauses between tries.
#pragma once

#include <linarite/options.h>

#include "base/random.h"
#include "base/time.h"

namespace linarite::sdk {

// Before the try after `failures` failed ones (at least 1), with a share of `random` taken off.
Duration pause_before_retry(const reconnect_options& options, unsigned failures, Random& random);

}  // namespace linarite::sdk
