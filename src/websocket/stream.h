// A WebSocket as a stream: whoever speaks MQTT or AMQP through it does not notice.
#pragma once

#include <memory>
#include <utility>

#include "http/websocket.h"
#include "net/stream.h"

namespace linarite::websocket {

// Stands between the stream on which a handshake has been, whose calls it gets, and the handler of
// the protocol inside. Owned by the handler of the stream below. Every send() is one frame.
class Stream final : public net::Stream {
 public:
  // `socket`: the end of the WebSocket that is here.
  Stream(net::Stream& stream, http::WebSocket socket)
      : stream_(stream), socket_(std::move(socket)) {}

  // Gives the handler inside, which was made for this stream, what came behind the handshake. Once,
  // first of all. Closes if it is null.
  void start(std::unique_ptr<net::StreamHandler> handler, ByteView bytes);

  // What happens on the stream below.
  void on_bytes(ByteView bytes);
  void on_writable();
  void on_closed(net::CloseReason reason);

  // net::Stream
  void send(ByteView bytes) override;
  size_t unsent() const override { return stream_.unsent(); }
  void pause_reading() override;
  void resume_reading() override;
  void close() override;
  void abort() override { stream_.abort(); }
  void move_to(Loop& target, Task then) override;
  Loop& loop() const override { return stream_.loop(); }
  const net::PeerInfo& peer() const override { return stream_.peer(); }

 private:
  void set_flow();

  net::Stream& stream_;
  std::unique_ptr<net::StreamHandler> handler_;
  http::WebSocket socket_;
  bool pause_wanted_ = false;  // By the handler.
  bool flooded_ = false;       // Answers to pings fill what is unsent.
  bool paused_ = false;
  bool ending_ = false;       // The WebSocket is over, the stream is to close.
  bool said_close_ = false;   // Our close frame is out, nothing may follow it.
  bool peer_closed_ = false;  // By a close frame.
  bool* moved_ = nullptr;     // While the handler is called: set when it moves the stream.
};

}  // namespace linarite::websocket
