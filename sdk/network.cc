#include "sdk/network.h"

#include <linarite/network.h>
#include <algorithm>
#include <atomic>
#include <latch>
#include <thread>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/clock.h"
#include "net/asio_loop.h"

namespace linarite::sdk {
namespace {

class SourceClock final : public Clock {
 public:
  explicit SourceClock(std::shared_ptr<const time_source> source) : source_(std::move(source)) {}
  Instant now() const override { return Instant(source_->monotonic()); }
  WallTime wall() const override { return source_->wall(); }

 private:
  const std::shared_ptr<const time_source> source_;
};

class SourceRandom final : public Random {
 public:
  explicit SourceRandom(std::function<void(std::span<std::byte>)> fill) : fill_(std::move(fill)) {}
  void fill(char* out, size_t size) override { fill_({reinterpret_cast<std::byte*>(out), size}); }

 private:
  const std::function<void(std::span<std::byte>)> fill_;
};

std::unique_ptr<Clock> make_clock(const std::shared_ptr<const time_source>& source) {
  if (source) return std::make_unique<SourceClock>(source);
  return std::make_unique<SystemClock>();
}

// A loop with its clock: what a thread runs and sessions hold.
struct LoopAndClock {
  explicit LoopAndClock(const network_options& options)
      : clock(make_clock(options.clock)),
        loop(*clock, options.clock ? net::TimerDrive::kWhenTold : net::TimerDrive::kSystem) {}
  const std::unique_ptr<Clock> clock;
  net::AsioLoop loop;
  DialLines lines{loop};
};

class SocketNetwork final : public Network {
 public:
  explicit SocketNetwork(const network_options& options);
  ~SocketNetwork() override;

  std::shared_ptr<Loop> choose_loop() override {
    const auto& chosen = loops_[next_.fetch_add(1) % loops_.size()];
    return {chosen, &chosen->loop};
  }
  void wait_to_dial(Loop& loop, const std::string& server, DialLines::Start start) override {
    const auto found = std::ranges::find_if(
        loops_, [&loop](const auto& shared) { return &shared->loop == &loop; });
    (*found)->lines.wait(server, std::move(start));
  }
  void connect(Loop& loop, net::ConnectOptions options, Opened opened, Failed failed) override {
    net::connect(dynamic_cast<net::AsioLoop&>(loop), std::move(options), std::move(opened),
                 std::move(failed));
  }
  Result<std::shared_ptr<net::TlsClientContext>> tls(
      const net::TlsClientOptions& options) override {
    return contexts_.get(options);
  }
  std::shared_ptr<Random> random() override { return random_; }
  void run_due_timers() override;

 private:
  std::vector<std::shared_ptr<LoopAndClock>> loops_;
  std::vector<std::thread> threads_;
  std::atomic<size_t> next_{0};
  std::shared_ptr<Random> random_;
  TlsContexts contexts_;
};

SocketNetwork::SocketNetwork(const network_options& options) {
  if (options.random) {
    random_ = std::make_shared<SourceRandom>(options.random);
  } else {
    random_ = std::make_shared<SystemRandom>();
  }
  for (size_t i = 0; i < std::max<size_t>(options.threads, 1); ++i) {
    loops_.push_back(std::make_shared<LoopAndClock>(options));
    threads_.emplace_back([shared = loops_.back()] { shared->loop.run(); });
  }
}

SocketNetwork::~SocketNetwork() {
  for (size_t i = 0; i < loops_.size(); ++i) {
    net::AsioLoop& loop = loops_[i]->loop;
    // As a task: what clients posted before, to say goodbye, still runs.
    loop.post([&loop] { loop.stop(); });
    // The last handle may go in a log sink or token provider: the thread then ends by itself.
    if (loop.in_loop()) {
      threads_[i].detach();
    } else {
      threads_[i].join();
    }
  }
}

void SocketNetwork::run_due_timers() {
  for (const auto& shared : loops_) {
    net::AsioLoop& loop = shared->loop;
    run_and_wait(loop, [&loop] {
      while (loop.run_due_timers() > 0) {
      }
    });
  }
}

}  // namespace

void run_and_wait(Loop& loop, Task task) {
  if (loop.in_loop()) {
    task();
    return;
  }
  std::latch ran(1);
  loop.post([&] {
    task();
    ran.count_down();
  });
  ran.wait();
}

Result<std::shared_ptr<net::TlsClientContext>> TlsContexts::get(
    const net::TlsClientOptions& options) {
  const std::lock_guard lock(mutex_);
  std::erase_if(made_, [](const auto& entry) { return entry.second.expired(); });
  std::weak_ptr<net::TlsClientContext>& known =
      made_[{options.roots_pem, options.chain_pem, options.key_pem}];
  if (auto context = known.lock()) return context;
  auto made = net::TlsClientContext::create(options);
  if (made) known = *made;
  return made;
}

}  // namespace linarite::sdk

namespace linarite {
inline namespace v1 {

time_source::~time_source() = default;

network::network(const network_options& options)
    : implementation_(std::make_shared<sdk::SocketNetwork>(options)) {}

network::network(std::shared_ptr<sdk::Network> implementation)
    : implementation_(std::move(implementation)) {
  CHECK(implementation_ != nullptr);
}

network network::shared() {
  static std::mutex mutex;
  static std::weak_ptr<sdk::Network> current;
  const std::lock_guard lock(mutex);
  if (auto existing = current.lock()) return network(std::move(existing));
  network made;
  current = made.implementation();
  return made;
}

void network::run_due_timers() const { implementation_->run_due_timers(); }

}  // namespace v1
}  // namespace linarite
