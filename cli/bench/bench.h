// A run of `linarite bench`: makes devices, plays a scenario on them, measures, and removes them.
#pragma once

#include <linarite/events.h>
#include <linarite/network.h>
#include <linarite/service_client.h>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/bench/connect_load.h"
#include "cli/bench/devices.h"
#include "cli/bench/fleet.h"
#include "cli/bench/message_load.h"
#include "cli/bench/plan.h"
#include "cli/bench/registry_load.h"
#include "cli/bench/report.h"
#include "cli/session.h"

namespace linarite::cli {

// Used once, on one thread; the SDK's clients have threads of their own.
class Bench {
 public:
  // `hub` is the session's. The process of the hub is measured too if it is known.
  Bench(Session& session, const Service& hub, BenchPlan plan, std::optional<int64_t> server_pid);
  ~Bench();
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  // One line on standard error says meanwhile how it goes, if that is a terminal. After SIGINT or
  // SIGTERM it measures no more, and removes the devices all the same; a second signal ends the
  // process at once. Fails if a scenario cannot be played; mistakes of messages are in the result.
  Outcome<BenchResult> run();
  // Removes the devices of all runs; how many they were at most.
  Outcome<size_t> clean();

 private:
  template <class T>
  using awaitable = boost::asio::awaitable<T>;
  // What was used since it was made.
  struct Window {
    Window(const Clock& clock, std::optional<int64_t> server_pid);
    Measurement measured(std::string name) const;

    const Clock& clock;
    const std::optional<int64_t> server_pid;
    const Instant begun;
    const std::optional<ProcessSample> server;
    const ProcessSample own;
    const double machine_s;
  };

  // --- scenarios.cc
  awaitable<void> play();
  awaitable<void> play_c2d();
  awaitable<void> play_c2d_offline();
  awaitable<void> drain(MessageLoad& load);
  awaitable<void> play_telemetry();
  awaitable<void> play_connect();
  awaitable<void> play_idle();
  awaitable<void> message_for_each();
  awaitable<void> play_registry();
  awaitable<void> play_mixed();
  awaitable<void> remove_all(size_t& removed);
  awaitable<void> connect_devices(size_t count);
  awaitable<void> connect_senders();
  awaitable<void> start_reader(MessageLoad& load);
  void read_on(MessageLoad& load);
  struct Share {
    double of = 1;  // Of the plan's rate, window and messages.
  };
  Load::Options load_options(std::string name, Share share,
                             std::vector<std::string> latencies) const;
  std::unique_ptr<MessageLoad> c2d_load(Share share);
  std::unique_ptr<MessageLoad> event_load(Share share);
  std::unique_ptr<RegistryLoad> registry_load(std::string name, RegistryLoad::Kind kind,
                                              Share share);
  std::unique_ptr<ConnectLoad> connect_load();
  void listen_for(MessageLoad& load);

  // --- bench.cc
  Outcome<void> run_to_end(awaitable<void> work);
  awaitable<void> whole_run();
  awaitable<void> measure(std::string name, std::vector<Load*> loads);
  awaitable<void> measure_one(const char* name, Load& load) { return measure(name, {&load}); }
  awaitable<void> until_over(std::vector<Load*> loads);
  // Until `done`, or until `progress` has stood still for too long, or soon after a signal.
  awaitable<void> until(std::function<bool()> done, std::function<uint64_t()> progress);
  // Ends early when the run was interrupted.
  awaitable<void> rest(Duration time);
  void pump_when_due();
  void interrupt();
  void end();
  void write_progress();
  void clear_progress() const;
  std::string progress_text() const;
  Outcome<DeviceAccess> access(size_t device);
  void grow_clients(size_t count);

  Session& session_;
  const BenchPlan plan_;
  const service_identity identity_;
  service_options options_;
  const bool shows_progress_;
  boost::asio::io_context io_;
  network network_;
  boost::asio::signal_set signals_{io_};
  boost::asio::steady_timer wake_{io_}, pace_{io_}, progress_{io_};
  std::deque<service_client> clients_;  // For the registry, and for the senders.
  Fleet fleet_{clients_};
  Devices devices_;
  std::optional<event_reader> reader_;
  // They outlive the clients' last handlers.
  std::vector<std::unique_ptr<Load>> loads_;
  std::vector<Load*> running_;
  std::string stage_;
  Instant stage_begun_;
  bool stopping_ = false;
  std::exception_ptr failure_;
  BenchResult result_;
};

}  // namespace linarite::cli
