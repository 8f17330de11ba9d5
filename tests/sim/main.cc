// linarite_sim [--seed N] [--seeds N] [--seconds N] [--steps N]
//
// Runs seeds one after the other, each twice, and stops at the first that breaks the contract or
// does not repeat itself. Prints the seed, so that `linarite_sim --seed N --seeds 1` shows it
// again.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "base/text.h"
#include "sim/world.h"

namespace {

using linarite::sim::RunResult;
using linarite::sim::World;
using linarite::sim::WorldOptions;

struct Arguments {
  uint64_t seed = 1;
  uint64_t seeds = UINT64_MAX;
  uint64_t seconds = UINT64_MAX;
  uint64_t steps = 2000;
};

Arguments parse(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    const auto value = linarite::whole_number<uint64_t>(argv[i + 1]);
    uint64_t* const field = name == "--seed"      ? &arguments.seed
                            : name == "--seeds"   ? &arguments.seeds
                            : name == "--seconds" ? &arguments.seconds
                            : name == "--steps"   ? &arguments.steps
                                                  : nullptr;
    if (field == nullptr || !value) {
      fmt::print(stderr, "linarite_sim: what is '{} {}'?\n", argv[i], argv[i + 1]);
      std::exit(2);
    }
    *field = *value;
  }
  return arguments;
}

RunResult run(uint64_t seed, uint64_t steps) {
  return World(WorldOptions{.seed = seed, .steps = static_cast<uint32_t>(steps)}).run();
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments = parse(argc, argv);
  const auto start = std::chrono::steady_clock::now();
  uint64_t messages = 0;
  uint64_t deliveries = 0;
  uint64_t crashes = 0;
  uint64_t ran = 0;
  for (; ran < arguments.seeds; ++ran) {
    const auto passed = std::chrono::steady_clock::now() - start;
    if (passed >= std::chrono::seconds(std::min<uint64_t>(arguments.seconds, 1'000'000'000))) break;
    const uint64_t seed = arguments.seed + ran;
    const RunResult first = run(seed, arguments.steps);
    if (!first.violation.empty()) {
      fmt::print("seed {}: {}\n", seed, first.violation);
      return 1;
    }
    if (run(seed, arguments.steps).trace_hash != first.trace_hash) {
      fmt::print("seed {}: the second run took another course\n", seed);
      return 1;
    }
    messages += first.messages;
    deliveries += first.deliveries;
    crashes += first.crashes;
  }
  fmt::print("{} seeds kept the contract: {} messages, {} deliveries, {} crashes\n", ran, messages,
             deliveries, crashes);
  return 0;
}
