// The client's end of one HTTP/1.1 connection (RFC 9112): a request becomes bytes, bytes become its
// response. One request at a time.
#pragma once

#include <optional>

#include "base/bytes.h"
#include "base/error.h"
#include "base/time.h"
#include "http/body_reader.h"
#include "http/head_parser.h"
#include "http/head_scanner.h"
#include "http/request.h"
#include "http/response.h"

namespace linarite::http {

inline constexpr size_t kInterimResponseCountMax = 8;  // 1xx before the response.

struct ClientOptions {
  size_t body_max = size_t{4} << 20U;
  Duration response_time =
      std::chrono::seconds(60);  // From the request to the end of the response.
};

struct ClientEvents {
  std::optional<Response> response;
  std::optional<Error>
      error;           // kMalformed, kLimitExceeded, kIoError or kGenericTimeout; then closed.
  bool close = false;  // No further request can be sent on this connection.
};

class ClientConnection {
 public:
  explicit ClientConnection(ClientOptions options = {}) : options_(options) {}

  // The bytes to send. kMalformed, with nothing changed, if the request is not valid or has no
  // Host; kIoError if the connection was closed. A second request before the response is our own
  // mistake.
  Result<Bytes> send(const Request& request, Instant now);

  // Bytes that no request asked for end the connection with kMalformed.
  void receive(ByteView bytes, ClientEvents& out);
  // The peer closed: the end of a response without a length, else kIoError if one was under way.
  void end_of_stream(ClientEvents& out);
  void tick(Instant now, ClientEvents& out);
  std::optional<Instant> next_deadline() const { return deadline_; }

  bool waiting() const { return state_ == State::kHead || state_ == State::kBody; }
  bool closed() const { return state_ == State::kClosed; }

 private:
  enum class State { kIdle, kHead, kBody, kClosed };

  void read_head(ByteView& input, ClientEvents& out);
  void begin_body(ClientEvents& out);
  void read_body(ByteView& input, ClientEvents& out);
  void finish(bool keep_alive, ClientEvents& out);
  void fail_with(ErrorCode code, std::string message, ClientEvents& out);

  ClientOptions options_;
  State state_ = State::kIdle;
  std::optional<Instant> deadline_;
  bool head_request_ = false;  // The response to HEAD has no body.
  bool close_asked_ = false;   // The request said Connection: close.
  size_t interim_count_ = 0;
  HeadScanner scanner_;
  ResponseHead head_;
  std::optional<BodyReader> body_;
};

}  // namespace linarite::http
