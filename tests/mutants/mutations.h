// The deliberate bugs by their names, for the programs that are compiled with them.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "base/mutation.h"

namespace linarite::mutants {

// As the enumerator: "kSendAckedEarly".
std::string_view name_of(Mutation mutation);
std::optional<Mutation> mutation_named(std::string_view name);
// Whether it is in the store on the disk, which no simulation has: tests/iofail finds it.
bool in_embedded_store(Mutation mutation);
// All, without kNone.
std::vector<Mutation> all_mutations();

}  // namespace linarite::mutants
