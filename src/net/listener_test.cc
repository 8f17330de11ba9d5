#include "net/listener.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <condition_variable>
#include <future>
#include <set>

#include "base/clock.h"
#include "net/client.h"
#include "net/socket_address.h"
#include "net/test_peers.h"

namespace linarite::net {
namespace {

using std::chrono::seconds;
using testing::client_options;
using ::testing::HasSubstr;
using testing::open_peer;
using testing::Peer;
using testing::server_options;

// Says back what it hears, and counts the streams of each loop.
class Echo {
 public:
  StreamAcceptor acceptor() {
    return [this](Stream& stream) { return std::make_unique<Handler>(*this, stream); };
  }
  std::set<Loop*> loops() {
    const std::lock_guard lock(mutex_);
    return loops_;
  }
  void await_open(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return open_ == count; });
  }

 private:
  class Handler final : public StreamHandler {
   public:
    Handler(Echo& echo, Stream& stream) : echo_(echo), stream_(stream) {
      const std::lock_guard lock(echo_.mutex_);
      echo_.loops_.insert(&stream.loop());
      ++echo_.open_;
      echo_.changed_.notify_all();
    }
    ~Handler() override {
      const std::lock_guard lock(echo_.mutex_);
      --echo_.open_;
      echo_.changed_.notify_all();
    }
    void on_bytes(ByteView bytes) override { stream_.send(bytes); }
    void on_closed(CloseReason) override {}

   private:
    Echo& echo_;
    Stream& stream_;
  };

  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<Loop*> loops_;
  size_t open_ = 0;
};

// A server on two loops with a manual clock; clients on a loop of the test's thread.
class ListenerTest : public ::testing::Test {
 protected:
  ~ListenerTest() override {
    servers_.stop();
    listener_.reset();
  }

  ListenerOptions options(bool tls = true) {
    ListenerOptions out;
    out.name = "mqtt";
    out.addresses = {"127.0.0.1"};
    if (tls) out.tls = *TlsServerContext::create(server_options());
    return out;
  }
  void listen(ListenerOptions how, ConnectionLimits limits = {1000, 0}) {
    budget_ = ConnectionBudget::create(limits);
    auto opened = Listener::open(servers_, std::move(how), budget_, echo_.acceptor(), log_);
    ASSERT_TRUE(opened) << opened.error().message;
    listener_ = std::move(*opened);
    listener_->start();
    servers_.start();
  }

  // Begins to connect; `peer` must outlive the test's loop.
  void connect(Peer& peer, bool tls = true, const std::string& host = "127.0.0.1") {
    ConnectOptions how;
    how.host = host;
    how.port = listener_->port();
    if (tls) how.tls = *TlsClientContext::create(client_options());
    loop_.post([this, &peer, how = std::move(how)]() mutable {
      net::connect(
          loop_, std::move(how), [&peer](Stream& stream) { return open_peer(peer, stream); },
          [&peer](Error error) { peer.failure = error.message; });
    });
  }
  void until(const std::function<bool()>& done) { loop_.run_until(done); }
  void open(Peer& peer, bool tls = true) {
    connect(peer, tls);
    until([&] { return peer.opened || peer.over(); });
    ASSERT_TRUE(peer.opened) << peer.failure;
  }
  void close(Peer& peer) {
    loop_.post([&peer] { peer.stream->close(); });
    until([&] { return peer.closed; });
  }
  std::string echo(Peer& peer, const std::string& text) {
    peer.received.clear();
    loop_.post([&peer, text] { peer.stream->send(text); });
    until([&] { return peer.received.size() == text.size() || peer.closed; });
    return peer.received;
  }
  // Waits for something that the server's loops do by themselves.
  void await(const std::function<bool()>& done) {
    while (!done()) servers_.run_due_timers();
  }
  void advance(Duration by) {
    clock_.advance(by);
    servers_.run_due_timers();
  }

