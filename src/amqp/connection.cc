#include "amqp/connection.h"

#include <algorithm>

#include "amqp/connection_state.h"
#include "base/mutation.h"

namespace linarite::amqp {
namespace {

// Buffers larger than this are given back when they are empty, so that idle connections stay small.
constexpr size_t kKeptBufferMax = 4096;

void clear(Bytes& buffer) {
  if (buffer.capacity() > kKeptBufferMax) {
    buffer = Bytes();
  } else {
    buffer.clear();
  }
}

// A tenth more than advertised, so that a peer that pings just in time is not cut.
Duration idle_limit(Duration advertised) { return advertised + advertised / 10; }

std::shared_ptr<const Error> shared(std::optional<Error> error) {
  return error ? std::make_shared<const Error>(std::move(*error)) : nullptr;
}

}  // namespace

Connection::Connection(std::shared_ptr<const ConnectionOptions> options, Instant now)
    : shared_options_(std::move(options)),
      options_(*shared_options_),
      stage_(Stage::kHeader),
      now_(now),
      stage_deadline_(now + options_.open_time_out),
      last_received_(now) {
  if (options_.server) return;
  if (options_.sasl_mechanism.empty()) {
    output_ = kAmqpHeader;
    write_open();
  } else {
    output_ = kSaslHeader;
  }
}

Connection::~Connection() = default;

bool Connection::closed() const { return stage_ == Stage::kClosed; }

ByteView Connection::output() {
  flush_disposition();
  return output_;
}

void Connection::clear_output() { clear(output_); }

// Views handed out by the last call end here.
void Connection::start(Instant now, Events& out) {
  now_ = now;
  events_ = &out;
  bodies_.clear();
  clear(completed_);
  for (Event& event : held_events_) out.push_back(std::move(event));
  held_events_.clear();
}

void Connection::receive(ByteView bytes, Instant now, Events& out) {
  start(now, out);
  if (!bytes.empty()) last_received_ = now;
  consume(bytes);
  events_ = nullptr;
}

void Connection::consume(ByteView bytes) {
  if (!partial_.empty() && stage_ != Stage::kSaslPending && stage_ != Stage::kClosed) {
    if (!fill_partial(bytes)) return;
    completed_.swap(partial_);
    partial_.clear();
    take_unit(completed_);
  }
  while (!bytes.empty() && stage_ != Stage::kClosed) {
    if (stage_ == Stage::kSaslPending) {
      partial_.append(bytes.substr(0, kPipelinedBytesMax + 1));
      if (partial_.size() > kPipelinedBytesMax) {
        fail_connection(condition::kResourceLimitExceeded,
                        "too much sent ahead of the SASL outcome");
      }
      return;
    }
    const size_t needed = needed_bytes(bytes);
    if (needed == 0) return;
    if (bytes.size() < needed) {
      partial_ = bytes;
      return;
    }
    take_unit(bytes.substr(0, needed));
    bytes.remove_prefix(needed);
  }
}

// Moves bytes into partial_ until it holds one whole unit. False if it does not yet, or never will.
bool Connection::fill_partial(ByteView& bytes) {
  for (;;) {
    const size_t needed = needed_bytes(partial_);
    if (needed == 0) return false;
    if (partial_.size() >= needed) return true;
    if (bytes.empty()) return false;
    const ByteView more = bytes.substr(0, needed - partial_.size());
    partial_.append(more);
    bytes.remove_prefix(more.size());
  }
}

// The size of the protocol header or frame that starts here, as far as it is known; 0 after a
// framing error. A frame's size is checked here, before its bytes are kept.
size_t Connection::needed_bytes(ByteView start) {
  if (stage_ == Stage::kHeader || stage_ == Stage::kAmqpHeader) return kProtocolHeaderSize;
  if (start.size() < kFrameHeaderSize) return kFrameHeaderSize;
  const bool opened = stage_ == Stage::kOpened || stage_ == Stage::kClosing;
  const uint32_t size_max =
      opened ? options_.max_frame_size : std::min(kPreOpenFrameMax, options_.max_frame_size);
  const auto header = read_frame_header(start.substr(0, kFrameHeaderSize), size_max);
  if (!header) {
    fail_connection(condition::kFramingError, "bad frame size or data offset");
    return 0;
  }
  return header->size;
}

void Connection::take_unit(ByteView unit) {
  if (stage_ == Stage::kHeader || stage_ == Stage::kAmqpHeader) {
    take_protocol_header(unit);
  } else {
    take_frame(unit);
  }
}

// 2.2 and 5.3.1.
void Connection::take_protocol_header(ByteView header) {
  const bool sasl = header == kSaslHeader;
  if (!sasl && header != kAmqpHeader) {
    if (options_.server) output_ += kAmqpHeader;
    return finish(Closed::Cause::kProtocol, nullptr);
  }
  if (!options_.server) {
    const bool wanted_sasl = stage_ == Stage::kHeader && !options_.sasl_mechanism.empty();
    if (sasl != wanted_sasl) return finish(Closed::Cause::kProtocol, nullptr);
    stage_ = sasl ? Stage::kSaslMechanisms : Stage::kOpen;
    return;
  }
  const bool first = stage_ == Stage::kHeader;
  const bool allowed =
      sasl ? first && !options_.sasl_mechanisms.empty() : !first || options_.allow_no_sasl;
  if (!allowed) {
    if (first) output_ += sasl ? kAmqpHeader : kSaslHeader;
    return finish(Closed::Cause::kProtocol, nullptr);
  }
  output_ += header;
  stage_ = sasl ? Stage::kSaslInit : Stage::kOpen;
  if (sasl) write_sasl_frame(SaslMechanisms{options_.sasl_mechanisms});
}

void Connection::take_frame(ByteView frame) {
  const auto header = read_frame_header(frame.substr(0, kFrameHeaderSize), UINT32_MAX);
  const bool sasl = stage_ >= Stage::kSaslMechanisms && stage_ <= Stage::kSaslOutcome;
  if (header->type != (sasl ? kFrameTypeSasl : kFrameTypeAmqp)) {
    return fail_connection(condition::kFramingError, "unexpected frame type");
  }
  ByteView body = frame.substr(header->data_offset);
  if (body.empty() && !sasl) return;  // A heartbeat (2.4.5).
  ValueView descriptor;
  ValueView list;
  if (!read_described(body, descriptor, list)) {
    return fail_connection(condition::kDecodeError, "the frame body is not a described list");
  }
  const auto code = static_cast<Code>(descriptor_code(descriptor).value_or(0));
  if (sasl) return take_sasl_frame(code, list);
  take_amqp_frame(header->channel, code, list, body);
}

void Connection::take_sasl_frame(Code code, const ValueView& list) {
  if (stage_ == Stage::kSaslInit && code == Code::kSaslInit) {
    SaslInit init;
    if (decode(list, init)) return on_sasl_init(std::move(init));
  } else if (stage_ == Stage::kSaslResponse && code == Code::kSaslResponse) {
    SaslResponse response;
    if (decode(list, response)) {
      stage_ = Stage::kSaslPending;
      return emit(SaslReceived{sasl_mechanism_, std::move(response.response)});
    }
  } else if (stage_ == Stage::kSaslMechanisms && code == Code::kSaslMechanisms) {
    SaslMechanisms mechanisms;
    if (decode(list, mechanisms)) return on_sasl_mechanisms(mechanisms);
  } else if (stage_ == Stage::kSaslOutcome && code == Code::kSaslChallenge) {
    SaslChallenge challenge;
    if (decode(list, challenge)) return emit(SaslChallenged{std::move(challenge.challenge)});
  } else if (stage_ == Stage::kSaslOutcome && code == Code::kSaslOutcome) {
    SaslOutcome outcome;
    if (decode(list, outcome)) return on_sasl_outcome(outcome);
  }
  fail_connection(condition::kDecodeError, "unexpected or malformed SASL frame");
}

void Connection::on_sasl_init(SaslInit init) {
  const auto& offered = options_.sasl_mechanisms;
  if (std::find(offered.begin(), offered.end(), init.mechanism) == offered.end()) {
    write_sasl_frame(SaslOutcome{SaslCode::kAuth, std::nullopt});
    return finish(Closed::Cause::kSasl, nullptr);
  }
  sasl_mechanism_ = init.mechanism;
  stage_ = Stage::kSaslPending;
  emit(SaslReceived{std::move(init.mechanism), std::move(init.initial_response)});
}

void Connection::on_sasl_mechanisms(const SaslMechanisms& mechanisms) {
  const auto& offered = mechanisms.mechanisms;
  if (std::find(offered.begin(), offered.end(), options_.sasl_mechanism) == offered.end()) {
    return finish(Closed::Cause::kSasl, nullptr);
  }
  write_sasl_frame(SaslInit{.mechanism = options_.sasl_mechanism,
                            .initial_response = options_.sasl_initial_response,
                            .hostname = options_.hostname});
  stage_ = Stage::kSaslOutcome;
}

void Connection::on_sasl_outcome(const SaslOutcome& outcome) {
  if (outcome.code != SaslCode::kOk) return finish(Closed::Cause::kSasl, nullptr);
  stage_ = Stage::kAmqpHeader;
  output_ += kAmqpHeader;
  write_open();
}

void Connection::sasl_outcome(SaslCode code, Instant now) {
  if (stage_ != Stage::kSaslPending) return;
  now_ = now;
  write_sasl_frame(SaslOutcome{code, std::nullopt});
  if (code != SaslCode::kOk) {
    finish(Closed::Cause::kSasl, nullptr);
  } else {
    stage_ = Stage::kAmqpHeader;
    completed_.swap(partial_);
    partial_.clear();
    consume(completed_);
  }
}

void Connection::sasl_challenge(ByteView challenge) {
  if (stage_ != Stage::kSaslPending) return;
  write_sasl_frame(SaslChallenge{Bytes(challenge)});
  stage_ = Stage::kSaslResponse;
}

void Connection::sasl_respond(ByteView response) {
  if (stage_ == Stage::kSaslOutcome) write_sasl_frame(SaslResponse{Bytes(response)});
}

void Connection::take_amqp_frame(uint16_t channel, Code code, const ValueView& list,
                                 ByteView payload) {
  if (stage_ == Stage::kOpen) {
    if (code == Code::kOpen && channel == 0) return on_open(list);
    return fail_connection(condition::kNotAllowed, "the first frame must be an open on channel 0");
  }
  if (code == Code::kClose) return on_close(list);
  if (stage_ == Stage::kClosing) return;
  if (channel >= options_.sessions_max) {
    return fail_connection(condition::kFramingError, "channel over channel-max");
  }
  if (code == Code::kBegin) return on_begin(channel, list);
  if (code < Code::kOpen || code > Code::kClose) {
    return fail_connection(condition::kDecodeError, "unknown performative");
  }
  Session* session = channel < by_remote_channel_.size() ? by_remote_channel_[channel] : nullptr;
  if (code == Code::kOpen || session == nullptr) {
    return fail_connection(condition::kNotAllowed,
                           "a second open, or a frame outside of any session");
  }
  if (session->state == Session::State::kEnding && code != Code::kEnd) return;
  take_session_frame(*session, code, list, payload);
}

void Connection::take_session_frame(Session& session, Code code, const ValueView& list,
                                    ByteView payload) {
  switch (code) {
    case Code::kTransfer:
      return on_transfer(session, list, payload);
    case Code::kDisposition:
      return on_disposition(session, list);
    case Code::kFlow:
      return on_flow(session, list);
    case Code::kAttach:
      return on_attach(session, list);
    case Code::kDetach:
      return on_detach(session, list);
    default:
      return on_end(session, list);
  }
}

void Connection::write_open() {
  Open open;
  open.container_id = options_.container_id;
  open.hostname = options_.hostname;
  open.max_frame_size = options_.max_frame_size;
  open.channel_max = static_cast<uint16_t>(options_.sessions_max - 1);
  if (options_.idle_time_out.count() != 0) {
    open.idle_time_out_ms = static_cast<uint32_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(options_.idle_time_out).count());
  }
  open.properties = options_.properties;
  open_sent_ = true;
  write_frame(0, open);
}

