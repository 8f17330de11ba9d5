// Requests over REST, one after the other on connections that are kept.
#pragma once

#include "load/report.h"
#include "load/session.h"

namespace linarite::load {

// GETs identities, or with `writes` PUTs them (any version of it: If-Match "*"), on
// options.parallel connections, one request at a time on each. Without a hub the paths are those of
// a web server's files, which are read. Gives up at any answer but 200.
void measure_rest_calls(Session& session, bool writes, Report& report);

}  // namespace linarite::load
