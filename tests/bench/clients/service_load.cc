// PROGRAM idle|downlink --connection-string S --ca FILE [--OPTION VALUE]...   (load/options.h)
//
//   idle       connects --first back ends, then all of --second, and says what one costs
//   downlink   one back end sends to --devices devices, which receive in the same process, as fast
//              as it goes with --window messages under way
//
// What a client library costs a process that is a back end: prints one JSON object. The library is
// the one that the program is linked with. What it costs is the time of all threads but the one on
// which the devices live. Ends with status 1 and a sentence when anything at all goes wrong.
#include <fmt/core.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <mutex>
#include <vector>

#include "base/random.h"
#include "clients/back_ends.h"
#include "load/mqtt_client.h"
#include "load/registry.h"
#include "load/usage_window.h"

namespace linarite::load {
namespace {

constexpr double kSettleS = 2;
constexpr double kArrivalLimitS = 60;
constexpr std::chrono::milliseconds kLook{1};

double own_thread_cpu_s() {
  timespec used{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) * 1e-9;
}

double library_cpu_s() { return own_cpu_s() - own_thread_cpu_s(); }

uint64_t resident_bytes(Session& session) {
  session.run_for(kSettleS);
  return sample_or_give_up(::getpid()).resident_bytes;
}

// One device after the other, with at most options.window messages that are not both accepted and
// received.
class RoundRobin final : public Supply {
 public:
  explicit RoundRobin(const Options& options) : options_(options), under_way_(options.devices) {}

  std::optional<size_t> next_device() override {
    const std::lock_guard lock(mutex_);
    if (!open_ || sent_ - std::min(accepted_, received_) >= options_.window) return std::nullopt;
    for (size_t tried = 0; tried < under_way_.size(); ++tried) {
      const size_t device = next_;
      next_ = (next_ + 1) % under_way_.size();
      if (under_way_[device] >= options_.depth) continue;
      ++under_way_[device];
      ++sent_;
      return device;
    }
    return std::nullopt;
  }
  void accepted() override {
    const std::lock_guard lock(mutex_);
    ++accepted_;
  }
  void received(size_t device) {
    const std::lock_guard lock(mutex_);
    if (under_way_[device] == 0) give_up("a message came a second time");
    --under_way_[device];
    ++received_;
  }
  void set_open(bool open) {
    const std::lock_guard lock(mutex_);
    open_ = open;
  }
  uint64_t accepted_total() const {
    const std::lock_guard lock(mutex_);
    return accepted_;
  }
  bool all_arrived() const {
    const std::lock_guard lock(mutex_);
    return sent_ == accepted_ && sent_ == received_;
  }

 private:
  const Options options_;
  mutable std::mutex mutex_;
  std::vector<size_t> under_way_;  // Sent and not received, by device.
  size_t next_ = 0;
  uint64_t sent_ = 0;
  uint64_t accepted_ = 0;
  uint64_t received_ = 0;
  bool open_ = false;
};

class Receivers final : public MqttSink {
 public:
  Receivers(Session& session, RoundRobin& supply) : supply_(supply), fleet_(session, *this) {
    fleet_.grow_to(session.options().devices);
  }
  void on_message(MqttClient& client, const mqtt::Publish&) override {
    supply_.received(client.number());
  }

 private:
  RoundRobin& supply_;
  Fleet fleet_;
};

// The devices do not wake the back end for each message: that would be work of theirs that is
// measured.
void keep_looking(Session& session, BackEnds& back_ends) {
  back_ends.look();
  session.loop().run_after(kLook, [&] { keep_looking(session, back_ends); });
}

void measure_idle(Session& session, BackEnds& back_ends, Report& report) {
  const Options& options = session.options();
  back_ends.grow_to(options.first);
  const uint64_t first = resident_bytes(session);
  const double cpu_before = library_cpu_s();
  back_ends.grow_to(options.second);
  const double cpu_s = library_cpu_s() - cpu_before;
  const uint64_t second = resident_bytes(session);
  const auto grown = static_cast<double>(options.second - options.first);
  report.add("bytes_each", (static_cast<double>(second) - static_cast<double>(first)) / grown);
  report.add("connect_cpu_us", cpu_s * 1e6 / grown);
}

void measure_downlink(Session& session, BackEnds& back_ends, RoundRobin& supply, Report& report) {
  const Options& options = session.options();
  create_devices(session, options.devices);
  const Receivers receivers(session, supply);
  back_ends.grow_to(1);
  supply.set_open(true);
  session.on_loop([&] { keep_looking(session, back_ends); });
  session.run_for(options.warm_up_s);
  const uint64_t before = supply.accepted_total();
  const double cpu_before = library_cpu_s();
  const Window window(options.server, session.now_s());
  session.run_for(options.seconds);
  const uint64_t count = supply.accepted_total() - before;
  report.add("library_cpu_us", (library_cpu_s() - cpu_before) * 1e6 / static_cast<double>(count));
  window.add_to(report, count, session.now_s());
  supply.set_open(false);
  session.run_until([&] { return supply.all_arrived(); }, kArrivalLimitS, "the last messages");
  // The receivers' connections end with the process.
  fmt::print("{}\n", report.json());
  std::fflush(nullptr);
  std::_Exit(0);
}

[[noreturn]] void run(const Options& options) {
  Session session(options);
  Report report;
  report.add("library", back_end_library());
  RoundRobin supply(options);
  const auto back_ends =
      make_back_ends(session, supply, std::string(SeededRandom(1).bytes(options.payload_bytes)));
  if (options.scenario == Scenario::kIdle) {
    measure_idle(session, *back_ends, report);
  } else {
    measure_downlink(session, *back_ends, supply, report);
  }
  fmt::print("{}\n", report.json());
  std::fflush(nullptr);
  std::_Exit(0);
}

}  // namespace
}  // namespace linarite::load

int main(int argc, char** argv) {
  using namespace linarite::load;
  const auto options = parse_options(argc, argv);
  if (!options) give_up(options.error().message);
  if (options->scenario != Scenario::kIdle && options->scenario != Scenario::kDownlink) {
    give_up("the first word is idle or downlink");
  }
  run(*options);
}
