// What the tests of clients stand on: a network without sockets, whose every connect the test
// answers, and an executor that runs when told.
#pragma once

#include <gtest/gtest.h>
#include <linarite/network.h>

#include <boost/asio/io_context.hpp>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/manual_loop.h"
#include "net/stream.h"
#include "sdk/network.h"

namespace linarite::sdk {

// The client's end of a connection; the other end is the test.
class ScriptedStream final : public net::Stream {
 public:
  ScriptedStream(Loop& loop, Network::Opened opened) : loop_(loop) { handler_ = opened(*this); }

  void send(ByteView bytes) override {
    if (!closing_) sent_.append(bytes);
  }
  size_t unsent() const override { return 0; }
  void pause_reading() override {}
  void resume_reading() override {}
  void close() override { end(net::CloseReason::kClosedHere); }
  void abort() override { end(net::CloseReason::kClosedHere); }
  void move_to(Loop&, Task) override { FAIL() << "clients do not move"; }
  Loop& loop() const override { return loop_; }
  const net::PeerInfo& peer() const override { return peer_; }

  // The test's side. Each in a task of its own, as a real stream does.
  void deliver(Bytes bytes) {
    loop_.post([this, bytes = std::move(bytes)] {
      if (handler_ && !closing_) handler_->on_bytes(bytes);
    });
  }
  void end(net::CloseReason reason) {
    if (std::exchange(closing_, true)) return;
    loop_.post([this, reason] {
      if (const auto handler = std::move(handler_)) handler->on_closed(reason);
    });
  }
  bool open() const { return handler_ != nullptr && !closing_; }
  Bytes take_sent() { return std::exchange(sent_, {}); }

 private:
  Loop& loop_;
  std::unique_ptr<net::StreamHandler> handler_;
  Bytes sent_;
  bool closing_ = false;
  net::PeerInfo peer_{.address = "192.0.2.1", .tls = true};
};

class FakeNetwork final : public Network {
 public:
  struct Dial {
    net::ConnectOptions options;
    Opened opened;
    Failed failed;
  };

  std::shared_ptr<Loop> choose_loop() override { return loop; }
  void wait_to_dial(Loop&, const std::string&, DialLines::Start start) override {
    if (line_stands) {
      line.push_back(std::move(start));
    } else {
      start(nullptr);
    }
  }
  void connect(Loop&, net::ConnectOptions options, Opened opened, Failed failed) override {
    dials.push_back({std::move(options), std::move(opened), std::move(failed)});
  }
  Result<std::shared_ptr<net::TlsClientContext>> tls(
      const net::TlsClientOptions& options) override {
    return contexts.get(options);
  }
  std::shared_ptr<Random> random() override { return random_; }
  void run_due_timers() override { loop->run_until_idle(); }

  ManualClock clock{WallTime(std::chrono::seconds(1'700'000'000))};
  std::shared_ptr<ManualLoop> loop = std::make_shared<ManualLoop>(clock);
  std::deque<Dial> dials;
  bool line_stands = false;  // Whoever wants to dial waits in `line`.
  std::deque<DialLines::Start> line;
  TlsContexts contexts;

 private:
  const std::shared_ptr<Random> random_ = std::make_shared<SeededRandom>(1);
};

// Results of operations, as the application's callbacks got them.
template <class... Results>
struct Outcome {
  std::optional<error> why;
  std::tuple<Results...> values;
  int calls = 0;
  std::shared_ptr<bool> alive = std::make_shared<bool>(true);

  // May be called after the outcome is gone.
  auto callback() {
    return [this, weak = std::weak_ptr(alive)](error got, Results... results) {
      if (weak.expired()) return;
      why = std::move(got);
      values = {std::move(results)...};
      ++calls;
    };
  }
  bool pending() const { return calls == 0; }
  bool ok() const { return calls == 1 && !*why; }
  bool failed(errc code) const { return calls == 1 && *why == code; }
  template <size_t index = 0>
  auto& value() {
    return std::get<index>(values);
  }
};

class ClientTest : public ::testing::Test {
 protected:
  ~ClientTest() override {
    // Streams tell their handlers the end before the loop goes.
    for (auto& stream : streams_) stream->end(net::CloseReason::kReset);
    network_->loop->run_until_idle();
    io_.poll();
    // Coroutines that still wait are destroyed before the loop they would call.
    network_->loop->stop();
  }

  // Lets everything happen that needs no further input.
  void settle() {
    size_t ran = 1;
    while (ran > 0) {
      ran = network_->loop->run_until_idle();
      io_.restart();
      ran += io_.poll();
    }
  }
  void pass(Duration time) {
    settle();
    network_->loop->run_for(time);
    settle();
  }
  bool dialled() {
    settle();
    return !network_->dials.empty();
  }
  // Answers the oldest connect.
  ScriptedStream& accept() {
    EXPECT_TRUE(dialled());
    FakeNetwork::Dial dial = std::move(network_->dials.front());
    network_->dials.pop_front();
    last_dial_ = dial.options;
    streams_.push_back(std::make_unique<ScriptedStream>(*network_->loop, std::move(dial.opened)));
    return *streams_.back();
  }
  void refuse(const std::string& reason) {
    ASSERT_TRUE(dialled());
    FakeNetwork::Dial dial = std::move(network_->dials.front());
    network_->dials.pop_front();
    last_dial_ = dial.options;
    dial.failed({ErrorCode::kIoError, "cannot connect to hub.test:8883: " + reason});
    settle();
  }
  network public_network() { return network(network_); }

  std::shared_ptr<FakeNetwork> network_ = std::make_shared<FakeNetwork>();
  boost::asio::io_context io_;
  std::vector<std::unique_ptr<ScriptedStream>> streams_;
  net::ConnectOptions last_dial_;
  std::vector<std::string> log_;
};

}  // namespace linarite::sdk
