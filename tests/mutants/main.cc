// sim_mutants [--mutation NAME] [--seed N] [--seeds-max N] [--steps N]
//
// For each deliberate bug that a simulation can meet, or one, runs seeds until the simulation finds
// it, odd ones in the world that calls the hub and even ones in the world with the gateways, as
// `sim` does; fails if one is not found. The control is the same program without a bug: none of the
// seeds that it took, and 20 at least, may fail.
//
// Each seed is a process of its own, for some bugs end the hub: a broken CHECK finds them too.
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "mutants/mutations.h"
#include "sim/hub_world.h"
#include "sim/network_world.h"

namespace {

using linarite::Mutation;
using linarite::sim::HubWorld;
using linarite::sim::NetworkWorld;
using linarite::sim::WorldOptions;

constexpr uint64_t kControlSeedsMin = 20;
constexpr rlim_t kSeedCpuSeconds = 120;  // A bug may keep the hub busy for ever.

struct Arguments {
  std::vector<Mutation> mutations{};
  uint64_t seed = 1;
  uint64_t seeds_max = 10'000;
  uint64_t steps = 2000;
};

[[noreturn]] void refuse(std::string_view name, std::string_view text) {
  fmt::print(stderr, "sim_mutants: what is '{} {}'?\n", name, text);
  std::exit(2);
}

Arguments parse(int argc, char** argv) {
  Arguments arguments{.mutations = linarite::mutants::all_mutations()};
  std::erase_if(arguments.mutations, linarite::mutants::in_embedded_store);
  for (int i = 1; i < argc; i += 2) {
    const std::string_view name = argv[i];
    const std::string_view text = i + 1 < argc ? argv[i + 1] : "";
    if (name == "--mutation") {
      const auto mutation = linarite::mutants::mutation_named(text);
      if (!mutation) refuse(name, text);
      arguments.mutations = {*mutation};
      continue;
    }
    const auto value = linarite::whole_number<uint64_t>(text);
    uint64_t* const field = name == "--seed"        ? &arguments.seed
                            : name == "--seeds-max" ? &arguments.seeds_max
                            : name == "--steps"     ? &arguments.steps
                                                    : nullptr;
    if (field == nullptr || !value) refuse(name, text);
    *field = *value;
  }
  return arguments;
}

bool in_network(uint64_t seed) { return seed % 2 == 0; }

[[noreturn]] void run_here(Mutation mutation, const WorldOptions& options) {
  linarite::chosen_mutation = mutation;
  const rlimit limit{kSeedCpuSeconds, kSeedCpuSeconds};
  setrlimit(RLIMIT_CPU, &limit);
  const auto result =
      in_network(options.seed) ? NetworkWorld(options).run() : HubWorld(options).run();
  fmt::print("{}", result.violation);
  (void)std::fflush(stdout);
  _exit(0);
}

// What the seed shows; empty if it shows nothing wrong.
std::string run(Mutation mutation, const WorldOptions& options) {
  std::array<int, 2> pipe_ends{};
  (void)std::fflush(stdout);
  if (pipe(pipe_ends.data()) != 0) std::abort();
  const pid_t child = fork();
  if (child < 0) std::abort();
  if (child == 0) {
    dup2(pipe_ends[1], STDOUT_FILENO);
    dup2(pipe_ends[1], STDERR_FILENO);
    close(pipe_ends[0]);
    run_here(mutation, options);
  }
  close(pipe_ends[1]);
  std::string said;
  std::array<char, 4096> part{};
  for (ssize_t count = 0; (count = read(pipe_ends[0], part.data(), part.size())) > 0;) {
    said.append(part.data(), static_cast<size_t>(count));
  }
  close(pipe_ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return said;
  return fmt::format("the hub ended itself: {}", said);
}

// How many seeds it took; nothing if the bug was not found.
std::optional<uint64_t> hunt(Mutation mutation, const Arguments& arguments) {
  for (uint64_t ran = 0; ran < arguments.seeds_max; ++ran) {
    const uint64_t seed = arguments.seed + ran;
    const std::string found =
        run(mutation, {.seed = seed, .steps = static_cast<uint32_t>(arguments.steps)});
    if (found.empty()) continue;
    fmt::print("{:<24} {:>5} seeds  {:<7}  {}\n", linarite::mutants::name_of(mutation), ran + 1,
               in_network(seed) ? "network" : "hub", found.substr(0, found.find('\n')));
    return ran + 1;
  }
  fmt::print("{:<24} not found in {} seeds\n", linarite::mutants::name_of(mutation),
             arguments.seeds_max);
  return std::nullopt;
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments = parse(argc, argv);
  size_t missed = 0;
  uint64_t seeds = kControlSeedsMin;
  for (const Mutation mutation : arguments.mutations) {
    const auto took = hunt(mutation, arguments);
    if (!took) ++missed;
    seeds = std::max(seeds, took.value_or(0));
  }
  Arguments control = arguments;
  control.seeds_max = seeds;
  fmt::print("the same seeds without a bug:\n");
  if (hunt(Mutation::kNone, control)) return 1;
  fmt::print("{} bugs found, {} not found\n", arguments.mutations.size() - missed, missed);
  return missed == 0 ? 0 : 1;
}
