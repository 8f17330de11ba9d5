// linarite_sim [--seed N] [--seeds N] [--seconds N] [--steps N] [--network 0|1]
// [--trace 1]
//
// Runs seeds one after the other, each twice, and stops at the first that breaks the contract or
// does not repeat itself. Prints the seed, so that `linarite_sim --seed N --seeds 1` shows it
// again. Odd seeds call the hub's interface, even ones reach it through its gateways; --network
// makes all of them do the one or the other. --trace prints what happens.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "base/text.h"
#include "sim/hub_world.h"
#include "sim/network_world.h"

namespace {

using linarite::sim::HubWorld;
using linarite::sim::NetworkWorld;
using linarite::sim::RunResult;
using linarite::sim::WorldOptions;

constexpr uint64_t kBySeed = 2;  // Of Arguments::network.

struct Arguments {
  uint64_t seed = 1;
  uint64_t seeds = UINT64_MAX;
  uint64_t seconds = UINT64_MAX;
  uint64_t steps = 2000;
  uint64_t network = kBySeed;
  uint64_t trace = 0;
};

// What the seeds of one kind of world came to.
struct Sum {
  uint64_t seeds = 0;
  uint64_t messages = 0;
  uint64_t deliveries = 0;
  uint64_t crashes = 0;
  uint64_t events = 0;
  uint64_t trimmed = 0;
};

Arguments parse(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; i += 2) {
    const std::string_view name = argv[i];
    const std::string_view text = i + 1 < argc ? argv[i + 1] : "";
    const auto value = linarite::whole_number<uint64_t>(text);
    uint64_t* const field = name == "--seed"      ? &arguments.seed
                            : name == "--seeds"   ? &arguments.seeds
                            : name == "--seconds" ? &arguments.seconds
                            : name == "--steps"   ? &arguments.steps
                            : name == "--network" ? &arguments.network
                            : name == "--trace"   ? &arguments.trace
                                                  : nullptr;
    if (field == nullptr || !value) {
      fmt::print(stderr, "linarite_sim: what is '{} {}'?\n", name, text);
      std::exit(2);
    }
    *field = *value;
  }
  return arguments;
}

RunResult run(bool network, const WorldOptions& options) {
  return network ? NetworkWorld(options).run() : HubWorld(options).run();
}

// False, with a line that says why, if the seed shows a mistake.
bool run_twice(bool network, WorldOptions options, Sum& sum) {
  const RunResult first = run(network, options);
  if (!first.violation.empty()) {
    fmt::print("seed {}{}: {}\n", options.seed, network ? " (network)" : "", first.violation);
    return false;
  }
  options.print_trace = false;
  if (run(network, options).trace_hash != first.trace_hash) {
    fmt::print("seed {}: the second run took another course\n", options.seed);
    return false;
  }
  ++sum.seeds;
  sum.messages += first.messages;
  sum.deliveries += first.deliveries;
  sum.crashes += first.crashes;
  sum.events += first.events;
  sum.trimmed += first.trimmed;
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments = parse(argc, argv);
  const auto start = std::chrono::steady_clock::now();
  Sum sums[2];
  for (uint64_t ran = 0; ran < arguments.seeds; ++ran) {
    const auto passed = std::chrono::steady_clock::now() - start;
    if (passed >= std::chrono::seconds(std::min<uint64_t>(arguments.seconds, 1'000'000'000))) break;
    const uint64_t seed = arguments.seed + ran;
    const bool network = arguments.network == kBySeed ? seed % 2 == 0 : arguments.network == 1;
    const WorldOptions options{.seed = seed,
                               .steps = static_cast<uint32_t>(arguments.steps),
                               .print_trace = arguments.trace != 0};
    if (!run_twice(network, options, sums[network ? 1 : 0])) return 1;
  }
  for (const auto& [name, sum] : {std::pair("hub", sums[0]), std::pair("network", sums[1])}) {
    fmt::print(
        "{}: {} seeds kept the contract: {} messages, {} deliveries, {} events read, {} trimmed, "
        "{} crashes\n",
        name, sum.seeds, sum.messages, sum.deliveries, sum.events, sum.trimmed, sum.crashes);
  }
  return 0;
}
