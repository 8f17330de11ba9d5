#include "cli/cli.h"

#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "cli/command.h"
#include "cli/parse.h"

namespace linarite::cli {
namespace {

int report(const Failure& failure) {
  std::fprintf(stderr, "ERROR: %s\n", one_line(failure.message).c_str());
  return failure.exit_code;
}

int print(const std::string& text) {
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  // A full disk shows here at the latest.
  if (std::fflush(stdout) == 0 && written) return 0;
  return report(Failure("the result could not be written to standard output"));
}

}  // namespace

int run(int argc, char** argv) { return run(argc, argv, {}); }

int run(int argc, char** argv, ServerHooks hooks) {
  std::vector<std::string> words(argv + (argc > 0 ? 1 : 0), argv + argc);
  auto parsed = parse(std::move(words));
  if (!parsed) return report(parsed.error());
  if (parsed->command == nullptr) return print(parsed->help);
  Session session(std::move(parsed->arguments), hooks);
  const auto result = parsed->command->run(session);
  if (!result) return report(result.error());
  return print(format_result(*result, session.arguments().output));
}

}  // namespace linarite::cli
