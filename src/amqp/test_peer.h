// The fixture language of the AMQP tests: a peer that writes literal frames to one engine and reads
// the engine's frames and events as lines of text.
#pragma once

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "amqp/conditions.h"
#include "amqp/connection.h"
#include "amqp/message.h"

namespace linarite::amqp::test {

using Lines = std::vector<std::string>;

inline Bytes frame(uint8_t type, uint16_t channel, ByteView body) {
  Bytes out;
  const size_t start = begin_frame(out, type, channel);
  out += body;
  end_frame(out, start);
  return out;
}

template <class T>
Bytes amqp_frame(uint16_t channel, const T& performative, ByteView payload = {}) {
  Bytes body;
  encode(performative, body);
  return frame(kFrameTypeAmqp, channel, body + Bytes(payload));
}

template <class T>
Bytes sasl_frame(const T& body) {
  Bytes out;
  encode(body, out);
  return frame(kFrameTypeSasl, 0, out);
}

inline std::string error_text(const std::optional<Error>& error) {
  return error ? " " + error->condition : "";
}
inline std::string error_text(const std::shared_ptr<const Error>& error) {
  return error ? " " + error->condition : "";
}
inline std::string state_text(const DeliveryState& state) {
  static constexpr const char* kNames[] = {"none",     "received", "accepted", "rejected",
                                           "released", "modified", "other"};
  std::string out = kNames[static_cast<size_t>(state.kind)];
  return state.error ? out + " " + state.error->condition : out;
}

// One frame body as a line: "attach s handle=0 sender".
inline std::string frame_text(uint16_t channel, Code code, const ValueView& list,
                              ByteView payload) {
  const auto read = [&list](auto body) {
    EXPECT_TRUE(decode(list, body));
    return body;
  };
  switch (code) {
    case Code::kOpen:
      return fmt::format("open {}", read(Open{}).container_id);
    case Code::kBegin: {
      const Begin begin = read(Begin{});
      return fmt::format(
          "{} begin{}", channel,
          begin.remote_channel ? fmt::format(" answers {}", *begin.remote_channel) : "");
    }
    case Code::kAttach: {
      const Attach attach = read(Attach{});
      return fmt::format("{} attach {} handle={} {}{}", channel, attach.name, attach.handle,
                         attach.role == Role::kSender ? "sender" : "receiver",
                         attach.source || attach.target ? "" : " refused");
    }
    case Code::kFlow: {
      const Flow flow = read(Flow{});
      if (!flow.handle) return fmt::format("{} flow window={}", channel, flow.incoming_window);
      return fmt::format("{} flow handle={} count={} credit={}{}", channel, *flow.handle,
                         *flow.delivery_count, *flow.link_credit, flow.drain ? " drain" : "");
    }
    case Code::kTransfer: {
      const Transfer transfer = read(Transfer{});
      return fmt::format(
          "{} transfer handle={}{}{}{} [{}]", channel, transfer.handle,
          transfer.delivery_id ? fmt::format(" id={}", *transfer.delivery_id) : "",
          transfer.settled.value_or(false) ? " settled" : "", transfer.more ? " more" : "",
          payload.size() > 20 ? fmt::format("{} bytes", payload.size()) : Bytes(payload));
    }
    case Code::kDisposition: {
      const Disposition d = read(Disposition{});
      return fmt::format("{} disposition {} {}..{} {}{}", channel,
                         d.role == Role::kSender ? "sender" : "receiver", d.first, d.last,
                         state_text(d.state), d.settled ? " settled" : "");
    }
    case Code::kDetach: {
      const Detach detach = read(Detach{});
      return fmt::format("{} detach {}{}{}", channel, detach.handle, detach.closed ? " closed" : "",
                         error_text(detach.error));
    }
    case Code::kEnd:
      return fmt::format("{} end{}", channel, error_text(read(End{}).error));
    case Code::kClose:
      return "close" + error_text(read(Close{}).error);
    case Code::kSaslMechanisms:
      return fmt::format("sasl-mechanisms {}", fmt::join(read(SaslMechanisms{}).mechanisms, " "));
    case Code::kSaslInit:
      return fmt::format("sasl-init {}", read(SaslInit{}).mechanism);
    case Code::kSaslChallenge:
      return fmt::format("sasl-challenge {}", read(SaslChallenge{}).challenge);
    case Code::kSaslResponse:
      return fmt::format("sasl-response {}", read(SaslResponse{}).response);
    case Code::kSaslOutcome:
      return fmt::format("sasl-outcome {}", static_cast<int>(read(SaslOutcome{}).code));
    default:
      return "unknown";
  }
}

// Everything an engine wrote, one line a frame or protocol header.
inline Lines output_lines(ByteView bytes) {
  Lines lines;
  while (!bytes.empty()) {
    if (bytes.starts_with("AMQP")) {
      lines.push_back(bytes.substr(0, 8) == kSaslHeader ? "SASL header" : "AMQP header");
      bytes.remove_prefix(8);
      continue;
    }
    const auto header = read_frame_header(bytes.substr(0, 8), UINT32_MAX);
    if (!header || header->size > bytes.size()) {
      lines.emplace_back("not a frame");
      break;
    }
    ByteView body = bytes.substr(header->data_offset, header->size - header->data_offset);
    bytes.remove_prefix(header->size);
    if (body.empty()) {
      lines.emplace_back("heartbeat");
      continue;
    }
    ValueView descriptor;
    ValueView list;
    EXPECT_TRUE(read_described(body, descriptor, list));
    lines.push_back(
        frame_text(header->channel, static_cast<Code>(*descriptor_code(descriptor)), list, body));
  }
  return lines;
}

// An event as a line. Links and sessions appear by the order in which a test met them.
struct EventText {
  std::string operator()(const SaslReceived& e) const {
    return fmt::format("sasl {}{}", e.mechanism, e.response ? " " + *e.response : "");
  }
  std::string operator()(const SaslChallenged& e) const { return "challenged " + e.challenge; }
  std::string operator()(const Opened& e) const { return "opened " + e.open->container_id; }
  std::string operator()(const SessionBegun& /*e*/) const { return "session begun"; }
  std::string operator()(const SessionEnded& e) const {
    return "session ended" + error_text(e.error);
  }
  std::string operator()(const LinkRequested& e) const { return "requested " + e.attach->name; }
  std::string operator()(const LinkAttached& e) const {
    const bool refused = e.attach->role == Role::kSender ? !e.attach->source : !e.attach->target;
    return "attached " + e.attach->name + (refused ? " refused" : "");
  }
  std::string operator()(const LinkDetached& e) const {
    return std::string("detached") + (e.closed ? " closed" : "") + error_text(e.error);
  }
  std::string operator()(const MessageReceived& e) const {
    return fmt::format(
        "message id={} tag={}{} [{}]", e.delivery_id, e.tag, e.settled ? " settled" : "",
        e.payload.size() > 20 ? fmt::format("{} bytes", e.payload.size()) : Bytes(e.payload));
  }
  std::string operator()(const DeliveryUpdated& e) const {
    return fmt::format("updated id={} {}{}", e.delivery_id, state_text(e.state),
                       e.settled ? " settled" : "");
  }
  std::string operator()(const DeliverySettled& e) const {
    return fmt::format("settled id={} {}", e.delivery_id, state_text(e.state));
  }
  std::string operator()(const CreditChanged& e) const {
    return fmt::format("credit {}{}", e.credit, e.drain ? " drain" : "");
  }
  std::string operator()(const Drained& /*e*/) const { return "drained"; }
  std::string operator()(const Closed& e) const {
    static constexpr const char* kCauses[] = {"peer", "owner", "protocol", "sasl", "time-out"};
    return fmt::format("closed by {}{}", kCauses[static_cast<size_t>(e.cause)],
                       error_text(e.error));
  }
};

inline Lines event_lines(const Events& events) {
  Lines lines;
  for (const Event& event : events) lines.push_back(std::visit(EventText{}, event));
  return lines;
}

template <class T>
std::vector<T> events_of(const Events& events) {
  std::vector<T> out;
  for (const Event& event : events) {
    if (const T* wanted = std::get_if<T>(&event)) out.push_back(*wanted);
  }
  return out;
}

// One engine and the literal peer in front of it.
class Peer {
 public:
  explicit Peer(ConnectionOptions options = {}) {
    if (options.container_id.empty()) options.container_id = "hub";
    engine.emplace(std::make_shared<const ConnectionOptions>(std::move(options)), now);
  }

