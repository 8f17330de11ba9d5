// The server's end of one HTTP/1.1 connection (RFC 9112): bytes in, requests and bytes to send out.
//
// One request is handed out at a time; the next one waits as unread bytes until respond() was
// called. So pipelined requests are answered in order, and each sees what the one before it has
// done (RFC 9112, 9.3.2). A caller that pauses its stream while wants_input() is false bounds those
// bytes by one read; beyond kUnreadMax the connection is closed.
//
// Every head is shown to ServerHooks::on_head before its body is read: the route, the caller's
// rights and the size of the body are judged there, and a refused client is answered without its
// body being taken. Any doubt about where a message ends is answered 400 and the connection is
// closed.
//
// HTTP/1.0 is answered and then closed. An Upgrade field is ignored unless the caller answers with
// upgrade().
#pragma once

#include <expected>
#include <functional>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "base/time.h"
#include "http/body_reader.h"
#include "http/head_parser.h"
#include "http/head_scanner.h"
#include "http/request.h"
#include "http/response.h"

namespace linarite::http {

inline constexpr Duration kHeadTime = std::chrono::seconds(10);   // From its first byte to its end.
inline constexpr Duration kBodyTime = std::chrono::seconds(30);   // From the end of the head.
inline constexpr Duration kIdleTime = std::chrono::seconds(120);  // Between two requests.
// After a refusal what the client is still sending is dropped for a while: closing at once would
// reset the connection, and the client would lose the answer (RFC 9112, 9.6).
inline constexpr Duration kDrainTime = std::chrono::seconds(2);
inline constexpr size_t kDrainMax = size_t{1} << 20U;
inline constexpr size_t kUnreadMax = size_t{256} << 10U;

struct ServerHooks {
  // The largest body the request may have, or the answer to give instead of reading it. The request
  // has no body yet.
  std::function<std::expected<size_t, Response>(const Request& head)> on_head;
  // The answer to something the engine refuses by itself: 400, 408, 413, 414, 417, 431, 505.
  std::function<Response(int status, std::string_view reason)> on_refusal;
};

struct ServerEvents {
  std::optional<Request> request;  // Complete; answer it with respond().
  Bytes output;                    // To be sent.
  bool close = false;              // The stream is to be closed after `output` was sent.
};

class ServerConnection {
 public:
  // A connection that was opened at `now`; its first head is due within kHeadTime.
  ServerConnection(ServerHooks hooks, Instant now);

  // Both append to `out`. After `out.close` further calls do nothing.
  void receive(ByteView bytes, Instant now, ServerEvents& out);
  // Answers the request handed out last. Calling it without one is our own mistake.
  void respond(const Response& response, Instant now, ServerEvents& out);

  // Answers the request handed out last with a change of protocol (RFC 9110, 7.8): `response` has
  // status 101 and an Upgrade field. Returns what the client has sent behind the request; from then
  // on the engine has nothing to do with the stream.
  Bytes upgrade(const Response& response, ServerEvents& out);

  // Applies the deadline that has come, if any: 408 in the middle of a request, close without a
  // word between two.
  void tick(Instant now, ServerEvents& out);
  std::optional<Instant> next_deadline() const { return deadline_; }

  // False while a request waits for its answer.
  bool wants_input() const { return state_ != State::kPending; }
  // True between requests: closing now loses nothing.
  bool idle() const { return state_ == State::kIdle; }

 private:
  enum class State { kIdle, kHead, kBody, kPending, kDraining, kClosed };

  void read(ByteView& input, Instant now, ServerEvents& out);
  void read_head(ByteView& input, Instant now, ServerEvents& out);
  void read_body(ByteView& input, Instant now, ServerEvents& out);
  void begin_body(Instant now, ServerEvents& out);
  void hand_out(ServerEvents& out);
  void become_idle(Instant now);
  void answer(const Response& response, bool close, ServerEvents& out);
  // Answers and lets the connection end: at once, or after what the client still sends.
  void refuse(int status, std::string_view reason, ServerEvents& out);
  void refuse_and_drain(const Response& response, Instant now, ServerEvents& out);
  void close(ServerEvents& out);

  ServerHooks hooks_;
  State state_ = State::kIdle;
  std::optional<Instant> deadline_;
  Bytes unread_;  // What came while a request was pending.
  HeadScanner scanner_;
  RequestHead head_;  // The request under way, its body grows inside; while pending, its framing.
  bool to_head_ = false;  // The request under way or pending is HEAD.
  std::optional<BodyReader> body_;
  size_t body_max_ = 0;
  size_t drained_ = 0;
};

}  // namespace linarite::http