  ManualClock clock_{WallTime(seconds(1'700'000'000))};
  SystemClock system_;
  Logger log_ = Logger::none();
  Echo echo_;
  LoopGroup servers_{2, clock_, TimerDrive::kWhenTold};
  std::shared_ptr<ConnectionBudget> budget_;
  std::unique_ptr<Listener> listener_;
  std::vector<Peer> peers_ = std::vector<Peer>(64);
  AsioLoop loop_{system_, TimerDrive::kSystem};
};

TEST_F(ListenerTest, ServesTlsOnAFreePort) {
  listen(options());
  EXPECT_NE(listener_->port(), 0);
  EXPECT_EQ(listener_->bound(), std::vector{"127.0.0.1:" + std::to_string(listener_->port())});
  open(peers_[0]);
  EXPECT_EQ(echo(peers_[0], "hello"), "hello");
  EXPECT_EQ(peers_[0].info.address, "127.0.0.1");
  EXPECT_EQ(peers_[0].info.port, listener_->port());
}

TEST_F(ListenerTest, ServesPlainTcpOnLoopback) {
  listen(options(false));
  open(peers_[0], false);
  EXPECT_EQ(echo(peers_[0], "hello"), "hello");
}

TEST_F(ListenerTest, AllAddressesShareThePort) {
  ListenerOptions how = options(false);
  how.addresses = {"127.0.0.1", "127.0.0.2", "::1"};
  listen(std::move(how));
  connect(peers_[0], false, "127.0.0.2");
  until([&] { return peers_[0].opened || peers_[0].over(); });
  EXPECT_TRUE(peers_[0].opened) << peers_[0].failure;
}

TEST_F(ListenerTest, SpreadsConnectionsOverTheLoops) {
  listen(options(false));
  for (size_t i = 0; i < 4; ++i) open(peers_[i], false);
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(echo(peers_[i], "x"), "x");
  EXPECT_EQ(echo_.loops().size(), 2U);
  EXPECT_EQ(listener_->counts().accepted, 4U);
}

TEST_F(ListenerTest, APortInUseIsExplainedInOneSentence) {
  listen(options());
  ListenerOptions again = options();
  again.port = listener_->port();
  const auto second = Listener::open(servers_, again, budget_, echo_.acceptor(), log_);
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().message, HasSubstr("another program uses this port"));
  EXPECT_THAT(second.error().message, HasSubstr("--mqtt-port"));
}

TEST_F(ListenerTest, PlainTcpIsRefusedOffLoopbackAndNamesAreNoAddresses) {
  ListenerOptions open_to_all = options(false);
  open_to_all.addresses = {"0.0.0.0"};
  budget_ = ConnectionBudget::create({10, 0});
  const auto refused = Listener::open(servers_, open_to_all, budget_, echo_.acceptor(), log_);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("loopback addresses only"));
  ListenerOptions named = options();
  named.addresses = {"localhost"};
  EXPECT_EQ(Listener::open(servers_, named, budget_, echo_.acceptor(), log_).error().code,
            ErrorCode::kArgumentInvalid);
}

TEST_F(ListenerTest, AFullBudgetLeavesPeersInTheQueueUntilAPlaceIsFree) {
  listen(options(false), {2, 0});
  open(peers_[0], false);
  open(peers_[1], false);
  echo(peers_[0], "x");
  connect(peers_[2], false);
  await([&] { return listener_->counts().pauses > 0; });
  EXPECT_EQ(listener_->counts().accepted, 2U);
  close(peers_[0]);
  until([&] { return peers_[2].opened; });
  EXPECT_EQ(echo(peers_[2], "hello"), "hello");
}

TEST_F(ListenerTest, AnAddressOverItsBudgetIsTurnedAway) {
  listen(options(false), {100, 2});
  open(peers_[0], false);
  open(peers_[1], false);
  echo(peers_[0], "x");
  echo(peers_[1], "x");
  connect(peers_[2], false);
  until([&] { return peers_[2].over(); });
  EXPECT_EQ(listener_->counts().refused_by_address, 1U);
  close(peers_[0]);
  await([&] { return budget_->taken() == 1; });
  open(peers_[3], false);
  EXPECT_EQ(echo(peers_[3], "hello"), "hello");
}

TEST_F(ListenerTest, AnAddressOverItsRateIsTurnedAwayBeforeItsHandshake) {
  ListenerOptions how = options();
  std::atomic<int> left = 1;
  how.admits = [&left](std::string_view address) { return address == "127.0.0.1" && left-- > 0; };
  listen(std::move(how));
  open(peers_[0]);
  connect(peers_[1]);
  until([&] { return peers_[1].over(); });
  EXPECT_FALSE(peers_[1].opened);
  EXPECT_EQ(listener_->counts().refused_by_address, 1U);
  EXPECT_EQ(listener_->counts().accepted, 1U);
  EXPECT_EQ(echo(peers_[0], "hello"), "hello");
}

TEST_F(ListenerTest, APeerThatDoesNotReadIsCutWhenAllTogetherHoldTooMuch) {
  listen(options(), {.total_max = 100, .unsent_bytes_max = size_t{1} << 20U});
  open(peers_[0]);
  open(peers_[1]);
  // The kernel's buffers take some megabytes.
  loop_.post([&] {
    peers_[0].stream->pause_reading();
    peers_[0].stream->send(std::string(size_t{32} << 20U, 'x'));
  });
  until([&] { return peers_[0].over(); });
  EXPECT_EQ(budget_->cut_for_unsent(), 1U);
  EXPECT_EQ(echo(peers_[1], "hello"), "hello");
  EXPECT_EQ(budget_->unsent_bytes(), 0U);
}

TEST_F(ListenerTest, RunningOutOfDescriptorsRestsInsteadOfSpinning) {
  listen(options(false));
  open(peers_[0], false);
  echo(peers_[0], "x");
  // The socket of the new client is the last descriptor there is: none is left for the server's
  // end.
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const int next_free = ::dup(0);
  ::close(next_free);
  rlimit tight = before;
  tight.rlim_cur = static_cast<rlim_t>(next_free) + 1;
  const Descriptor client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(client.get(), next_free);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &tight), 0);
  const SocketAddress server = *SocketAddress::parse("127.0.0.1", listener_->port());
  ASSERT_EQ(::connect(client.get(), server.raw(), server.size), 0);
  await([&] { return listener_->counts().pauses == 1; });
  EXPECT_EQ(listener_->counts().accepted, 1U);
  EXPECT_EQ(echo(peers_[0], "others go on"), "others go on");
  // Nothing has changed: it tries again when its time has come, and rests again.
  advance(Listener::kRest);
  await([&] { return listener_->counts().pauses == 2; });
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  advance(Listener::kRest);
  ASSERT_EQ(::send(client.get(), "hello", 5, 0), 5);
  char answer[5];
  ASSERT_EQ(::recv(client.get(), answer, 5, MSG_WAITALL), 5);
  EXPECT_EQ(std::string(answer, 5), "hello");
}

