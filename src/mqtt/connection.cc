#include "mqtt/connection.h"

#include <algorithm>

#include "base/check.h"
#include "base/mutation.h"

namespace linarite::mqtt {
namespace {

// Buffers above this size are given back when they are empty, so that an idle connection is small.
constexpr size_t kIdleBufferMax = 512;

void empty_buffer(Bytes& buffer) {
  buffer.clear();
  if (buffer.capacity() > kIdleBufferMax) buffer.shrink_to_fit();
}

std::unexpected<Error> violation(const char* what) {
  return fail(ErrorCode::kInvalidOperation, what);
}

// 3.1.2.10: one and a half times the keep alive, with the server's own maximum.
Duration server_keep_alive(uint16_t seconds, Duration most) {
  if (seconds == 0) return most;
  return std::min<Duration>(std::chrono::milliseconds(1500) * seconds, most);
}

template <class... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};

}  // namespace

Connection::Connection(Role role, const Options& options, Instant now)
    : role_(role), options_(options), since_(now) {
  CHECK(options.window >= 1 && options.window <= kWindowMax);
  CHECK(options.unauthenticated_packet_size_max <= options.packet_size_max);
}

// ---- Receiving

void Connection::receive(ByteView bytes, Instant now, Events& events) {
  if (closed()) return;
  if (input_.empty()) {
    const size_t used = consume(bytes, now, events);
    if (!closed()) input_.append(bytes.substr(used));
  } else {
    input_.append(bytes);
    const size_t used = consume(input_, now, events);
    input_.erase(0, used);
  }
  if (!closed() && !handling() && input_.size() > kPendingBytesMax) {
    protocol_error({ErrorCode::kLimitExceeded, "too many bytes behind an unanswered CONNECT"},
                   events);
  }
  if (closed()) input_.clear();
  if (input_.empty()) empty_buffer(input_);
}

bool Connection::handling() const {
  return state_ != State::kClosed && !(role_ == Role::kServer && state_ == State::kAnswering);
}

uint32_t Connection::size_max() const {
  return connected() ? options_.packet_size_max : options_.unauthenticated_packet_size_max;
}

// Handles the whole packets at the front of `bytes` and returns how many bytes they had.
size_t Connection::consume(ByteView bytes, Instant now, Events& events) {
  size_t used = 0;
  while (handling() && used < bytes.size()) {
    const ByteView rest = bytes.substr(used);
    // The type is judged before its length, and both before anything is kept.
    const auto type = static_cast<PacketType>(static_cast<uint8_t>(rest[0]) >> 4U);
    if (const Status order = check_order(type); !order) {
      protocol_error(order.error(), events);
      break;
    }
    const auto header = decode_fixed_header(rest, size_max());
    if (!header) {
      protocol_error(header.error(), events);
      break;
    }
    if (!*header) break;
    const FixedHeader& h = **header;
    const Status allowed = role_ == Role::kServer ? check_server_type(h) : check_client_type(h);
    if (!allowed) {
      protocol_error(allowed.error(), events);
      break;
    }
    if (rest.size() - h.size < h.remaining_length) break;
    const auto packet = decode_packet(h, rest.substr(h.size, h.remaining_length));
    if (!packet) {
      protocol_error(packet.error(), events);
      break;
    }
    used += h.size + h.remaining_length;
    handle(*packet, now, events);
  }
  return used;
}

// 3.1: the first packet is CONNECT, and there is no second. 3.2: the answer begins with CONNACK.
Status Connection::check_order(PacketType type) const {
  if (role_ == Role::kServer) {
    if (state_ == State::kNew && type != PacketType::kConnect) {
      return violation("the first packet is not CONNECT");
    }
    if (state_ == State::kConnected && type == PacketType::kConnect) {
      return violation("second CONNECT");
    }
    return {};
  }
  if (state_ == State::kNew) return violation("a packet before CONNECT was sent");
  if ((state_ == State::kAnswering) != (type == PacketType::kConnAck)) {
    return violation("CONNACK is not the first packet, or not the only one");
  }
  return {};
}

