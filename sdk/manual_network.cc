#include <linarite/manual_network.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/clock.h"
#include "base/manual_loop.h"
#include "base/random.h"
#include "sdk/network.h"

namespace linarite::sdk {

// The client's end of one connection. Owned by its network until its handler was told the end.
class ManualStream final : public net::Stream, public std::enable_shared_from_this<ManualStream> {
 public:
  explicit ManualStream(Loop& loop) : loop_(loop) {}

  void open(std::unique_ptr<connection_peer> peer, Network::Opened opened) {
    far_ = std::move(peer);
    handler_ = opened(*this);
    if (!handler_) close();
  }

  void send(ByteView bytes) override {
    if (far_ && !bytes.empty()) far_->on_bytes(bytes);
  }
  // The far end takes everything at once.
  size_t unsent() const override { return 0; }
  void pause_reading() override { paused_ = true; }
  void resume_reading() override {
    if (!std::exchange(paused_, false)) return;
    loop_.post([self = shared_from_this()] { self->read(); });
  }
  void close() override { close_here(true); }
  void abort() override { close_here(false); }
  void move_to(Loop& target, Task then) override {
    CHECK(&target == &loop_);
    then();
  }
  Loop& loop() const override { return loop_; }
  const net::PeerInfo& peer() const override { return peer_; }

  // The far end's calls.
  void deliver(std::string_view bytes) {
    loop_.post([self = shared_from_this(), bytes = Bytes(bytes)] {
      self->arrived_ += bytes;
      self->read();
    });
  }
  void end(bool orderly) {
    loop_.post([self = shared_from_this(), orderly] {
      self->finish(orderly ? net::CloseReason::kPeerClosed : net::CloseReason::kReset);
    });
  }
  bool over() const { return over_; }
  // Destroys the handler without a call, as if the loop had been stopped.
  void drop() {
    over_ = true;
    far_.reset();
    handler_.reset();
  }

 private:
  void read() {
    if (over_ || !far_ || paused_ || arrived_.empty()) return;
    handler_->on_bytes(std::exchange(arrived_, {}));
  }
  void close_here(bool orderly) {
    if (const auto far = std::move(far_)) far->on_closed(orderly);
    loop_.post([self = shared_from_this()] { self->finish(net::CloseReason::kClosedHere); });
  }
  // What arrived before is read first, as from a socket. The reason of a close that was begun here
  // counts: the far end is forgotten then, and what it does comes too late.
  void finish(net::CloseReason reason) {
    if (std::exchange(over_, true)) return;
    if (!far_) reason = net::CloseReason::kClosedHere;
    far_.reset();
    if (const auto handler = std::move(handler_)) handler->on_closed(reason);
  }

  Loop& loop_;
  const net::PeerInfo peer_{.address = "127.0.0.1", .port = 0, .tls = true};
  std::unique_ptr<connection_peer> far_;  // Null once the connection is closing.
  std::unique_ptr<net::StreamHandler> handler_;
  Bytes arrived_;
  bool paused_ = false;
  bool over_ = false;
};

class ManualNetwork final : public Network {
 public:
  explicit ManualNetwork(manual_network_options options)
      : living_(std::make_shared<Living>(options.start)),
        connect_(std::move(options.connect)),
        run_until_(std::move(options.run_until)) {
    if (options.random) {
      random_ = std::make_shared<GivenRandom>(std::move(options.random));
    } else {
      random_ = std::make_shared<SystemRandom>();
    }
  }
  ~ManualNetwork() override {
    living_->loop.stop();
    for (const auto& stream : streams_) stream->drop();
  }

