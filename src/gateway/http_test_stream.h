// A stream whose peer is a test.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "net/stream.h"

namespace linarite::gateway {

class TestStream final : public net::Stream {
 public:
  explicit TestStream(Loop& loop) : loop_(loop) {}

  void set_handler(std::unique_ptr<net::StreamHandler> handler) { handler_ = std::move(handler); }

  // The peer's side.
  void receive(ByteView bytes) { handler_->on_bytes(bytes); }
  void peer_closes() { end(net::CloseReason::kPeerClosed); }
  std::string take_sent() { return std::exchange(sent_, {}); }
  // While stalled the peer takes nothing of what is sent.
  void stall(bool stalled) {
    stalled_ = stalled;
    if (!stalled) handler_->on_writable();
  }
  bool paused() const { return paused_; }
  bool closed() const { return closed_; }

  void send(ByteView bytes) override {
    if (!closed_) sent_ += bytes;
  }
  size_t unsent() const override { return stalled_ ? sent_.size() : 0; }
  void pause_reading() override { paused_ = true; }
  void resume_reading() override { paused_ = false; }
  void close() override {
    closed_ = true;
    loop_.post([this] { end(net::CloseReason::kClosedHere); });
  }
  void abort() override { close(); }
  void move_to(Loop&, Task then) override { then(); }
  Loop& loop() const override { return loop_; }
  const net::PeerInfo& peer() const override { return peer_; }

 private:
  void end(net::CloseReason reason) {
    closed_ = true;
    if (const auto handler = std::move(handler_)) handler->on_closed(reason);
  }

  Loop& loop_;
  net::PeerInfo peer_;
  std::unique_ptr<net::StreamHandler> handler_;
  std::string sent_;
  bool stalled_ = false;
  bool paused_ = false;
  bool closed_ = false;
};

}  // namespace linarite::gateway
