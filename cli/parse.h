// From the words of the command line to a command and its arguments.
#pragma once

#include <string>
#include <vector>

#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/failure.h"

namespace linarite::cli {

struct Parsed {
  const Command* command = nullptr;  // Null if `help` is all that was asked for.
  Arguments arguments;
  std::string help;
};

// The words without the program's name. As with az, a long flag may be shortened as far as it stays
// the only one that begins so, and a flag given twice has its last value. Every failure has the
// exit code kExitUsage; none repeats the text of a connection string.
Outcome<Parsed> parse(std::vector<std::string> words);

}  // namespace linarite::cli