void Connection::on_open(const ValueView& list) {
  auto open = std::make_shared<Open>();
  if (!decode(list, *open)) return fail_connection(condition::kDecodeError, "malformed open");
  peer_max_frame_size_ = std::max(open->max_frame_size, kFrameSizeFloor);
  peer_channel_max_ = open->channel_max;
  if (!open_sent_) write_open();
  stage_ = Stage::kOpened;
  // 2.4.5: a frame at least every half of what the peer waits for.
  const Duration peer_idle = std::chrono::milliseconds(open->idle_time_out_ms.value_or(0));
  if (peer_idle.count() != 0) heartbeat_ = std::max(peer_idle, kIdleTimeOutFloor) / 2;
  next_heartbeat_ = now_ + heartbeat_;
  emit(Opened{std::move(open)});
}

void Connection::on_close(const ValueView& list) {
  Close close;
  if (!decode(list, close)) return fail_connection(condition::kDecodeError, "malformed close");
  if (stage_ == Stage::kClosing) return finish(Closed::Cause::kOwner, nullptr);
  write_frame(0, Close{});
  finish(Closed::Cause::kPeer, shared(std::move(close.error)));
}

void Connection::close(std::optional<Error> error, Instant now) {
  if (stage_ == Stage::kClosing || stage_ == Stage::kClosed) return;
  now_ = now;
  if (stage_ == Stage::kOpened) {
    write_frame(0, Close{std::move(error)});
    stage_ = Stage::kClosing;
    stage_deadline_ = now + options_.close_time_out;
  } else {
    finish(Closed::Cause::kOwner, shared(std::move(error)));
  }
}

