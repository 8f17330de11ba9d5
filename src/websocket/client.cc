#include "websocket/client.h"

#include <optional>
#include <utility>

#include "http/websocket.h"
#include "websocket/stream.h"

namespace linarite::websocket {
namespace {

// The handler of the stream below: the handshake first, then whoever speaks inside. Owned by the
// stream.
class Client final : public net::StreamHandler {
 public:
  Client(net::Stream& stream, ClientOptions options, ConnectOutcomes inside)
      : stream_(stream),
        loop_(stream.loop()),
        random_(std::move(options.random)),
        handshake_(std::in_place, std::move(options.offer), *random_),
        inside_(std::move(inside)) {
    const auto request = handshake_->request();
    if (!request) {
      fail(request.error());
      return;
    }
    stream_.send(*request);
    timer_ = loop_.run_after(options.limit, [this] {
      timer_ = 0;
      fail({ErrorCode::kIoError, "no answer to the WebSocket handshake in time"});
    });
  }
  // The loop may have gone on without the timer's owner, but not the other way round.
  ~Client() override {
    if (timer_ != 0 && loop_.in_loop()) loop_.cancel(timer_);
  }

  void on_bytes(ByteView bytes) override {
    if (socket_) return socket_->on_bytes(bytes);
    if (!handshake_) return;
    const auto open = handshake_->receive(bytes);
    if (!open) return fail(open.error());
    if (!*open) return;
    ConnectOutcomes inside = end_handshake();
    socket_.emplace(stream_, http::WebSocket::client(random_));
    socket_->start(inside.opened(*socket_), bytes);
  }
  void on_writable() override {
    if (socket_) socket_->on_writable();
  }
  void on_closed(net::CloseReason reason) override {
    if (socket_) return socket_->on_closed(reason);
    stream_ended_ = true;
    fail({ErrorCode::kIoError, "the server closed the connection in the WebSocket handshake"});
  }

 private:
  ConnectOutcomes end_handshake() {
    loop_.cancel(std::exchange(timer_, 0));
    handshake_.reset();
    return std::move(inside_);
  }
  void fail(Error why) {
    if (!handshake_) return;
    const http::WebSocketOffer& offer = handshake_->offer();
    why.message.insert(0, "wss://" + offer.host + offer.path + ": ");
    ConnectOutcomes inside = end_handshake();
    if (!stream_ended_) stream_.abort();
    inside.failed(std::move(why));
  }

  net::Stream& stream_;  // Not to be touched once it has ended.
  Loop& loop_;
  const std::shared_ptr<Random> random_;
  std::optional<http::ClientHandshake> handshake_;  // Until its outcome is known.
  ConnectOutcomes inside_;
  std::optional<Stream> socket_;  // Once the handshake is over.
  TimerId timer_ = 0;
  bool stream_ended_ = false;
};

}  // namespace

ConnectOutcomes through_websocket(ClientOptions options, ConnectOutcomes inside) {
  // One of the two is called, so one of them takes what they share.
  const auto shared = std::make_shared<ConnectOutcomes>(std::move(inside));
  return {.opened = [options = std::move(options),
                     shared](net::Stream& stream) mutable -> std::unique_ptr<net::StreamHandler> {
            return std::make_unique<Client>(stream, std::move(options), std::move(*shared));
          },
          .failed = [shared](Error why) { shared->failed(std::move(why)); }};
}

}  // namespace linarite::websocket
