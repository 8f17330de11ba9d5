// `linarite serve`: flags, signals, and the server between start and stop.
#pragma once

#include <string>

namespace linarite::server {

// `argv` begins with the word "serve". Returns the exit code: 0 after SIGTERM or SIGINT, 1 if the
// server could not start or stop cleanly, 2 if the flags make no sense. SIGHUP reads certificates
// again.
int serve(int argc, char** argv, std::string version);

}  // namespace linarite::server
