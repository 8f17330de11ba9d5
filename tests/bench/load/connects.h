// Connects devices, one after the other and options.parallel at a time, each with a full TLS
// handshake and CONNECT with its SAS token; each leaves as soon as it has its CONNACK.
#pragma once

#include "load/report.h"
#include "load/session.h"

namespace linarite::load {

// The visitors go on until the program ends: run no loop after it.
void measure_connects(Session& session, Report& report);

}  // namespace linarite::load
