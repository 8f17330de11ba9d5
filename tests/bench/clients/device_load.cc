// PROGRAM idle|downlink --connection-string S --ca FILE [--OPTION VALUE]...   (load/options.h)
//
//   idle       connects --first devices, then all of --second, and says how long that took and what
//              a device costs; then sends one message to each and sees each received
//   downlink   --devices devices receive and acknowledge what is sent to them, as fast as it goes
//
// What a client library costs a process that is many devices: prints one JSON object. The library
// is the one that the program is linked with. What it costs is the time of all threads but the one
// that sends. Ends with status 1 and a sentence when anything at all goes wrong.
#include <fmt/core.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "clients/devices.h"
#include "clients/feed.h"
#include "load/registry.h"
#include "load/usage_window.h"
#include "net/connection_budget.h"

namespace linarite::load {
namespace {

constexpr double kSettleS = 2;

double sending_cpu_s() {
  timespec used{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) * 1e-9;
}

double library_cpu_s() { return own_cpu_s() - sending_cpu_s(); }

uint64_t resident_bytes(Session& session) {
  session.run_for(kSettleS);
  return sample_or_give_up(::getpid()).resident_bytes;
}

void measure_idle(Session& session, Devices& devices, Feed& feed, Report& report) {
  const Options& options = session.options();
  devices.grow_to(options.first);
  const uint64_t first = resident_bytes(session);
  const double begun = session.now_s();
  const double cpu_before = library_cpu_s();
  devices.grow_to(options.second);
  const double seconds = session.now_s() - begun;
  const double cpu_s = library_cpu_s() - cpu_before;
  const uint64_t second = resident_bytes(session);
  const auto grown = static_cast<double>(options.second - options.first);
  report.add("first", options.first);
  report.add("second", options.second);
  report.add("bytes_each", (static_cast<double>(second) - static_cast<double>(first)) / grown);
  report.add("connect_seconds", seconds);
  report.add("connect_cpu_us", cpu_s * 1e6 / grown);
  const double sent_at = session.now_s();
  feed.open();
  feed.one_each();
  report.add("received", feed.received_total());
  report.add("one_each_seconds", session.now_s() - sent_at);
}

void measure_downlink(Session& session, Devices& devices, Feed& feed, Report& report) {
  devices.grow_to(session.options().devices);
  feed.open();
  feed.begin();
  session.run_for(session.options().warm_up_s);
  const uint64_t before = feed.received_total();
  const double cpu_before = library_cpu_s();
  const Window window(session.options().server, session.now_s());
  session.run_for(session.options().seconds);
  const uint64_t count = feed.received_total() - before;
  report.add("library_cpu_us", (library_cpu_s() - cpu_before) * 1e6 / static_cast<double>(count));
  window.add_to(report, count, session.now_s());
  feed.end();
  report.add("received", feed.received_total());
}

[[noreturn]] void run(const Options& options) {
  net::raise_descriptor_limit();
  Session session(options);
  Report report;
  report.add("library", library_name());
  const bool idle = options.scenario == Scenario::kIdle;
  const size_t count = idle ? options.second : options.devices;
  create_devices(session, count);
  Feed feed(session, count);
  const auto devices = make_devices(session, [&feed](size_t device) { feed.received(device); });
  if (idle) {
    measure_idle(session, *devices, feed, report);
  } else {
    measure_downlink(session, *devices, feed, report);
  }
  fmt::print("{}\n", report.json());
  // The connections end with the process.
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
