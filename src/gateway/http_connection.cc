#include "gateway/http_connection.h"

#include <utility>

namespace linarite::gateway {

HttpConnection::HttpConnection(net::Stream& stream, std::unique_ptr<HttpService> service)
    : stream_(stream),
      loop_(stream.loop()),
      service_(std::move(service)),
      engine_({.on_head = [this](const http::Request& head) { return service_->admit(head); },
               .on_refusal =
                   [this](int status, std::string_view reason) {
                     return service_->refuse(status, reason);
                   }},
              stream.loop().clock().now()),
      self_(std::make_shared<HttpConnection*>(this)) {
  set_timer();
}

// After an upgrade the stream may have moved to another loop; the timer is gone by then.
HttpConnection::~HttpConnection() {
  if (timer_ != 0) loop_.cancel(timer_);
  if (hold_timer_ != 0) loop_.cancel(hold_timer_);
}

void HttpConnection::on_bytes(ByteView bytes) {
  if (socket_) return socket_->on_bytes(bytes);
  http::ServerEvents events;
  engine_.receive(bytes, loop_.clock().now(), events);
  apply(std::move(events));
}

void HttpConnection::hold_back(http::ServerEvents events, Duration delay) {
  stream_.pause_reading();
  paused_ = true;
  hold_timer_ = loop_.run_after(delay, [this, events = std::move(events)]() mutable {
    hold_timer_ = 0;
    apply(std::move(events));
  });
}

void HttpConnection::on_writable() {
  if (socket_) return socket_->on_writable();
  if (hold_timer_ == 0) set_flow();
}

void HttpConnection::on_closed(net::CloseReason reason) {
  closed_ = true;
  if (hold_timer_ != 0) loop_.cancel(std::exchange(hold_timer_, 0));
  if (socket_) socket_->on_closed(reason);
}

void HttpConnection::apply(http::ServerEvents events) {
  while (!closed_) {
    if (const Duration delay = service_->take_delay(); delay > Duration::zero()) {
      return hold_back(std::move(events), delay);
    }
    if (!events.output.empty()) stream_.send(events.output);
    if (events.close) {
      closed_ = true;
      stream_.close();
      return;
    }
    if (!events.request) break;
    if (auto upgrade = service_->upgrade(*events.request)) {
      if (upgrade->accept) return take_up(std::move(*upgrade));
      events = {};
      engine_.respond(upgrade->response, loop_.clock().now(), events);
      continue;
    }
    serving_ = true;
    service_->serve(std::move(*events.request),
                    [self = std::weak_ptr(self_)](http::Response response) {
                      if (const auto alive = self.lock()) (*alive)->answer(std::move(response));
                    });
    serving_ = false;
    events = {};
    if (!prompt_answer_) break;
    engine_.respond(*std::exchange(prompt_answer_, std::nullopt), loop_.clock().now(), events);
  }
  set_flow();
  set_timer();
}

void HttpConnection::take_up(HttpUpgrade upgrade) {
  http::ServerEvents events;
  const Bytes unread = engine_.upgrade(upgrade.response, events);
  stream_.send(events.output);
  if (timer_ != 0) loop_.cancel(std::exchange(timer_, 0));
  service_.reset();
  // A request before this one may have had to wait for its answer.
  if (std::exchange(paused_, false)) stream_.resume_reading();
  socket_ = std::make_unique<websocket::Stream>(stream_, http::WebSocket::server());
  socket_->start(upgrade.accept(*socket_), unread);
}

void HttpConnection::answer(http::Response response) {
  if (serving_) {
    prompt_answer_ = std::move(response);
    return;
  }
  if (closed_) return;
  http::ServerEvents events;
  engine_.respond(response, loop_.clock().now(), events);
  apply(std::move(events));
}

// Reads only while the engine can take a request and the peer takes our answers.
void HttpConnection::set_flow() {
  if (closed_) return;
  const bool pause = !engine_.wants_input() || stream_.unsent() > net::Stream::kUnsentHigh;
  if (pause == paused_) return;
  paused_ = pause;
  if (pause) {
    stream_.pause_reading();
  } else {
    stream_.resume_reading();
  }
}

// A timer that is already set for an earlier time is left alone: it looks at the deadline again
// when it fires. So a busy connection sets one timer in a while, not one for each request.
void HttpConnection::set_timer() {
  const auto due = engine_.next_deadline();
  if (closed_ || !due || (timer_due_ && *timer_due_ <= *due)) return;
  loop_.cancel(timer_);
  timer_due_ = due;
  timer_ = loop_.run_at(*due, [this] { on_timer(); });
}

void HttpConnection::on_timer() {
  timer_ = 0;
  timer_due_.reset();
  if (closed_) return;
  if (hold_timer_ != 0) return;  // apply() sets it again.
  http::ServerEvents events;
  engine_.tick(loop_.clock().now(), events);
  apply(std::move(events));
}

}  // namespace linarite::gateway
