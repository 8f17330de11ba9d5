// Joins the HTTP engine to a stream: bytes, deadlines, back-pressure, and answers that come later.
// After an upgrade it hands the stream to a WebSocket.
#pragma once

#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "http/request.h"
#include "http/response.h"
#include "http/server_connection.h"
#include "net/stream.h"
#include "websocket/stream.h"

namespace linarite::gateway {

// Answers one request: once, at any time, on the connection's loop. A no-op when the connection has
// gone.
using HttpAnswer = std::move_only_function<void(http::Response)>;

// How a request for another protocol ends: with status 101 and who goes on, or a refusal.
struct HttpUpgrade {
  http::Response response;
  net::StreamAcceptor accept;
};

// What stands behind one connection: the REST API or the admin pages. All calls come on the
// connection's loop, one request at a time.
class HttpService {
 public:
  virtual ~HttpService() = default;
  // Judges a head before its body is read: the largest body, or the answer.
  virtual std::expected<size_t, http::Response> admit(const http::Request& head) = 0;
  // Serves the request that was admitted last. `answer` may be called from inside.
  virtual void serve(http::Request request, HttpAnswer answer) = 0;
  // Serves it instead of serve() if it asks for a WebSocket that is served here.
  virtual std::optional<HttpUpgrade> upgrade(const http::Request& /*request*/) {
    return std::nullopt;
  }
  // How long what was answered last is to be held back; zero from the next call on.
  virtual Duration take_delay() { return Duration::zero(); }
  // The answer to what the engine refuses by itself.
  virtual http::Response refuse(int status, std::string_view reason) = 0;
};

class HttpConnection final : public net::StreamHandler {
 public:
  HttpConnection(net::Stream& stream, std::unique_ptr<HttpService> service);
  ~HttpConnection() override;

  void on_bytes(ByteView bytes) override;
  void on_writable() override;
  void on_closed(net::CloseReason reason) override;

 private:
  // Sends what the engine gave and serves the request in it, then the next one, until one waits.
  void apply(http::ServerEvents events);
  void hold_back(http::ServerEvents events, Duration delay);
  void take_up(HttpUpgrade upgrade);
  void answer(http::Response response);
  void set_flow();
  void set_timer();
  void on_timer();

  std::unique_ptr<websocket::Stream> socket_;  // After an upgrade, all that counts.
  net::Stream& stream_;                        // Not to be touched after on_closed().
  Loop& loop_;
  std::unique_ptr<HttpService> service_;
  http::ServerConnection engine_;
  // Inside serve(): an answer that comes now is kept here, so that a long pipeline of requests
  // answered at once is a loop and not a recursion.
  bool serving_ = false;
  std::optional<http::Response> prompt_answer_;
  bool paused_ = false;
  TimerId hold_timer_ = 0;  // Until then an answer waits, and nothing else happens.
  bool closed_ = false;
  TimerId timer_ = 0;
  std::optional<Instant> timer_due_;
  // Answers that come later hold it weakly, to see whether the connection still lives.
  std::shared_ptr<HttpConnection*> self_;
};

}  // namespace linarite::gateway
