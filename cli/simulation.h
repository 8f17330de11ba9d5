// Devices that a command plays: they send messages at a steady rate, and complete what the cloud
// sends to them.
#pragma once

#include <linarite/device_client.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cli/device_access.h"
#include "cli/failure.h"
#include "cli/latencies.h"

namespace linarite::cli {

struct SimulationPlan {
  uint64_t messages = 1;  // Of all devices together; they take turns.
  double rate = 1;        // Messages a second, of all devices together.
  // Makes the next message; the first has number 1.
  std::function<message(uint64_t number)> make_message;
  // Called for each message that a device received; it is completed afterwards.
  std::function<void(const std::string& device_id, const message&)> show;
  bool shows_progress = false;  // On standard error, as one line that is written again and again.
};

struct SimulationResult {
  uint64_t sent = 0;
  uint64_t acknowledged = 0;
  uint64_t failed = 0;
  uint64_t received = 0;
  std::optional<linarite::error> first_failure;
  Latencies latencies;  // From the call to the acknowledgement.
  std::chrono::duration<double> time{0};
  bool interrupted = false;  // By SIGINT or SIGTERM.
};

// Used once, on one thread.
class Simulation {
 public:
  Simulation(SimulationPlan plan, std::vector<DeviceAccess> devices);
  ~Simulation();
  Simulation(const Simulation&) = delete;
  Simulation& operator=(const Simulation&) = delete;

  // Connects all devices, sends everything and waits for the answers. After SIGINT or SIGTERM
  // nothing more is sent, and answers are waited for a few seconds. Fails if a device does not get
  // in.
  Outcome<SimulationResult> run();

 private:
  using SteadyClock = std::chrono::steady_clock;
  struct Device {
    std::string id;
    device_client client;
  };

  void connect();
  void connected(const linarite::error& why);
  void send_due();
  void send_one();
  void answered(SteadyClock::time_point began, const linarite::error& why);
  void receive(Device& device);
  void watch_signals();
  void interrupt();
  void write_progress();
  void clear_progress() const;
  // Nothing more will be sent.
  bool all_sent() const { return result_.interrupted || result_.sent == plan_.messages; }
  uint64_t in_flight() const { return result_.sent - result_.acknowledged - result_.failed; }
  void finish();

  const SimulationPlan plan_;
  boost::asio::io_context io_;
  boost::asio::signal_set signals_{io_};
  boost::asio::steady_timer pace_{io_};
  boost::asio::steady_timer progress_{io_};
  boost::asio::steady_timer patience_{io_};
  std::deque<Device> devices_;  // Their addresses stay. Destroyed before the context.
  size_t waiting_for_connect_ = 0;
  std::optional<linarite::error> refusal_;
  SteadyClock::time_point begin_;
  bool finished_ = false;
  SimulationResult result_;
};

}  // namespace linarite::cli
