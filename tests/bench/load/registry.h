// Creates the identities of a run over REST.
#pragma once

#include "load/session.h"

namespace linarite::load {

// Device 0 to count - 1, each by a PUT of its own, over options.parallel keep-alive connections.
// Returns how many seconds it took. Gives up at the first answer other than 200.
double create_devices(Session& session, size_t count);

}  // namespace linarite::load