  std::shared_ptr<Loop> choose_loop() override { return {living_, &living_->loop}; }
  void connect(Loop& loop, net::ConnectOptions options, Opened opened, Failed failed) override;
  // Nothing is encrypted here, so no roots are read.
  Result<std::shared_ptr<net::TlsClientContext>> tls(const net::TlsClientOptions&) override {
    return std::shared_ptr<net::TlsClientContext>();
  }
  std::shared_ptr<Random> random() override { return random_; }
  void run_due_timers() override { loop().run_until_idle(); }
  bool run_until(const std::function<bool()>& done, std::optional<Duration> wait) override {
    if (run_until_) {
      run_until_(done, wait);
    } else {
      while (!done() && loop().run_one()) {
      }
    }
    return true;
  }

  ManualLoop& loop() { return living_->loop; }
  ManualClock& clock() { return living_->clock; }
  void leave_alone() {
    connect_ = nullptr;
    run_until_ = nullptr;
  }

 private:
  // Sessions hold the loop, also after the network.
  struct Living {
    explicit Living(WallTime start) : clock(start) {}
    ManualClock clock;
    ManualLoop loop{clock};
  };
  class GivenRandom final : public Random {
   public:
    explicit GivenRandom(std::function<void(std::span<std::byte>)> fill) : fill_(std::move(fill)) {}
    void fill(char* out, size_t size) override { fill_({reinterpret_cast<std::byte*>(out), size}); }

   private:
    const std::function<void(std::span<std::byte>)> fill_;
  };

  void answer(const net::ConnectOptions& options, Opened opened, Failed failed);

  const std::shared_ptr<Living> living_;
  connect_function connect_;
  decltype(manual_network_options::run_until) run_until_;
  std::shared_ptr<Random> random_;
  std::vector<std::shared_ptr<ManualStream>> streams_;
};

// Both outcomes come after the return, in a task. The network may have ended by then.
void ManualNetwork::connect(Loop& loop, net::ConnectOptions options, Opened opened, Failed failed) {
  CHECK(&loop == &living_->loop);
  loop.post([this, options = std::move(options), opened = std::move(opened),
             failed = std::move(failed)]() mutable {
    answer(options, std::move(opened), std::move(failed));
  });
}

void ManualNetwork::answer(const net::ConnectOptions& options, Opened opened, Failed failed) {
  std::erase_if(streams_, [](const auto& stream) { return stream->over(); });
  auto stream = std::make_shared<ManualStream>(living_->loop);
  std::string refusal = "Connection refused";
  std::unique_ptr<connection_peer> peer;
  if (connect_) {
    const std::string& name = options.tls_name.empty() ? options.host : options.tls_name;
    peer = connect_({.host = options.host, .port = options.port, .server_name = name},
                    client_end(stream), refusal);
  }
  if (!peer) {
    failed({ErrorCode::kIoError, "cannot connect to " + options.host + ":" +
                                     std::to_string(options.port) + ": " + refusal});
    return;
  }
  streams_.push_back(stream);
  stream->open(std::move(peer), std::move(opened));
}

}  // namespace linarite::sdk

namespace linarite {
inline namespace v1 {

connection_peer::~connection_peer() = default;

client_end::client_end(std::weak_ptr<sdk::ManualStream> stream) noexcept
    : stream_(std::move(stream)) {}
void client_end::deliver(std::string_view bytes) const {
  if (const auto stream = stream_.lock()) stream->deliver(bytes);
}
void client_end::end(bool orderly) const {
  if (const auto stream = stream_.lock()) stream->end(orderly);
}

manual_network::manual_network(manual_network_options options)
    : implementation_(std::make_shared<sdk::ManualNetwork>(std::move(options))) {}
manual_network::~manual_network() { implementation_->leave_alone(); }

network manual_network::handle() const { return network(implementation_); }
bool manual_network::run_one() { return implementation_->loop().run_one(); }
std::optional<std::chrono::microseconds> manual_network::next_timer() const {
  const auto next = implementation_->loop().next_timer();
  if (!next) return std::nullopt;
  return std::max(*next - implementation_->clock().now(), Duration(0));
}
void manual_network::advance(std::chrono::microseconds by) { implementation_->clock().advance(by); }
wall_time manual_network::now() const { return implementation_->clock().wall(); }

}  // namespace v1
}  // namespace linarite
