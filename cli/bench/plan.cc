#include "cli/bench/plan.h"

#include <charconv>
#include <cmath>

#include "cli/bench/ledger.h"

namespace linarite::cli {
namespace {

constexpr int64_t kDevicesMax = 100'000;
constexpr int64_t kWindowMax = 100'000;
constexpr int64_t kBodyMax = 60'000;  // What fits into a message to a device.
constexpr int64_t kMessagesMax = 1'000'000'000;
constexpr int64_t kSendersMax = 64;
constexpr int64_t kThreadsMax = 64;
constexpr int64_t kPidMax = 4'194'304;  // proc(5), pid_max
constexpr double kRateMin = 0.001;
constexpr double kRateMax = 1'000'000;
constexpr double kSecondsMin = 0.05;
constexpr double kSecondsMax = 86'400;
constexpr size_t kOfflineDepth = 20;

struct Defaults {
  const char* name;
  int64_t devices;
  int64_t window;
};

const Defaults& defaults_of(Scenario scenario) {
  static constexpr Defaults kAll[] = {
      {"c2d", 100, 500},    {"c2d-offline", 1000, 1000}, {"telemetry", 100, 1000},
      {"connect", 100, 32}, {"idle", 1000, 64},          {"registry", 100, 16},
      {"mixed", 100, 300},
  };
  return kAll[static_cast<size_t>(scenario)];
}

Outcome<uint64_t> whole(const std::optional<int64_t>& given, int64_t otherwise, int64_t least,
                        int64_t most, const char* flag) {
  const int64_t value = given.value_or(otherwise);
  if (value >= least && value <= most) return static_cast<uint64_t>(value);
  return misused(std::string(flag) + ": must be " + std::to_string(least) + " to " +
                 std::to_string(most));
}

Outcome<double> real(const Text& given, double otherwise, double least, double most,
                     const char* flag) {
  if (!given) return otherwise;
  double value = 0;
  const char* const last = given->data() + given->size();
  const auto [end, error] = std::from_chars(given->data(), last, value);
  if (error == std::errc() && end == last && std::isfinite(value) && value >= least &&
      value <= most) {
    return value;
  }
  return misused(std::string(flag) + ": must be a number of at most " +
                 std::to_string(static_cast<int64_t>(most)) + (least > 0 ? ", and above 0" : ""));
}

Duration seconds(double value) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(value));
}

// Takes what a check gave, or keeps the first failure of all.
class Taker {
 public:
  template <class T, class Into>
  void take(const Outcome<T>& checked, Into& into) {
    if (checked) {
      into = static_cast<Into>(*checked);
    } else if (!failure_) {
      failure_ = checked.error();
    }
  }
  const std::optional<Failure>& failure() const { return failure_; }

 private:
  std::optional<Failure> failure_;
};

// Messages for devices that are away: a number of them, for each device has room for so many.
Outcome<void> settle_offline(BenchPlan& plan) {
  if (plan.messages == 0) plan.messages = plan.devices * kOfflineDepth;
  if (plan.messages <= plan.devices * kOfflineDepthMax) return {};
  return misused("--messages: a device that is away has room for " +
                 std::to_string(kOfflineDepthMax) + "; take more --devices");
}

}  // namespace

const char* scenario_name(Scenario scenario) { return defaults_of(scenario).name; }

Outcome<BenchPlan> bench_plan(Scenario scenario, const Arguments& given) {
  const Defaults& usual = defaults_of(scenario);
  BenchPlan out{.scenario = scenario};
  double warm_up = 0;
  double time = 0;
  Taker all;
  all.take(whole(given.devices, usual.devices, 1, kDevicesMax, "--devices"), out.devices);
  all.take(whole(given.window, usual.window, 1, kWindowMax, "--window"), out.window);
  all.take(real(given.rate, 0, kRateMin, kRateMax, "--rate"), out.rate);
  all.take(whole(given.size, 128, static_cast<int64_t>(Ledger::kBodyMin), kBodyMax, "--size"),
           out.body_bytes);
  all.take(real(given.warm_up, 2, 0, kSecondsMax, "--warm-up"), warm_up);
  all.take(real(given.seconds, 10, kSecondsMin, kSecondsMax, "--seconds"), time);
  all.take(whole(given.message_count, 0, given.message_count ? 1 : 0, kMessagesMax, "--messages"),
           out.messages);
  all.take(whole(given.senders, 4, 1, kSendersMax, "--senders"), out.senders);
  all.take(whole(given.readers, 1, 0, 1, "--readers"), out.readers);
  all.take(whole(given.threads, 1, 1, kThreadsMax, "--threads"), out.threads);
  if (given.server_pid) {
    out.server_pid = 0;
    all.take(whole(given.server_pid, 0, 1, kPidMax, "--server-pid"), *out.server_pid);
  }
  if (all.failure()) return std::unexpected(*all.failure());
  out.warm_up = seconds(warm_up);
  out.time = seconds(time);
  out.websocket = given.websocket == "true";
  out.keeps_devices = given.keep == "true";
  out.json_file = given.json;
  if (scenario == Scenario::kC2dOffline) {
    if (const auto settled = settle_offline(out); !settled) {
      return std::unexpected(settled.error());
    }
  }
  return out;
}

}  // namespace linarite::cli
