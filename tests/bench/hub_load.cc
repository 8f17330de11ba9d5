// hub_load SCENARIO [--OPTION VALUE]...      (options: load/options.h)
//
//   fill       creates --devices identities over REST and sends --messages messages over AMQP, to
//              one device after the other; nobody receives
//   downlink   back ends send, devices receive and acknowledge
//   connect    devices connect and leave again, without pause
//   idle       memory of the server at --first and at --second idle connections
//   uplink     devices send events; with --readers 1 one reader reads them as they come
//   fill-events  the same, --messages of them, and nothing is measured but the time
//   get, put   identities are read, or written, over REST; without a hub files of a web server
//   readback   one reader reads --messages events from the beginning
//
// Puts a load on a running server, all from one thread, and prints what it measured as one JSON
// object. With --connection-string the server is a Linarite hub, whose devices are created first;
// without it a plain MQTT broker that gets the same MQTT packets. Ends with status 1 and a sentence
// when anything at all goes wrong.
#include <fmt/core.h>

#include <cstdio>
#include <cstdlib>

#include "load/connects.h"
#include "load/downlink.h"
#include "load/registry.h"
#include "load/rest_calls.h"
#include "load/uplink.h"
#include "net/connection_budget.h"

namespace linarite::load {
namespace {

// What the server still does when the last connection is up: release of buffers, for example.
constexpr double kSettleS = 2;

void create_identities(Session& session, size_t count, Report& report) {
  if (!session.options().is_hub()) return;
  const double seconds = create_devices(session, count);
  report.add("created", count);
  report.add("created_per_second", static_cast<double>(count) / seconds);
}

void fill(Session& session, Report& report) {
  const Options& options = session.options();
  create_identities(session, options.devices, report);
  const double start = session.now_s();
  const uint64_t resident = sample_or_give_up(options.server).resident_bytes;
  const Window window(options.server, start);
  Downlink downlink(session, /*connect_devices=*/false);
  downlink.send_all(options.messages);
  window.add_to(report, options.messages, session.now_s());
  const auto queued = static_cast<double>(options.messages);
  report.add("queued", options.messages);
  report.add("queued_per_second", queued / (session.now_s() - start));
  session.run_for(kSettleS);
  const uint64_t grown = sample_or_give_up(options.server).resident_bytes;
  report.add("rss_bytes_each",
             (static_cast<double>(grown) - static_cast<double>(resident)) / queued);
}

void measure_rest(Session& session, bool writes, Report& report) {
  create_identities(session, session.options().devices, report);
  measure_rest_calls(session, writes, report);
}

void measure_downlink(Session& session, Report& report) {
  create_identities(session, session.options().devices, report);
  Downlink downlink(session, /*connect_devices=*/true);
  downlink.measure(report);
}

void measure_uplink(Session& session, Report& report) {
  create_identities(session, session.options().devices, report);
  Uplink uplink(session);
  uplink.measure(report);
}

void fill_events(Session& session, Report& report) {
  const Options& options = session.options();
  create_identities(session, options.devices, report);
  Uplink uplink(session);
  const double start = session.now_s();
  uplink.send_all(options.messages);
  report.add("sent", options.messages);
  report.add("sent_per_second", static_cast<double>(options.messages) / (session.now_s() - start));
}

void measure_idle(Session& session, Report& report) {
  const Options& options = session.options();
  create_identities(session, options.second, report);
  MqttSink deaf;
  Fleet fleet(session, deaf);
  const auto resident_at = [&](size_t count) {
    fleet.grow_to(count);
    session.run_for(kSettleS);
    return sample_or_give_up(options.server).resident_bytes;
  };
  const uint64_t first = resident_at(options.first);
  const uint64_t second = resident_at(options.second);
  report.add("first", options.first);
  report.add("first_rss_bytes", first);
  report.add("second", options.second);
  report.add("second_rss_bytes", second);
  report.add("bytes_each", (static_cast<double>(second) - static_cast<double>(first)) /
                               static_cast<double>(options.second - options.first));
}

[[noreturn]] void run(const Options& options) {
  net::raise_descriptor_limit();
  Session session(options);
  Report report;
  switch (options.scenario) {
    case Scenario::kFill:
      fill(session, report);
      break;
    case Scenario::kDownlink:
      measure_downlink(session, report);
      break;
    case Scenario::kConnect:
      create_identities(session, options.devices, report);
      measure_connects(session, report);
      break;
    case Scenario::kIdle:
      measure_idle(session, report);
      break;
    case Scenario::kUplink:
      measure_uplink(session, report);
      break;
    case Scenario::kFillEvents:
      fill_events(session, report);
      break;
    case Scenario::kReadback:
      measure_readback(session, report);
      break;
    case Scenario::kGet:
      measure_rest(session, /*writes=*/false, report);
      break;
    case Scenario::kPut:
      measure_rest(session, /*writes=*/true, report);
      break;
  }
  fmt::print("{}\n", report.json());
  // The connections end with the process: taking thousands of them down one by one measures
  // nothing.
  std::fflush(nullptr);
  std::_Exit(0);
}

}  // namespace
}  // namespace linarite::load

int main(int argc, char** argv) {
  using namespace linarite::load;
  const auto options = parse_options(argc, argv);
  if (!options) give_up(options.error().message);
  run(*options);
}