Status Connection::check_server_type(const FixedHeader& header) const {
  switch (header.type) {
    case PacketType::kConnect:
    case PacketType::kPubAck:
    case PacketType::kSubscribe:
    case PacketType::kUnsubscribe:
    case PacketType::kPingReq:
    case PacketType::kDisconnect:
      return {};
    case PacketType::kPublish:
      if ((header.flags & 4U) != 0) return violation("QoS 2 PUBLISH");
      return {};
    case PacketType::kPubRec:
    case PacketType::kPubRel:
    case PacketType::kPubComp:
      return violation("packet of the QoS 2 exchange");
    case PacketType::kConnAck:
    case PacketType::kSubAck:
    case PacketType::kUnsubAck:
    case PacketType::kPingResp:
      break;
  }
  return violation("packet that only a server sends");
}

Status Connection::check_client_type(const FixedHeader& header) const {
  switch (header.type) {
    case PacketType::kConnAck:
    case PacketType::kPubAck:
    case PacketType::kSubAck:
    case PacketType::kUnsubAck:
    case PacketType::kPingResp:
      return {};
    case PacketType::kPublish:
      if ((header.flags & 4U) != 0) return violation("QoS 2 PUBLISH");
      return {};
    case PacketType::kPubRec:
    case PacketType::kPubRel:
    case PacketType::kPubComp:
      return violation("packet of the QoS 2 exchange");
    case PacketType::kConnect:
    case PacketType::kSubscribe:
    case PacketType::kUnsubscribe:
    case PacketType::kPingReq:
    case PacketType::kDisconnect:
      break;
  }
  return violation("packet that only a client sends");
}

// The type of the packet was found to be allowed here and now.
void Connection::handle(const Packet& packet, Instant now, Events& events) {
  if (role_ == Role::kServer) since_ = now;
  std::visit(Overloaded{
                 [&](const Connect& p) { handle_connect(p, events); },
                 [&](const UnsupportedConnect& p) {
                   state_ = State::kAnswering;
                   events.on_unsupported_protocol(p);
                 },
                 [&](const ConnAck& p) { handle_connack(p, now, events); },
                 [&](const Publish& p) { events.on_publish(p); },
                 [&](const PubAck& p) { handle_puback(p.packet_id, events); },
                 [&](const Subscribe& p) { events.on_subscribe(p); },
                 [&](const SubAck& p) { handle_suback(p, events); },
                 [&](const Unsubscribe& p) { events.on_unsubscribe(p); },
                 [&](const UnsubAck& p) { handle_unsuback(p.packet_id, events); },
                 [&](const PingReq&) { encode(PingResp{}, output_); },
                 [&](const PingResp&) { ping_sent_ = false; },
                 [&](const Disconnect&) {
                   close();
                   events.on_disconnect();
                 },
                 [](const PubRec&) { CHECK(false); },
                 [](const PubRel&) { CHECK(false); },
                 [](const PubComp&) { CHECK(false); },
             },
             packet);
}

void Connection::handle_connect(const Connect& connect, Events& events) {
  if (connect.will && connect.will->qos == Qos::kExactlyOnce) {
    protocol_error({ErrorCode::kInvalidOperation, "will with QoS 2"}, events);
    return;
  }
  state_ = State::kAnswering;
  keep_alive_ = server_keep_alive(connect.keep_alive_seconds, options_.keep_alive_timeout_max);
  events.on_connect(connect);
}

void Connection::handle_connack(const ConnAck& connack, Instant now, Events& events) {
  const bool accepted = connack.return_code == ConnectReturnCode::kAccepted;
  state_ = accepted ? State::kConnected : State::kClosed;
  since_ = now;
  events.on_connack(connack);
}

// An unknown id is ignored: it may acknowledge a packet of an earlier connection, and it must never
// count for another message.
void Connection::handle_puback(uint16_t packet_id, Events& events) {
  if (const auto sent = take_in_flight(PacketType::kPublish, packet_id)) {
    events.on_puback(sent->token);
  }
}

