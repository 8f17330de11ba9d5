// The pauses between tries, and before a token is renewed.
#pragma once

#include <linarite/error.h>
#include <linarite/options.h>

#include <string>

#include "base/random.h"
#include "base/time.h"

namespace linarite::sdk {

// Before the try after `failures` failed ones (at least 1), with a share of `random` taken off.
Duration pause_before_retry(const reconnect_options& options, unsigned failures, Random& random);
// For the log: why, and when the next try comes.
std::string retry_text(const error& why, Duration pause);
// Of a token that is good for `left`: `margin` before its end, or halfway when that is too near,
// but never at once: a provider that only ever brings tokens at their end must not make a client
// spin.
Duration pause_before_renewal(Duration left, Duration margin);

}  // namespace linarite::sdk
