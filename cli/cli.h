// The command line: everything that `linarite` does besides `serve`. docs/command-line.md describes
// it to users.
//
// Results go to standard output, and nothing else does. A failure is one line on standard error.
// Exit codes: 0, 1 (it failed), 2 (the command line makes no sense), and for `run` those of the
// program that it runs.
#pragma once

#include "cli/session.h"

namespace linarite::cli {

int run(int argc, char** argv);
// With what the server's part of the program adds.
int run(int argc, char** argv, ServerHooks hooks);

}  // namespace linarite::cli