void Connection::handle_suback(const SubAck& suback, Events& events) {
  const auto sent = take_in_flight(PacketType::kSubscribe, suback.packet_id);
  if (!sent || sent->filter_count != suback.codes.size()) {
    protocol_error({ErrorCode::kInvalidOperation, "SUBACK that fits no SUBSCRIBE"}, events);
    return;
  }
  events.on_suback(sent->token, suback.codes);
}

void Connection::handle_unsuback(uint16_t packet_id, Events& events) {
  const auto sent = take_in_flight(PacketType::kUnsubscribe, packet_id);
  if (!sent) {
    protocol_error({ErrorCode::kInvalidOperation, "UNSUBACK that fits no UNSUBSCRIBE"}, events);
    return;
  }
  events.on_unsuback(sent->token);
}

void Connection::protocol_error(const Error& error, Events& events) {
  close();
  events.on_protocol_error(error);
}

void Connection::close() { state_ = State::kClosed; }

// ---- Deadlines

Instant Connection::next_deadline() const {
  const bool answering = state_ == State::kAnswering;
  if (state_ == State::kNew || (answering && role_ == Role::kClient)) {
    return since_ + options_.connect_timeout;
  }
  // While a server decides about a CONNECT, it is not the client that is late.
  if (closed() || answering) return Instant::max();
  if (role_ == Role::kServer) return since_ + keep_alive_;
  if (ping_sent_) return since_ + options_.ping_timeout;
  return keep_alive_ > Duration(0) ? since_ + keep_alive_ : Instant::max();
}

void Connection::tick(Instant now, Events& events) {
  if (now < next_deadline()) return;
  if (!connected()) {
    time_out(Events::Timeout::kConnect, events);
  } else if (role_ == Role::kServer) {
    time_out(Events::Timeout::kKeepAlive, events);
  } else if (ping_sent_) {
    time_out(Events::Timeout::kPing, events);
  } else {
    // 3.1.2.10. Other packets do not put the ping off: it also finds out that the server is gone.
    encode(PingReq{}, output_);
    ping_sent_ = true;
    since_ = now;
  }
}

void Connection::time_out(Events::Timeout timeout, Events& events) {
  close();
  events.on_timeout(timeout);
}

// ---- Sending

void Connection::clear_output() { empty_buffer(output_); }

size_t Connection::window_free() const { return options_.window - in_flight_.size(); }

Status Connection::publish(const Publish& publish, uint64_t token) {
  if (!connected()) return violation("not connected");
  if (publish.qos == Qos::kExactlyOnce || publish.topic.empty() || !is_mqtt_string(publish.topic)) {
    return fail(ErrorCode::kArgumentInvalid, "bad topic or QoS");
  }
  // The fixed fields of a PUBLISH are two lengths of two bytes each.
  if (publish.payload.size() > kRemainingLengthMax - publish.topic.size() - 4) {
    return fail(ErrorCode::kLimitExceeded, "packet is too large");
  }
  Publish packet = publish;
  packet.packet_id = 0;
  if (packet.qos == Qos::kAtLeastOnce) {
    if (window_free() == 0) return fail(ErrorCode::kLimitExceeded, "window is full");
    packet.packet_id = choose_packet_id(publish.packet_id);
    in_flight_.push_back({PacketType::kPublish, packet.packet_id, 0, token});
  }
  encode(packet, output_);
  return {};
}

void Connection::puback(uint16_t packet_id) {
  if (connected()) encode(PubAck{packet_id}, output_);
}

void Connection::accept(bool session_present, Instant now) {
  CHECK(role_ == Role::kServer);
  if (closed()) return;
  CHECK(state_ == State::kAnswering);
  encode(ConnAck{ConnectReturnCode::kAccepted, session_present}, output_);
  state_ = State::kConnected;
  since_ = now;
}

void Connection::refuse(ConnectReturnCode code) {
  CHECK(role_ == Role::kServer && code != ConnectReturnCode::kAccepted);
  if (closed()) return;
  CHECK(state_ == State::kAnswering);
  encode(ConnAck{code, false}, output_);
  close();
}

