#include "cli/simulation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <utility>

namespace linarite::cli {
namespace {

using std::chrono::milliseconds;

// Messages of all devices that were sent and not acknowledged. Above it the rate is not kept.
constexpr uint64_t kInFlightMax = 10'000;
// After the signal, for what is not acknowledged yet.
constexpr std::chrono::seconds kPatience{5};
constexpr milliseconds kProgressInterval{250};
constexpr milliseconds kPaceMin{1};

double milliseconds_of(Latencies::Microseconds time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

}  // namespace

Simulation::Simulation(SimulationPlan plan, std::vector<DeviceAccess> devices)
    : plan_(std::move(plan)) {
  for (DeviceAccess& access : devices) {
    access.options.offline_queue.limit = kInFlightMax;
    std::string id = access.identity.device_id;
    devices_.emplace_back(
        std::move(id),
        device_client(io_.get_executor(), std::move(access.identity), std::move(access.options)));
  }
}

// Handlers of clients that end now are posted and never called: the context ends with them.
Simulation::~Simulation() = default;

Outcome<SimulationResult> Simulation::run() {
  watch_signals();
  connect();
  io_.run();
  clear_progress();
  if (refusal_) return std::unexpected(Failure(*refusal_));
  return std::move(result_);
}

void Simulation::connect() {
  waiting_for_connect_ = devices_.size();
  for (Device& device : devices_) {
    device.client.async_connect([this](const linarite::error& why) { connected(why); });
  }
}

void Simulation::connected(const linarite::error& why) {
  if (finished_) return;
  if (why) {
    refusal_ = why;
    return finish();
  }
  if (--waiting_for_connect_ > 0) return;
  begin_ = SteadyClock::now();
  for (Device& device : devices_) receive(device);
  if (plan_.shows_progress) write_progress();
  send_due();
}

// The k-th message is due at k / rate. What could not be sent in time is sent as soon as it can be.
void Simulation::send_due() {
  if (finished_ || all_sent()) return;
  const std::chrono::duration<double> since = SteadyClock::now() - begin_;
  const double due = std::floor(since.count() * plan_.rate) + 1;
  while (!all_sent() && static_cast<double>(result_.sent) < due && in_flight() < kInFlightMax) {
    send_one();
  }
  if (all_sent()) return;
  const std::chrono::duration<double> next(static_cast<double>(result_.sent) / plan_.rate);
  const auto when = begin_ + std::chrono::duration_cast<SteadyClock::duration>(next);
  pace_.expires_at(std::max(when, SteadyClock::now() + kPaceMin));
  pace_.async_wait([this](const boost::system::error_code& aborted) {
    if (!aborted) send_due();
  });
}

void Simulation::send_one() {
  Device& device = devices_[result_.sent % devices_.size()];
  const auto began = SteadyClock::now();
  device.client.async_send_event(
      plan_.make_message(++result_.sent),
      [this, began](const linarite::error& why) { answered(began, why); });
}

void Simulation::answered(SteadyClock::time_point began, const linarite::error& why) {
  if (finished_) return;  // It stays unanswered.
  if (why) {
    ++result_.failed;
    if (!result_.first_failure) result_.first_failure = why;
  } else {
    ++result_.acknowledged;
    result_.latencies.add(
        std::chrono::duration_cast<Latencies::Microseconds>(SteadyClock::now() - began));
  }
  if (all_sent() && in_flight() == 0) finish();
}

void Simulation::receive(Device& device) {
  device.client.async_receive([this, &device](const linarite::error& why, received_message got) {
    if (why) return;  // The client was closed.
    ++result_.received;
    clear_progress();
    plan_.show(device.id, got.content());
    // If the connection went meanwhile the hub delivers it again.
    device.client.async_complete(std::move(got), [](const linarite::error&) {});
    receive(device);
  });
}

void Simulation::watch_signals() {
  signals_.add(SIGINT);
  signals_.add(SIGTERM);
  signals_.async_wait([this](const boost::system::error_code& aborted, int) {
    if (!aborted) interrupt();
  });
}

// A second signal ends the process as if nobody had watched.
void Simulation::interrupt() {
  result_.interrupted = true;
  signals_.clear();
  pace_.cancel();
  if (in_flight() == 0) return finish();
  patience_.expires_after(kPatience);
  patience_.async_wait([this](const boost::system::error_code& aborted) {
    if (!aborted) finish();
  });
}

// az shows a bar; at a steady rate the numbers say more.
void Simulation::write_progress() {
  const std::chrono::duration<double> since = SteadyClock::now() - begin_;
  const std::string line = fmt::format(
      "\r\x1b[K{} of {} sent, {} acknowledged, {} failed, {:.1f}/s, p50 {:.1f} ms, p99 {:.1f} ms",
      result_.sent, plan_.messages, result_.acknowledged, result_.failed,
      static_cast<double>(result_.acknowledged) / std::max(since.count(), 0.001),
      milliseconds_of(result_.latencies.percentile(50)),
      milliseconds_of(result_.latencies.percentile(99)));
  std::fwrite(line.data(), 1, line.size(), stderr);
  progress_.expires_after(kProgressInterval);
  progress_.async_wait([this](const boost::system::error_code& aborted) {
    if (!aborted) write_progress();
  });
}

void Simulation::clear_progress() const {
  if (plan_.shows_progress) std::fputs("\r\x1b[K", stderr);
}

// The devices say goodbye; run() returns with the last of them.
void Simulation::finish() {
  finished_ = true;
  if (begin_ != SteadyClock::time_point()) result_.time = SteadyClock::now() - begin_;
  for (auto* timer : {&pace_, &progress_, &patience_}) timer->cancel();
  signals_.cancel();
  for (Device& device : devices_) device.client.async_close([](const linarite::error&) {});
}

}  // namespace linarite::cli
