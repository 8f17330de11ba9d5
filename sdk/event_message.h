// An event as a reader gets it, from the AMQP message that holds it (service protocol, 4.7).
#pragma once

#include <linarite/events.h>

#include "base/bytes.h"
#include "base/error.h"

namespace linarite::sdk {

// Fails for bytes that are no AMQP message. What a well-formed message says in types that no event
// has is left out.
Result<event> read_event(ByteView message);

}  // namespace linarite::sdk