  // Gives bytes to the engine; returns the lines it wrote. `events` holds what happened.
  Lines write(ByteView bytes) {
    events.clear();
    input = bytes;
    engine->receive(input, now, events);
    return read();
  }
  template <class T>
  Lines send(uint16_t channel, const T& performative, ByteView payload = {}) {
    return write(amqp_frame(channel, performative, payload));
  }
  Lines read() {
    Lines lines = output_lines(engine->output());
    engine->clear_output();
    return lines;
  }
  Lines advance(Duration by) {
    now += by;
    events.clear();
    engine->tick(now, events);
    return read();
  }
  Lines happened() const { return event_lines(events); }

  // Headers, open and one session on channel 0 of both sides.
  void open(Open body = {.container_id = "peer"}) {
    write(Bytes(kAmqpHeader) + amqp_frame(0, body));
  }
  void begin(uint16_t channel = 0) { send(channel, begin_body()); }
  static Begin begin_body() {
    return {.next_outgoing_id = 1, .incoming_window = 1000, .outgoing_window = 1000};
  }

  static Attach attach_body(std::string name, uint32_t handle, Role role) {
    Attach attach;
    attach.name = std::move(name);
    attach.handle = handle;
    attach.role = role;
    attach.source = Source{.address = "source"};
    attach.target = Target{.address = "target"};
    if (role == Role::kSender) attach.initial_delivery_count = 0;
    return attach;
  }
  // The peer attaches, the engine's owner accepts.
  LinkId attach(const Attach& body, uint16_t channel = 0) {
    send(channel, body);
    const auto requested = events_of<LinkRequested>(events);
    EXPECT_EQ(requested.size(), 1U);
    if (requested.empty()) return LinkId{};
    engine->accept_link(requested[0].link, {.source = body.source,
                                            .target = body.target,
                                            .snd_settle_mode = body.snd_settle_mode,
                                            .rcv_settle_mode = body.rcv_settle_mode});
    read();
    return requested[0].link;
  }
  // The peer is the sender of this link.
  LinkId attach_sender(uint32_t credit = 100, uint32_t handle = 0) {
    const LinkId link = attach(attach_body("in" + std::to_string(handle), handle, Role::kSender));
    engine->grant_credit(link, credit);
    read();
    return link;
  }
  // The peer is the receiver of this link and grants credit.
  LinkId attach_receiver(uint32_t credit = 100, uint32_t handle = 0) {
    const LinkId link =
        attach(attach_body("out" + std::to_string(handle), handle, Role::kReceiver));
    send(0, link_flow(handle, 0, credit));
    return link;
  }
  static Flow link_flow(uint32_t handle, uint32_t count, uint32_t credit, bool drain = false) {
    return {.next_incoming_id = 1,
            .incoming_window = 1000,
            .next_outgoing_id = 1,
            .outgoing_window = 1000,
            .handle = handle,
            .delivery_count = count,
            .link_credit = credit,
            .drain = drain};
  }
  static Transfer transfer_body(uint32_t handle, uint32_t id, ByteView tag, bool more = false) {
    Transfer transfer;
    transfer.handle = handle;
    transfer.delivery_id = id;
    transfer.delivery_tag = tag;
    transfer.more = more;
    return transfer;
  }
  static Transfer more_body(uint32_t handle, bool more) {
    Transfer transfer;
    transfer.handle = handle;
    transfer.more = more;
    return transfer;
  }

  Instant now{};
  Bytes input;  // Events have views into it.
  std::optional<Connection> engine;
  Events events;
};

}  // namespace linarite::amqp::test