void Connection::suback(uint16_t packet_id, ByteView codes) {
  CHECK(role_ == Role::kServer);
  if (connected()) encode(SubAck{packet_id, codes}, output_);
}

void Connection::unsuback(uint16_t packet_id) {
  CHECK(role_ == Role::kServer);
  if (connected()) encode(UnsubAck{packet_id}, output_);
}

void Connection::connect(const Connect& connect, Instant now) {
  CHECK(role_ == Role::kClient);
  if (closed()) return;
  CHECK(state_ == State::kNew);
  encode(connect, output_);
  keep_alive_ = std::chrono::seconds(connect.keep_alive_seconds);
  state_ = State::kAnswering;
  since_ = now;
}

Status Connection::check_request(size_t filter_count) const {
  CHECK(role_ == Role::kClient);
  if (!connected()) return violation("not connected");
  if (filter_count == 0) return fail(ErrorCode::kArgumentInvalid, "no topic filter");
  if (filter_count > kFiltersPerPacketMax) {
    return fail(ErrorCode::kLimitExceeded, "too many topic filters");
  }
  if (window_free() == 0) return fail(ErrorCode::kLimitExceeded, "window is full");
  return {};
}

Status Connection::subscribe(std::span<const Subscription> subscriptions, uint64_t token) {
  if (Status status = check_request(subscriptions.size()); !status) return status;
  for (const Subscription& s : subscriptions) {
    if (s.filter.empty() || !is_mqtt_string(s.filter)) {
      return fail(ErrorCode::kArgumentInvalid, "bad topic filter");
    }
  }
  const uint16_t id = choose_packet_id(0);
  encode(Subscribe{id, {subscriptions.begin(), subscriptions.end()}}, output_);
  in_flight_.push_back(
      {PacketType::kSubscribe, id, static_cast<uint16_t>(subscriptions.size()), token});
  return {};
}

Status Connection::unsubscribe(std::span<const ByteView> filters, uint64_t token) {
  if (Status status = check_request(filters.size()); !status) return status;
  for (const ByteView filter : filters) {
    if (filter.empty() || !is_mqtt_string(filter)) {
      return fail(ErrorCode::kArgumentInvalid, "bad topic filter");
    }
  }
  const uint16_t id = choose_packet_id(0);
  encode(Unsubscribe{id, {filters.begin(), filters.end()}}, output_);
  in_flight_.push_back(
      {PacketType::kUnsubscribe, id, static_cast<uint16_t>(filters.size()), token});
  return {};
}

void Connection::disconnect() {
  CHECK(role_ == Role::kClient);
  if (connected()) encode(Disconnect{}, output_);
  close();
}

// ---- Packets in flight. The window is small and acknowledgements come in order, so that the
// search mostly ends at its first step.

std::optional<Connection::InFlight> Connection::take_in_flight(PacketType type,
                                                               uint16_t packet_id) {
  const auto found = std::find_if(in_flight_.begin(), in_flight_.end(), [&](const InFlight& f) {
    return f.packet_id == packet_id && f.type == type;
  });
  if (found == in_flight_.end()) return std::nullopt;
  const InFlight taken = *found;
  in_flight_.erase(found);
  return taken;
}

bool Connection::id_in_use(uint16_t packet_id) const {
  return std::any_of(in_flight_.begin(), in_flight_.end(),
                     [&](const InFlight& f) { return f.packet_id == packet_id; });
}

// There are fewer packets in flight than ids, so the search ends.
uint16_t Connection::choose_packet_id(uint16_t wish) {
  const bool again = role_ == Role::kServer && !in_flight_.empty();
  if (mutated(Mutation::kPacketIdTwice) && again) return in_flight_.back().packet_id;
  if (wish != 0 && !id_in_use(wish)) return wish;
  do {
    ++last_packet_id_;
  } while (last_packet_id_ == 0 || id_in_use(last_packet_id_));
  return last_packet_id_;
}

}  // namespace linarite::mqtt
