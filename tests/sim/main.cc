// linarite_sim [--seed N] [--seeds N] [--seconds N] [--steps N] [--network 0|1] [--jobs N]
// [--trace 1]
//
// Runs seeds one after the other, each twice, and stops at the first that breaks the contract or
// does not repeat itself. Prints the seed, so that `linarite_sim --seed N --seeds 1` shows it
// again. Odd seeds call the hub's interface, even ones reach it through its gateways; --network
// makes all of them do the one or the other. --trace prints what happens. --jobs shares the seeds
// among as many processes.
#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

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
  uint64_t jobs = 1;
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

  void add(const Sum& other) {
    seeds += other.seeds;
    messages += other.messages;
    deliveries += other.deliveries;
    crashes += other.crashes;
    events += other.events;
    trimmed += other.trimmed;
  }
};
using Sums = std::array<Sum, 2>;  // Of the hub's interface, and of the network.

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
                            : name == "--jobs"    ? &arguments.jobs
                            : name == "--trace"   ? &arguments.trace
                                                  : nullptr;
    if (field == nullptr || !value || (field == &arguments.jobs && *value == 0)) {
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
  sum.add({.seeds = 1,
           .messages = first.messages,
           .deliveries = first.deliveries,
           .crashes = first.crashes,
           .events = first.events,
           .trimmed = first.trimmed});
  return true;
}

// Runs the share of one of the jobs; false if a seed shows a mistake. Seeds go out in pairs, as the
// two kinds do not cost the same.
bool run_share(const Arguments& arguments, uint64_t job, Sums& sums) {
  const auto start = std::chrono::steady_clock::now();
  const std::chrono::seconds limit(std::min<uint64_t>(arguments.seconds, 1'000'000'000));
  for (uint64_t ran = 0; ran < arguments.seeds; ++ran) {
    if (ran / 2 % arguments.jobs != job) continue;
    if (std::chrono::steady_clock::now() - start >= limit) break;
    const uint64_t seed = arguments.seed + ran;
    const bool network = arguments.network == kBySeed ? seed % 2 == 0 : arguments.network == 1;
    const WorldOptions options{.seed = seed,
                               .steps = static_cast<uint32_t>(arguments.steps),
                               .print_trace = arguments.trace != 0};
    if (!run_twice(network, options, sums[network ? 1 : 0])) return false;
  }
  return true;
}

struct Job {
  pid_t process;
  int sums;  // Where it writes them when it is through.
};

Job start_job(const Arguments& arguments, uint64_t number) {
  std::array<int, 2> ends{};
  if (pipe(ends.data()) != 0) std::abort();
  const pid_t process = fork();
  if (process < 0) std::abort();
  if (process == 0) {
    Sums sums;
    const bool right = run_share(arguments, number, sums);
    (void)std::fflush(stdout);
    const bool told = write(ends[1], &sums, sizeof(sums)) == static_cast<ssize_t>(sizeof(sums));
    _exit(right && told ? 0 : 1);
  }
  close(ends[1]);
  return {process, ends[0]};
}

// The first job that finds a mistake, or ends otherwise than it should, ends them all.
bool run_jobs(const Arguments& arguments, Sums& sums) {
  std::vector<Job> jobs;
  for (uint64_t i = 0; i < arguments.jobs; ++i) jobs.push_back(start_job(arguments, i));
  bool right = true;
  for (size_t left = jobs.size(); left > 0; --left) {
    int status = 0;
    const pid_t ended = wait(&status);
    const auto job = std::ranges::find(jobs, ended, &Job::process);
    Sums found;
    right &= WIFEXITED(status) && WEXITSTATUS(status) == 0 && job != jobs.end() &&
             read(job->sums, &found, sizeof(found)) == static_cast<ssize_t>(sizeof(found));
    for (size_t i = 0; right && i < sums.size(); ++i) sums[i].add(found[i]);
    if (job != jobs.end()) jobs.erase(job);
    if (right) continue;
    for (const Job& other : jobs) kill(other.process, SIGTERM);
  }
  return right;
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments = parse(argc, argv);
  Sums sums;
  if (!(arguments.jobs == 1 ? run_share(arguments, 0, sums) : run_jobs(arguments, sums))) return 1;
  for (const auto& [name, sum] : {std::pair("hub", sums[0]), std::pair("network", sums[1])}) {
    fmt::print(
        "{}: {} seeds kept the contract: {} messages, {} deliveries, {} events read, {} trimmed, "
        "{} crashes\n",
        name, sum.seeds, sum.messages, sum.deliveries, sum.events, sum.trimmed, sum.crashes);
  }
  return 0;
}
