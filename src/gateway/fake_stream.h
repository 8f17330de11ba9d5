// The stream of gateway tests.
#pragma once

#include <utility>

#include "net/stream.h"

namespace linarite::gateway {

// A stream whose other end is the test. What is sent counts as written at once unless `stuck`.
class FakeStream final : public net::Stream {
 public:
  explicit FakeStream(Loop& loop) : loop_(&loop) {}

  void send(ByteView bytes) override {
    if (!closed) sent.append(bytes);
  }
  size_t unsent() const override { return stuck ? sent.size() : 0; }
  void pause_reading() override { paused = true; }
  void resume_reading() override { paused = false; }
  void close() override { closed = true; }
  void abort() override { aborted = closed = true; }
  void move_to(Loop& target, Task then) override {
    if (&target == loop_) return then();
    target.post([this, &target, then = std::move(then)]() mutable {
      loop_ = &target;
      then();
    });
  }
  Loop& loop() const override { return *loop_; }
  const net::PeerInfo& peer() const override { return peer_info; }

  Bytes sent;
  bool stuck = false;
  bool paused = false;
  bool closed = false;
  bool aborted = false;
  net::PeerInfo peer_info{.address = "192.0.2.1"};

 private:
  Loop* loop_;
};

}  // namespace linarite::gateway
