#include "http/client_connection.h"

#include <utility>

#include "base/check.h"
#include "http/serializer.h"

namespace linarite::http {

Result<Bytes> ClientConnection::send(const Request& request, Instant now) {
  CHECK(!waiting());
  if (closed()) return fail(ErrorCode::kIoError, "the connection was closed");
  if (request.headers.count("Host") != 1) {
    return fail(ErrorCode::kMalformed, "there must be one Host header");
  }
  Bytes out;
  if (auto status = append_request(request, out); !status) {
    return std::unexpected(status.error());
  }
  state_ = State::kHead;
  deadline_ = now + options_.response_time;
  head_request_ = request.method == "HEAD";
  close_asked_ = request.headers.has_token("Connection", "close");
  interim_count_ = 0;
  return out;
}

void ClientConnection::receive(ByteView bytes, ClientEvents& out) {
  while (!bytes.empty()) {
    switch (state_) {
      case State::kIdle:
        return fail_with(ErrorCode::kMalformed, "the server sent what was not asked for", out);
      case State::kHead:
        read_head(bytes, out);
        break;
      case State::kBody:
        read_body(bytes, out);
        break;
      case State::kClosed:
        return;
    }
  }
}

void ClientConnection::read_head(ByteView& input, ClientEvents& out) {
  switch (scanner_.read(input)) {
    case HeadScanner::Verdict::kMore:
      return;
    case HeadScanner::Verdict::kMalformed:
      return fail_with(ErrorCode::kMalformed, "the response head is malformed", out);
    case HeadScanner::Verdict::kStartLineTooLong:
    case HeadScanner::Verdict::kHeadersTooLarge:
      return fail_with(ErrorCode::kLimitExceeded, "the response head is too large", out);
    case HeadScanner::Verdict::kComplete:
      break;
  }
  auto head = parse_response_head(scanner_.take());
  if (!head) return fail_with(ErrorCode::kMalformed, std::move(head.error().reason), out);
  head_ = std::move(*head);
  begin_body(out);
}

void ClientConnection::begin_body(ClientEvents& out) {
  const int status = head_.response.status;
  if (status == 101) {
    return fail_with(ErrorCode::kMalformed, "the server switched protocols unasked", out);
  }
  if (status < 200) {
    if (++interim_count_ > kInterimResponseCountMax) {
      fail_with(ErrorCode::kLimitExceeded, "the server sent too many interim responses", out);
    }
    return;
  }
  const Framing framing = head_.framing;
  // RFC 9112, 6.3.
  if (head_request_ || status == 204 || status == 304 || framing.content_length == 0) {
    return finish(head_.keep_alive, out);
  }
  if (framing.content_length.value_or(0) > options_.body_max) {
    return fail_with(ErrorCode::kLimitExceeded, "the response body is too large", out);
  }
  body_ = framing.chunked          ? BodyReader::chunked()
          : framing.content_length ? BodyReader::sized(*framing.content_length)
                                   : BodyReader::until_close();
  state_ = State::kBody;
}

void ClientConnection::read_body(ByteView& input, ClientEvents& out) {
  switch (body_->read(input, options_.body_max, head_.response.body)) {
    case BodyReader::Progress::kMore:
      return;
    case BodyReader::Progress::kComplete:
      return finish(head_.keep_alive, out);
    case BodyReader::Progress::kTooLarge:
      return fail_with(ErrorCode::kLimitExceeded, "the response body is too large", out);
    case BodyReader::Progress::kMalformed:
      return fail_with(ErrorCode::kMalformed, "the chunks of the body are malformed", out);
  }
}

void ClientConnection::end_of_stream(ClientEvents& out) {
  if (state_ == State::kBody && body_->ends_with_connection()) return finish(false, out);
  if (waiting()) {
    return fail_with(ErrorCode::kIoError, "the server closed before its response ended", out);
  }
  state_ = State::kClosed;
  out.close = true;
}

void ClientConnection::tick(Instant now, ClientEvents& out) {
  if (!deadline_ || now < *deadline_) return;
  fail_with(ErrorCode::kGenericTimeout, "the server did not answer in time", out);
}

void ClientConnection::finish(bool keep_alive, ClientEvents& out) {
  const bool open = keep_alive && !close_asked_;
  state_ = open ? State::kIdle : State::kClosed;
  deadline_.reset();
  body_.reset();
  out.response = std::exchange(head_, ResponseHead()).response;
  if (!open) out.close = true;
}

void ClientConnection::fail_with(ErrorCode code, std::string message, ClientEvents& out) {
  state_ = State::kClosed;
  deadline_.reset();
  body_.reset();
  head_ = ResponseHead();
  out.error = Error{code, std::move(message)};
  out.close = true;
}

}  // namespace linarite::http
