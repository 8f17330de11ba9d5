// The figures of a benchmark: as JSON, and as a table to read.
#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/process_sample.h"
#include "cli/bench/load.h"
#include "cli/bench/plan.h"

namespace linarite::cli {

// What happened in one window of time.
struct Measurement {
  std::string name;
  double seconds = 0;
  std::vector<LoadFigures> loads;
  std::optional<Usage> server;  // If the hub's process is known.
  Usage tool;                   // This process.
  double others_cpu_s = 0;      // All other processes of the machine.
  // More figures, by name with the unit last: "server_rss_bytes_each".
  std::vector<std::pair<std::string, double>> more;

  uint64_t count() const;
};

struct BenchResult {
  std::string started;  // ISO 8601
  std::string host;     // The hub.
  std::optional<int64_t> server_pid;
  std::vector<Measurement> measurements;
  bool interrupted = false;
  size_t cores = 1;  // That this process may use.
};

// What makes the figures doubtful or a failure, in sentences.
std::vector<std::string> warnings_of(const BenchResult& result);
// The first thing that must not have happened: a message that was refused, lost, doubled, changed,
// out of order or at another device.
std::optional<std::string> mistake_of(const BenchResult& result);

// Version, machine, parameters and all figures; members are in snake_case with their unit last.
boost::json::object bench_json(const BenchPlan& plan, const BenchResult& result);
std::string bench_table(const BenchPlan& plan, const BenchResult& result);

}  // namespace linarite::cli