TEST_F(ListenerTest, ANewHandshakeDisplacesTheOldestSilentPeer) {
  ListenerOptions how = options();
  how.handshakes_per_loop_max = 4;
  listen(std::move(how));
  const SocketAddress server = *SocketAddress::parse("127.0.0.1", listener_->port());
  std::vector<Descriptor> silent;
  for (int i = 0; i < 20; ++i) {
    silent.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::connect(silent.back().get(), server.raw(), server.size), 0);
  }
  await([&] { return listener_->counts().handshakes_failed == 12; });
  char byte = 0;
  EXPECT_EQ(::recv(silent.front().get(), &byte, 1, 0), 0);
  EXPECT_EQ(::recv(silent.back().get(), &byte, 1, MSG_DONTWAIT), -1);
  open(peers_[0]);
  EXPECT_EQ(echo(peers_[0], "a real peer"), "a real peer");
  advance(seconds(10));
  await([&] { return budget_->taken() == 1; });
}

TEST_F(ListenerTest, StopAcceptingLetsStreamsGoOn) {
  listen(options(false));
  open(peers_[0], false);
  EXPECT_EQ(echo(peers_[0], "accepted"), "accepted");
  listener_->stop_accepting();
  servers_.run_due_timers();
  EXPECT_EQ(echo(peers_[0], "still"), "still");
  connect(peers_[1], false);
  until([&] { return peers_[1].over(); });
  EXPECT_THAT(peers_[1].failure, HasSubstr("refused"));
}

TEST_F(ListenerTest, DrainClosesEveryStreamAndTheListener) {
  listen(options());
  for (size_t i = 0; i < 6; ++i) open(peers_[i]);
  std::promise<bool> drained;
  std::thread drain([&] { drained.set_value(servers_.drain(std::chrono::seconds(20))); });
  until([&] {
    for (size_t i = 0; i < 6; ++i) {
      if (!peers_[i].closed) return false;
    }
    return true;
  });
  EXPECT_TRUE(drained.get_future().get());
  drain.join();
  EXPECT_EQ(peers_[0].reason, CloseReason::kPeerClosed);
  EXPECT_EQ(budget_->taken(), 0U);
}

TEST_F(ListenerTest, DrainGivesUpOnAPeerThatDoesNotLeave) {
  listen(options(false));
  const SocketAddress server = *SocketAddress::parse("127.0.0.1", listener_->port());
  const Descriptor mute(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::connect(mute.get(), server.raw(), server.size), 0);
  echo_.await_open(1);
  EXPECT_FALSE(servers_.drain(std::chrono::milliseconds(1)));
}

TEST_F(ListenerTest, AClientSaysWhereItCouldNotConnect) {
  listen(options(false));
  connect(peers_[0], true);  // TLS to a plain listener: the echo is no handshake.
  until([&] { return peers_[0].over(); });
  EXPECT_THAT(peers_[0].failure, HasSubstr("cannot connect to 127.0.0.1:"));
  connect(peers_[1], false, "no-such-name.invalid");
  until([&] { return peers_[1].over(); });
  EXPECT_THAT(peers_[1].failure, HasSubstr("no-such-name.invalid"));
}

}  // namespace
}  // namespace linarite::net