// 2.4.3: whoever finds an error closes with it, after an open if none was sent.
void Connection::fail_connection(std::string_view condition, std::string_view description,
                                 Closed::Cause cause) {
  if (stage_ == Stage::kClosed) return;
  const bool amqp = stage_ >= Stage::kOpen;
  const bool say = amqp && stage_ != Stage::kClosing;
  const Error error{std::string(condition), std::string(description), {}};
  stage_ = Stage::kClosing;  // So that nothing below fails again.
  if (say) {
    if (!open_sent_) write_open();
    write_frame(0, Close{error});
  }
  finish(cause, std::make_shared<const Error>(error));
}

void Connection::finish(Closed::Cause cause, std::shared_ptr<const Error> error) {
  if (stage_ == Stage::kClosed) return;
  stage_ = Stage::kClosed;
  emit(Closed{cause, std::move(error)});
}

void Connection::tick(Instant now, Events& out) {
  start(now, out);
  if (stage_ == Stage::kOpened) {
    tick_opened();
  } else if (stage_ == Stage::kClosing && now >= stage_deadline_) {
    finish(Closed::Cause::kOwner, nullptr);
  } else if (stage_ < Stage::kOpened && now >= stage_deadline_) {
    fail_connection(condition::kResourceLimitExceeded, "no open in time", Closed::Cause::kTimeOut);
  }
  events_ = nullptr;
}

