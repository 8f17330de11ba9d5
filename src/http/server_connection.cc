#include "http/server_connection.h"

#include <utility>

#include "base/check.h"
#include "base/mutation.h"
#include "base/text.h"
#include "http/serializer.h"

namespace linarite::http {

ServerConnection::ServerConnection(ServerHooks hooks, Instant now)
    : hooks_(std::move(hooks)), deadline_(now + kHeadTime) {}

void ServerConnection::receive(ByteView bytes, Instant now, ServerEvents& out) {
  if (state_ == State::kClosed) return;
  if (state_ == State::kPending) {
    if (unread_.size() + bytes.size() > kUnreadMax) return close(out);
    unread_.append(bytes);
    return;
  }
  read(bytes, now, out);
  if (state_ == State::kPending) unread_.assign(bytes);
}

void ServerConnection::respond(const Response& response, Instant now, ServerEvents& out) {
  if (state_ == State::kClosed) return;
  CHECK(state_ == State::kPending);
  const bool keep_alive = head_.keep_alive && !response.headers.has_token("Connection", "close");
  answer(response, !keep_alive, out);
  if (!keep_alive) return close(out);
  become_idle(now);
  const Bytes unread = std::exchange(unread_, Bytes());
  ByteView input = unread;
  read(input, now, out);
  if (state_ == State::kPending) unread_.assign(input);
}

Bytes ServerConnection::upgrade(const Response& response, ServerEvents& out) {
  CHECK(state_ == State::kPending && response.status == 101);
  append_response(response, {.upgrade = true}, out.output);
  state_ = State::kClosed;
  return std::exchange(unread_, Bytes());
}

void ServerConnection::tick(Instant now, ServerEvents& out) {
  if (!deadline_ || now < *deadline_) return;
  if (state_ == State::kHead || state_ == State::kBody) {
    return refuse(408, "the request did not arrive in time", out);
  }
  close(out);
}

// Reads until the input is used up or a request is handed out.
void ServerConnection::read(ByteView& input, Instant now, ServerEvents& out) {
  while (!input.empty()) {
    switch (state_) {
      case State::kIdle:
        state_ = State::kHead;
        deadline_ = now + kHeadTime;
        break;
      case State::kHead:
        read_head(input, now, out);
        break;
      case State::kBody:
        read_body(input, now, out);
        break;
      case State::kDraining:
        drained_ += input.size();
        input = {};
        if (drained_ > kDrainMax) close(out);
        break;
      case State::kPending:
      case State::kClosed:
        return;
    }
  }
}

void ServerConnection::read_head(ByteView& input, Instant now, ServerEvents& out) {
  switch (scanner_.read(input)) {
    case HeadScanner::Verdict::kMore:
      return;
    case HeadScanner::Verdict::kMalformed:
      return refuse(400, "the message head is malformed", out);
    case HeadScanner::Verdict::kStartLineTooLong:
      return refuse_and_drain(hooks_.on_refusal(414, "the request line is too long"), now, out);
    case HeadScanner::Verdict::kHeadersTooLarge:
      return refuse_and_drain(hooks_.on_refusal(431, "the headers are too large"), now, out);
    case HeadScanner::Verdict::kComplete:
      break;
  }
  auto head = parse_request_head(scanner_.take());
  if (!head) return refuse(head.error().status, head.error().reason, out);
  head_ = std::move(*head);
  to_head_ = head_.request.method == "HEAD";
  begin_body(now, out);
}

void ServerConnection::begin_body(Instant now, ServerEvents& out) {
  const Framing framing = head_.framing;
  const bool has_body = framing.chunked || framing.content_length.value_or(0) > 0;
  const auto allowed = hooks_.on_head(head_.request);
  if (!allowed && has_body) return refuse_and_drain(allowed.error(), now, out);
  if (!allowed) {
    answer(allowed.error(), !head_.keep_alive, out);
    return head_.keep_alive ? become_idle(now) : close(out);
  }
  if (!has_body) return hand_out(out);
  body_max_ = *allowed;
  if (framing.content_length.value_or(0) > body_max_) {
    return refuse_and_drain(hooks_.on_refusal(413, "the body is too large"), now, out);
  }
  if (const auto expected = head_.request.headers.find("Expect");
      expected && head_.request.minor_version >= 1) {
    if (!equal_ignoring_case(*expected, "100-continue")) {
      return refuse_and_drain(hooks_.on_refusal(417, "the expectation is not known"), now, out);
    }
    // RFC 9110, 10.1.1: sent at once, so that the client does not wait for its own timer.
    out.output.append("HTTP/1.1 100 Continue\r\n\r\n");
  }
  body_ = framing.chunked ? BodyReader::chunked() : BodyReader::sized(*framing.content_length);
  state_ = State::kBody;
  deadline_ = now + kBodyTime;
}

void ServerConnection::read_body(ByteView& input, Instant now, ServerEvents& out) {
  switch (body_->read(input, body_max_, head_.request.body)) {
    case BodyReader::Progress::kMore:
      return;
    case BodyReader::Progress::kComplete:
      return hand_out(out);
    case BodyReader::Progress::kTooLarge:
      return refuse_and_drain(hooks_.on_refusal(413, "the body is too large"), now, out);
    case BodyReader::Progress::kMalformed:
      return refuse(400, "the chunks of the body are malformed", out);
  }
}

void ServerConnection::hand_out(ServerEvents& out) {
  state_ = State::kPending;
  deadline_.reset();
  body_.reset();
  out.request = std::move(head_.request);
}

void ServerConnection::become_idle(Instant now) {
  state_ = State::kIdle;
  deadline_ = now + kIdleTime;
  if (mutated(Mutation::kIdleClientKept)) deadline_.reset();
  head_ = RequestHead();
  to_head_ = false;
}

void ServerConnection::answer(const Response& response, bool close, ServerEvents& out) {
  append_response(response, {.to_head = to_head_, .close = close}, out.output);
}

void ServerConnection::refuse(int status, std::string_view reason, ServerEvents& out) {
  answer(hooks_.on_refusal(status, reason), true, out);
  close(out);
}

void ServerConnection::refuse_and_drain(const Response& response, Instant now, ServerEvents& out) {
  answer(response, true, out);
  state_ = State::kDraining;
  deadline_ = now + kDrainTime;
  head_ = RequestHead();
  body_.reset();
}

void ServerConnection::close(ServerEvents& out) {
  state_ = State::kClosed;
  deadline_.reset();
  unread_ = Bytes();
  out.close = true;
}

}  // namespace linarite::http
