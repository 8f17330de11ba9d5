// What a benchmark is to do: the flags of `linarite bench SCENARIO`, checked, with the defaults of
// the scenario.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "base/time.h"
#include "cli/arguments.h"
#include "cli/failure.h"

namespace linarite::cli {

enum class Scenario : uint8_t {
  kC2d,
  kC2dOffline,
  kTelemetry,
  kConnect,
  kIdle,
  kRegistry,
  kMixed,
};
// As on the command line: "c2d-offline".
const char* scenario_name(Scenario scenario);

struct BenchPlan {
  Scenario scenario = Scenario::kC2d;
  size_t devices = 0;
  double rate = 0;        // Operations a second, each begun when it is due; 0: a closed loop.
  uint64_t window = 0;    // Of a closed loop: operations under way.
  size_t body_bytes = 0;  // Of each message.
  Duration warm_up{0};    // Before what is measured.
  Duration time{0};       // Of what is measured.
  uint64_t messages = 0;  // If not 0: that many operations, without a warm-up, however long.
  size_t senders = 1;     // Connections of back ends that send.
  size_t readers = 0;     // Of events.
  size_t threads = 1;     // Of the SDK; one more is the benchmark's own.
  bool websocket = false;
  bool keeps_devices = false;
  std::optional<int64_t> server_pid;  // Of a hub on this machine whose data directory is not known.
  Text json_file;                     // Where JSON goes; empty text: to standard output.
};

// Messages that may wait for a device that is away, as at the original.
inline constexpr size_t kOfflineDepthMax = 50;

Outcome<BenchPlan> bench_plan(Scenario scenario, const Arguments& arguments);

}  // namespace linarite::cli