void Connection::tick_opened() {
  if (mutated(Mutation::kIdlePeerKept)) last_received_ = now_;
  if (options_.idle_time_out.count() != 0 &&
      now_ >= last_received_ + idle_limit(options_.idle_time_out)) {
    return fail_connection(condition::kResourceLimitExceeded,
                           "nothing received within idle-time-out", Closed::Cause::kTimeOut);
  }
  if (heartbeat_.count() != 0 && now_ >= next_heartbeat_) {
    flush_disposition();
    end_frame(output_, begin_frame(output_, kFrameTypeAmqp, 0));
    next_heartbeat_ = now_ + heartbeat_;
  }
  if (assembling_links_ == 0) return;
  for (const auto& link : links_) {
    if (link && link->assembly && now_ >= link->assembly->started + options_.delivery_time_out) {
      fail_link(*link, condition::kResourceLimitExceeded, "the message was not completed in time");
    }
  }
}

std::optional<Instant> Connection::deadline() const {
  if (!held_events_.empty()) return now_;
  if (stage_ == Stage::kClosed) return std::nullopt;
  if (stage_ != Stage::kOpened) return stage_deadline_;
  Instant next = Instant::max();
  if (options_.idle_time_out.count() != 0) {
    next = last_received_ + idle_limit(options_.idle_time_out);
  }
  if (heartbeat_.count() != 0) next = std::min(next, next_heartbeat_);
  if (assembling_links_ != 0) {
    for (const auto& link : links_) {
      if (link && link->assembly) {
        next = std::min(next, link->assembly->started + options_.delivery_time_out);
      }
    }
  }
  if (next == Instant::max()) return std::nullopt;
  return next;
}

}  // namespace linarite::amqp
