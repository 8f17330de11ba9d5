#include "websocket/stream.h"

#include <utility>

namespace linarite::websocket {

void Stream::start(std::unique_ptr<net::StreamHandler> handler, ByteView bytes) {
  handler_ = std::move(handler);
  if (!handler_) return stream_.close();
  if (!bytes.empty()) on_bytes(bytes);
}

void Stream::on_bytes(ByteView bytes) {
  http::WebSocketEvents events;
  socket_.receive(bytes, events);
  if (!said_close_ && !events.output.empty()) stream_.send(events.output);
  if (events.close) {
    ending_ = said_close_ = true;
    peer_closed_ = events.peer_closed;
  }
  set_flow();
  if (!events.payload.empty()) {
    bool moved = false;
    moved_ = &moved;
    handler_->on_bytes(events.payload);
    if (moved) return;  // To another loop, where all of this lives now.
    moved_ = nullptr;
  }
  if (ending_) stream_.close();
}

void Stream::on_writable() {
  set_flow();
  handler_->on_writable();
}

void Stream::on_closed(net::CloseReason reason) {
  if (!handler_) return;
  if (peer_closed_ && reason == net::CloseReason::kClosedHere) {
    reason = net::CloseReason::kPeerClosed;
  }
  // Destroyed after its last call, while this stream is still there.
  const auto handler = std::move(handler_);
  handler->on_closed(reason);
}

void Stream::send(ByteView bytes) {
  if (said_close_) return;
  Bytes frame;
  socket_.append_binary(bytes, frame);
  stream_.send(frame);
}

void Stream::pause_reading() {
  pause_wanted_ = true;
  set_flow();
}

void Stream::resume_reading() {
  pause_wanted_ = false;
  set_flow();
}

// Whoever sends pings and does not read the answers is not read either.
void Stream::set_flow() {
  if (stream_.unsent() > kUnsentHigh) flooded_ = true;
  if (stream_.unsent() <= kUnsentLow) flooded_ = false;
  const bool pause = pause_wanted_ || flooded_;
  if (pause == paused_) return;
  paused_ = pause;
  if (pause) {
    stream_.pause_reading();
  } else {
    stream_.resume_reading();
  }
}

void Stream::close() {
  if (!std::exchange(said_close_, true)) {
    Bytes frame;
    socket_.append_close(http::WebSocketStatus::kNormal, frame);
    stream_.send(frame);
  }
  stream_.close();
}

void Stream::move_to(Loop& target, Task then) {
  if (bool* const moved = std::exchange(moved_, nullptr)) *moved = true;
  stream_.move_to(target, [this, then = std::move(then)]() mutable {
    if (ending_) stream_.close();
    then();
  });
}

}  // namespace linarite::websocket
