#include "cli/bench/bench.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>
#include <cstdio>
#include <thread>
#include <utility>

#include "base/text.h"
#include "net/connection_budget.h"

namespace linarite::cli {
namespace {

namespace asio = boost::asio;

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
constexpr std::chrono::milliseconds kProgressInterval{250};
constexpr std::chrono::microseconds kPaceMin{50};
constexpr std::chrono::milliseconds kLook{10};
// For what is under way when no more is begun, without any progress; after a signal.
constexpr std::chrono::seconds kPatience{30};
constexpr std::chrono::seconds kInterruptedPatience{3};

size_t usable_cores() { return std::max(1U, std::thread::hardware_concurrency()); }

}  // namespace

Bench::Window::Window(const Clock& the_clock, std::optional<int64_t> pid)
    : clock(the_clock),
      server_pid(pid),
      begun(clock.now()),
      server(pid ? sample_process(*pid) : std::nullopt),
      own(sample_process(::getpid()).value_or(ProcessSample{})),
      machine_s(machine_cpu_s()) {}

Measurement Bench::Window::measured(std::string name) const {
  Measurement out{.name = std::move(name)};
  out.seconds = std::chrono::duration<double>(clock.now() - begun).count();
  out.tool = usage_between(own, sample_process(::getpid()).value_or(own));
  out.others_cpu_s = machine_cpu_s() - machine_s - out.tool.cpu_s;
  if (const auto after = server ? sample_process(*server_pid) : std::nullopt) {
    out.server = usage_between(*server, *after);
    out.others_cpu_s -= out.server->cpu_s;
  }
  out.others_cpu_s = std::max(0.0, out.others_cpu_s);
  return out;
}

Bench::Bench(Session& session, const Service& hub, BenchPlan plan,
             std::optional<int64_t> server_pid)
    : session_(session),
      plan_(std::move(plan)),
      identity_(hub.identity()),
      options_(hub.options()),
      shows_progress_(::isatty(STDERR_FILENO) == 1),
      network_(network_options{.threads = plan_.threads}),
      devices_(io_.get_executor(), session.clock(),
               [this](size_t device) { return access(device); }) {
  net::raise_descriptor_limit();
  options_.network = network_;
  options_.offline_queue.limit = Load::kUnderWayMax;
  result_.started = iso8601(session.clock().wall());
  result_.host = hub.host();
  result_.cores = usable_cores();
  if (server_pid && sample_process(*server_pid)) result_.server_pid = server_pid;
}

// Handlers of clients that end now are posted and never called: the context ends with them.
Bench::~Bench() = default;

Outcome<DeviceAccess> Bench::access(size_t device) {
  auto out = device_access(session_, fleet_.identity(device));
  if (!out) return out;
  out->options.network = network_;
  out->options.offline_queue.limit = Load::kUnderWayMax;
  return out;
}

void Bench::grow_clients(size_t count) {
  while (clients_.size() < count) {
    clients_.emplace_back(io_.get_executor(), identity_, options_);
  }
}

// --- The run.

Outcome<BenchResult> Bench::run() {
  const auto done = run_to_end(whole_run());
  if (!done) return std::unexpected(done.error());
  result_.interrupted = stopping_;
  return std::move(result_);
}

Outcome<size_t> Bench::clean() {
  size_t removed = 0;
  const auto done = run_to_end(remove_all(removed));
  if (!done) return std::unexpected(done.error());
  return removed;
}

Outcome<void> Bench::run_to_end(awaitable<void> work) {
  constexpr size_t kRegistryClients = 16;
  grow_clients(kRegistryClients);
  for (const int number : {SIGINT, SIGTERM}) signals_.add(number);
  signals_.async_wait([this](const boost::system::error_code& aborted, int) {
    if (!aborted) interrupt();
  });
  if (shows_progress_) write_progress();
  asio::co_spawn(io_, std::move(work), [this](std::exception_ptr failure) {
    failure_ = std::move(failure);
    end();
  });
  io_.run();
  clear_progress();
  if (!failure_) return {};
  try {
    std::rethrow_exception(failure_);
  } catch (const linarite::exception& thrown) {
    return std::unexpected(Failure(thrown.reason()));
  } catch (const std::exception& thrown) {
    return failed(thrown.what());
  }
}

Bench::awaitable<void> Bench::whole_run() {
  std::exception_ptr failure;
  try {
    co_await play();
  } catch (...) {
    failure = std::current_exception();
  }
  stage_ = "closing";
  running_.clear();
  reader_.reset();
  devices_.close();
  if (!plan_.keeps_devices) {
    stage_ = "removing devices";
    try {
      co_await fleet_.remove();
    } catch (...) {
      clear_progress();
      Session::tell("devices are left behind: 'linarite bench clean' removes them");
      if (!failure) failure = std::current_exception();
    }
  }
  if (failure) std::rethrow_exception(failure);
}

// run() returns with the last of the clients.
void Bench::end() {
  for (auto* timer : {&wake_, &pace_, &progress_}) timer->cancel();
  signals_.cancel();
  for (service_client& one : clients_) one.async_close([](const linarite::error&) {});
}

// A second signal ends the process as if nobody had watched.
void Bench::interrupt() {
  stopping_ = true;
  signals_.clear();
  wake_.cancel();
}

// --- Measuring.

Bench::awaitable<void> Bench::measure(std::string name, std::vector<Load*> loads) {
  if (stopping_) co_return;
  const bool counts = std::ranges::any_of(loads, &Load::has_limit);
  stage_ = name;
  stage_begun_ = session_.clock().now();
  running_ = loads;
  if (counts) {
    for (Load* load : loads) load->open_window();
  }
  std::optional<Window> window(std::in_place, session_.clock(), result_.server_pid);
  for (Load* load : loads) load->start();
  pump_when_due();
  if (!counts) {
    co_await rest(plan_.warm_up);
    window.emplace(session_.clock(), result_.server_pid);
    for (Load* load : loads) load->open_window();
    co_await rest(plan_.time);
  } else {
    co_await until_over(loads);
  }
  for (Load* load : loads) load->close_window();
  Measurement measured = window->measured(std::move(name));
  for (Load* load : loads) load->stop();
  stage_ = "waiting for the last";
  co_await until_over(loads);
  for (Load* load : loads) {
    if (!load->is_over()) load->give_up();
    measured.loads.push_back(load->figures());
  }
  running_.clear();
  result_.measurements.push_back(std::move(measured));
}

Bench::awaitable<void> Bench::until_over(std::vector<Load*> loads) {
  for (Load* load : loads) load->on_over([this] { wake_.cancel(); });
  const auto done = [&loads] { return std::ranges::all_of(loads, &Load::is_over); };
  co_await until(done, [this, &loads] {
    uint64_t out = 0;
    for (Load* load : loads) {
      if (stopping_) load->stop();
      out += load->done();
    }
    return out;
  });
}

Bench::awaitable<void> Bench::until(std::function<bool()> done,
                                    std::function<uint64_t()> progress) {
  uint64_t seen = progress();
  Instant since = session_.clock().now();
  while (!done()) {
    co_await rest(kLook);
    const Instant now = session_.clock().now();
    if (const uint64_t newest = progress(); newest != seen) {
      seen = newest;
      since = now;
    }
    const Duration patience = stopping_ ? kInterruptedPatience : kPatience;
    if (now - since > patience) co_return;
  }
}

Bench::awaitable<void> Bench::rest(Duration time) {
  if (time.count() == 0) co_return;
  // After a signal only short rests are of use: for what is under way.
  if (stopping_) time = std::min<Duration>(time, kLook);
  wake_.expires_after(time);
  co_await wake_.async_wait(kTuple);
}

void Bench::pump_when_due() {
  std::optional<Instant> next;
  for (Load* load : running_) {
    load->pump();
    const auto due = load->next_due();
    if (due && (!next || *due < *next)) next = due;
  }
  if (!next) return;
  pace_.expires_after(std::max<Duration>(*next - session_.clock().now(), kPaceMin));
  pace_.async_wait([this](const boost::system::error_code& aborted) {
    if (!aborted) pump_when_due();
  });
}

// --- What the person at the terminal sees.

std::string Bench::progress_text() const {
  if (running_.empty()) {
    if (plan_.devices == 0) return stage_;
    const uint64_t connected = devices_.connect_times().count();
    const uint64_t so_far = devices_.size() > 0 ? connected : fleet_.made();
    return fmt::format("{} ({} of {})", stage_, so_far, plan_.devices);
  }
  const double seconds =
      std::chrono::duration<double>(session_.clock().now() - stage_begun_).count();
  std::string out = fmt::format("{} {:.0f} s:", stage_, seconds);
  for (const Load* load : running_) {
    out += fmt::format(" {} {:.0f}/s, {} under way", load->name(),
                       static_cast<double>(load->done()) / std::max(seconds, 0.001),
                       load->under_way());
    const Latencies& all = load->first_latencies();
    const auto in_ms = [&all](double percent) {
      return static_cast<double>(all.percentile(percent).count()) / 1000;
    };
    if (all.count() > 0) out += fmt::format(", p50 {:.1f} ms, p99 {:.1f} ms", in_ms(50), in_ms(99));
    out += ";";
  }
  out.pop_back();
  return out;
}

void Bench::write_progress() {
  const std::string line = "\r\x1b[K" + progress_text();
  std::fwrite(line.data(), 1, line.size(), stderr);
  progress_.expires_after(kProgressInterval);
  progress_.async_wait([this](const boost::system::error_code& aborted) {
    if (!aborted) write_progress();
  });
}

void Bench::clear_progress() const {
  if (shows_progress_) std::fputs("\r\x1b[K", stderr);
}

}  // namespace linarite::cli
