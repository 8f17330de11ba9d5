// The server with a deliberate bug: LINARITE_MUTATION names it; without it there is none. It is the
// control of the harnesses that kill a server or cut its power: what they do not notice here they
// notice nowhere.
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>

#include "mutants/mutations.h"

namespace linarite::mutants {
namespace {

const bool kChosen = [] {
  const char* const name = std::getenv("LINARITE_MUTATION");
  if (name == nullptr) return false;
  const auto mutation = mutation_named(name);
  if (!mutation) {
    fmt::print(stderr, "linarite_mutants: no bug is named {}\n", name);
    std::exit(2);
  }
  chosen_mutation = *mutation;
  return true;
}();

}  // namespace
}  // namespace linarite::mutants
