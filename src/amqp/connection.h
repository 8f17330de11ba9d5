// One AMQP 1.0 connection: protocol headers, SASL, frames, sessions, links, flow control and
// settlement (parts 2 and 5 of the standard), for both roles. Bytes in, events out; no socket,
// clock, thread or logging inside.
//
//   Connection connection(std::make_shared<const ConnectionOptions>(options), now);
//   connection.receive(bytes, now, events);      // bytes from the peer
//   for (Event& event : events) { ... }          // react: accept_link, send, settle, ...
//   stream.send(connection.output());            // and connection.clear_output()
//   timer at connection.deadline() -> connection.tick(now, events)
//
// What the engine does on its own: answers open, begin, end, detach, close, echo and idle
// time-outs; splits and joins multi-frame transfers; keeps the session windows open; refuses
// whatever breaks the standard or a limit, with the standard's condition, on the smallest scope the
// standard allows (link, session or connection). What it leaves to its owner: SASL outcomes, which
// links to accept, how much credit to grant, and the outcome of each delivery.
//
// Only receive() and tick() hand out events. What another call causes (close, sasl_outcome) is
// handed out by the next tick(), for which deadline() is then at once.
//
// Owned by one loop; not thread-safe. A call on a session or link that is gone does nothing: an
// event may be about a link that a later event of the same batch ends. After Closed nothing more
// happens.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "amqp/frame.h"
#include "amqp/performative.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/time.h"

namespace linarite::amqp {

// Defaults of ConnectionOptions and fixed limits.
inline constexpr uint32_t kMaxFrameSize = 65536;
inline constexpr uint16_t kSessionsMax = 256;
inline constexpr uint32_t kHandleMax = 255;
inline constexpr size_t kLinksMax = 256;
inline constexpr size_t kRefusedLinksMax =
    16;  // Over links_max, while the peer's detach is awaited.
inline constexpr uint64_t kMessageSizeMax = uint64_t{1} << 20U;  // 1 MiB
inline constexpr size_t kAssemblyBytesMax = size_t{4} << 20U;    // 4 MiB
inline constexpr size_t kWaitingBytesMax = size_t{4} << 20U;     // 4 MiB
inline constexpr uint32_t kIncomingWindow = 5000;
inline constexpr size_t kDeliveryTagMax = 32;  // 2.8.7
inline constexpr size_t kUnsettledMax = 65536;
inline constexpr size_t kPipelinedBytesMax = 8192;  // Held while SASL waits for its owner.
inline constexpr Duration kIdleTimeOutFloor = std::chrono::seconds(1);

struct ConnectionOptions {
  bool server = true;
  std::string container_id{};
  std::optional<std::string> hostname{};  // Client: the host it wants to reach.
  Value properties{};                     // Of the open.
  uint32_t max_frame_size = kMaxFrameSize;
  uint16_t sessions_max = kSessionsMax;  // channel-max is one less.
  uint32_t handle_max = kHandleMax;
  size_t links_max = kLinksMax;                   // Over all sessions, half-detached ones included.
  uint64_t message_size_max = kMessageSizeMax;    // Of one incoming message; advertised on attach.
  size_t assembly_bytes_max = kAssemblyBytesMax;  // Of all unfinished incoming messages together.
  size_t waiting_bytes_max = kWaitingBytesMax;    // Sent messages that wait for a session window.
  uint32_t incoming_window =
      kIncomingWindow;                   // Transfer frames a session of the peer may send ahead.
  size_t unsettled_max = kUnsettledMax;  // Unsettled deliveries per session and direction.
  Duration idle_time_out =
      std::chrono::seconds(240);  // Advertised; enforced with a tenth more. 0: none.
  Duration open_time_out = std::chrono::seconds(10);  // From the constructor to the peer's open.
  Duration close_time_out = std::chrono::seconds(5);  // From our close to the peer's.
  Duration delivery_time_out = std::chrono::seconds(60);  // First to last frame of one message.
  // Where delivery-ids, transfer-ids and delivery-counts start: any number is right (2.8.8).
  uint32_t first_serial = 0;
  // Server: what sasl-mechanisms offers; empty refuses the SASL header.
  std::vector<std::string> sasl_mechanisms = {"MSSBCBS", "PLAIN", "ANONYMOUS", "EXTERNAL"};
  // Server: whether a peer may start with the AMQP header, without SASL.
  bool allow_no_sasl = true;
  // Client: the mechanism to use; empty means no SASL layer.
  std::string sasl_mechanism{};
  std::optional<Bytes> sasl_initial_response{};
};

// Never reused within a connection.
enum class SessionId : uint64_t {};
enum class LinkId : uint64_t {};

// Server: the peer chose a mechanism that was offered. Answer with sasl_outcome() or
// sasl_challenge().
struct SaslReceived {
  std::string mechanism{};
  std::optional<Bytes> response{};  // The initial response, or the response to a challenge.
};
// Client: answer with sasl_respond().
struct SaslChallenged {
  Bytes challenge{};
};
// The peer's open has come; ours has been sent.
struct Opened {
  std::shared_ptr<const Open> open;
};
// The session may be used: the peer began it (ours has been answered), or answered ours.
struct SessionBegun {
  SessionId session;
};
struct SessionEnded {
  SessionId session;  // Its links were detached before, each with its own event.
  std::shared_ptr<const Error> error;
};
// The peer attached a link: answer with accept_link() or refuse_link().
struct LinkRequested {
  LinkId link;
  SessionId session;
  std::shared_ptr<const Attach> attach;
};
// The peer answered our attach(). A refusal has no source (we receive) or no target (we send), and
// a LinkDetached follows it.
struct LinkAttached {
  LinkId link;
  std::shared_ptr<const Attach> attach;
};
// The link is gone, by the peer, by the end of its session, or because it broke a rule. Deliveries
// that were unsettled on it will never settle.
struct LinkDetached {
  LinkId link;
  bool closed;
  std::shared_ptr<const Error> error;
};
// A whole message. `payload` and `tag` live until the next call of receive() or tick().
struct MessageReceived {
  LinkId link;
  uint32_t delivery_id;
  bool settled;  // Else settle() it.
  ReceiverSettleMode rcv_settle_mode;
  uint32_t message_format;
  ByteView tag;
  ByteView payload;
};
// The peer has stated an outcome for a delivery we sent. With `settled` it is forgotten; else
// answer with settle().
struct DeliveryUpdated {
  LinkId link;
  uint32_t delivery_id;
  bool settled;
  DeliveryState state{};
};
// The peer, as sender, settled a delivery that we gave an outcome without settling.
struct DeliverySettled {
  LinkId link;
  uint32_t delivery_id;
  DeliveryState state{};
};
// As sender: the credit changed. With `drain`, send what there is and then call drained().
struct CreditChanged {
  LinkId link;
  uint32_t credit;
  bool drain;
};
// As receiver: the peer has used up or returned the credit we asked it to drain.
struct Drained {
  LinkId link;
};
// The end. The output still has to be sent, then the stream closed.
struct Closed {
  enum class Cause : uint8_t {
    kPeer,      // The peer's close.
    kOwner,     // Ours, answered or timed out.
    kProtocol,  // The peer broke the protocol or a limit.
    kSasl,      // Authentication failed.
    kTimeOut,   // Nothing came for too long.
  };
  Cause cause;
  std::shared_ptr<const Error> error;  // May be null.
};

using Event = std::variant<SaslReceived, SaslChallenged, Opened, SessionBegun, SessionEnded,
                           LinkRequested, LinkAttached, LinkDetached, MessageReceived,
                           DeliveryUpdated, DeliverySettled, CreditChanged, Drained, Closed>;
using Events = std::vector<Event>;

class Connection {
 public:
  // A client writes its first header at once.
  Connection(std::shared_ptr<const ConnectionOptions> options, Instant now);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Feeds bytes from the peer, in pieces of any size. Bad input ends in Closed, LinkDetached or
  // SessionEnded with an error.
  void receive(ByteView bytes, Instant now, Events& out);
  // Looks at the deadlines: heartbeats, idle, open, close and delivery time-outs.
  void tick(Instant now, Events& out);
  // When tick() is due next; nothing when there is nothing to wait for.
  std::optional<Instant> deadline() const;

  // What must be sent to the peer, in order. Valid until the next call of any other member.
  ByteView output();
  void clear_output();

  bool closed() const;

  // SASL, server. A code other than kOk ends the connection. The outcome may let bytes be read that
  // the peer sent ahead, and so cause events.
  void sasl_outcome(SaslCode code, Instant now);
  void sasl_challenge(ByteView challenge);
  // SASL, client.
  void sasl_respond(ByteView response);

  // Ends the connection with an orderly close. Closed follows when the peer has answered.
  void close(std::optional<Error> error, Instant now);

  // Begins a session; SessionBegun follows. Fails with kLimitExceeded when there is no free
  // channel, and with kMalformed before the open exchange is complete.
  Result<SessionId> begin_session();
  void end_session(SessionId session, std::optional<Error> error);

  // Attaches a link; LinkAttached follows. The engine fills in handle, initial-delivery-count and,
  // for a receiver without one, max-message-size. Fails with kLimitExceeded when no handle or link
  // is left.
  Result<LinkId> attach(SessionId session, Attach attach);
  // What accept_link() answers.
  struct Acceptance {
    std::optional<Source> source{};
    std::optional<Target> target{};
    SenderSettleMode snd_settle_mode = SenderSettleMode::kMixed;
    ReceiverSettleMode rcv_settle_mode = ReceiverSettleMode::kFirst;
    uint64_t max_message_size = 0;  // 0: the connection's limit.
    Value properties{};
    std::vector<std::string> offered_capabilities{};
  };
  void accept_link(LinkId link, const Acceptance& acceptance);
  // Attaches with a null terminus and detaches with the error (2.6.3).
  void refuse_link(LinkId link, Error error);
  // No LinkDetached follows for a link detached from this side.
  void detach(LinkId link, bool closed, std::optional<Error> error);

  // As receiver: lets the peer send `credit` more messages, in place of what was granted before.
  void grant_credit(LinkId link, uint32_t credit, bool drain = false);
  // As receiver: what the peer may still send. As sender: what we may still send. 0 for no link.
  uint32_t credit(LinkId link) const;

  // As receiver: states the outcome of a delivery, and with `settled` forgets it. As sender:
  // settles a delivery on which the peer has stated an outcome. Ignored for a delivery that is
  // already settled. Neighbouring deliveries with the same plain outcome share one disposition
  // frame.
  void settle(LinkId link, uint32_t delivery_id, const DeliveryState& state, bool settled = true);

  // As sender: sends one message and returns its delivery-id. Unless the link's mode decides it,
  // `settled` says that no outcome is wanted. Fails with kLimitExceeded when there is no credit,
  // when unsettled_max or waiting_bytes_max is reached (CreditChanged tells when to try again),
  // with kMessageTooLarge over the peer's max-message-size, with kMalformed for a tag over
  // kDeliveryTagMax or a link that is not attached.
  Result<uint32_t> send(LinkId link, ByteView tag, ByteView payload, bool settled = false,
                        uint32_t message_format = 0);
  // As sender: whether send() would write the start of a message now, instead of failing or keeping
  // all of it until the peer opens the session's window. CreditChanged tells when that opened.
  bool can_send(LinkId link) const;
  // As sender: gives the rest of the credit back to a peer that asked to drain.
  void drained(LinkId link);
  // Bytes of messages that wait for the peer to open a session window.
  size_t waiting_bytes() const { return waiting_bytes_; }

 private:
  struct Link;
  struct Session;
  struct Sending;
  struct Waiting;
  enum class Stage : uint8_t;

  // Bytes, headers, SASL and connection performatives: connection.cc.
  void consume(ByteView bytes);
  bool fill_partial(ByteView& bytes);
  size_t needed_bytes(ByteView start);
  void take_unit(ByteView unit);
  void take_protocol_header(ByteView header);
  void take_frame(ByteView frame);
  void take_sasl_frame(Code code, const ValueView& list);
  void take_amqp_frame(uint16_t channel, Code code, const ValueView& list, ByteView payload);
  void take_session_frame(Session& session, Code code, const ValueView& list, ByteView payload);
  void on_sasl_mechanisms(const SaslMechanisms& mechanisms);
  void on_sasl_init(SaslInit init);
  void on_sasl_outcome(const SaslOutcome& outcome);
  void on_open(const ValueView& list);
  void on_close(const ValueView& list);
  void write_open();
  void tick_opened();
  void start(Instant now, Events& out);
  void fail_connection(std::string_view condition, std::string_view description,
                       Closed::Cause cause = Closed::Cause::kProtocol);
  void finish(Closed::Cause cause, std::shared_ptr<const Error> error);
  void emit(Event event) {
    (events_ != nullptr ? *events_ : held_events_).push_back(std::move(event));
  }

  // Sessions and links come and go: connection_links.cc.
  void on_begin(uint16_t channel, const ValueView& list);
  void on_end(Session& session, const ValueView& list);
  void on_attach(Session& session, const ValueView& list);
  void on_attach_answer(Link& link, std::shared_ptr<const Attach> attach);
  void on_detach(Session& session, const ValueView& list);
  Session* find(SessionId id) const;
  Link* find(LinkId id) const;
  Link* find_by_name(const Session& session, std::string_view name, Role role) const;
  Session* new_session();
  void write_begin(Session& session);
  void free_session(Session& session);
  void fail_session(Session& session, std::string_view condition, std::string_view description);
  void lose_links(Session& session, const std::shared_ptr<const Error>& error);
  Link* new_link(Session& session, const Attach& attach, Role role);
  void write_refusal(Link& link);
  void write_detach(Link& link, bool closed, std::optional<Error> error);
  void fail_link(Link& link, std::string_view condition, std::string_view description);
  void forget_deliveries(Link& link);
  void free_link(Link& link);

  // Messages, credit and settlement: connection_transfer.cc.
  void on_flow(Session& session, const ValueView& list);
  void on_link_flow(Session& session, const Flow& flow);
  void on_transfer(Session& session, const ValueView& list, ByteView payload);
  bool start_delivery(Session& session, Link& link, const Transfer& transfer);
  void continue_delivery(Session& session, Link& link, const Transfer& transfer, ByteView payload);
  bool assembly_has_room(Link& link, size_t more);
  void drop_assembly(Link& link);
  void finish_delivery(Session& session, Link& link, const MessageReceived& message);
  void on_disposition(Session& session, const ValueView& list);
  void write_session_flow(Session& session);
  void write_link_flow(Link& link, bool echo);
  bool write_transfers(Session& session, Sending& sending);
  void flush_waiting(Session& session);
  void tell_window_open(const Session& session);
  void add_disposition(const Session& session, Role role, uint32_t delivery_id,
                       const DeliveryState& state, bool settled);
  void flush_disposition();

  template <class T>
  void write_frame(uint16_t channel, const T& body);
  template <class T>
  void write_sasl_frame(const T& body);

  const std::shared_ptr<const ConnectionOptions> shared_options_;
  const ConnectionOptions& options_;
  Stage stage_;
  Instant now_;
  Instant stage_deadline_;  // For the open, or for the peer's close.
  Instant last_received_;
  Instant next_heartbeat_;
  Duration heartbeat_{0};  // Half of the peer's idle time-out; 0: none wanted.
  uint32_t peer_max_frame_size_ = kFrameSizeFloor;
  uint16_t peer_channel_max_ = 0;
  bool open_sent_ = false;
  std::string sasl_mechanism_{};  // Server: what the peer chose.

  Bytes partial_{};    // The start of a frame whose rest has not come.
  Bytes completed_{};  // A frame put together from pieces; views into it are in events.
  // Messages put together from frames, each with its tag behind it; views into them are in events.
  std::vector<std::unique_ptr<Bytes>> bodies_{};
  Bytes output_{};
  Events* events_ = nullptr;  // Set during calls that hand out events.
  Events held_events_;  // What other calls caused; handed out by the next receive() or tick().

  std::vector<std::unique_ptr<Session>> sessions_{};  // By our channel.
  std::vector<Session*> by_remote_channel_{};
  std::vector<std::unique_ptr<Link>> links_{};  // Slots; the low 16 bits of a LinkId.
  uint64_t last_id_ = 0;
  size_t link_count_ = 0;
  size_t assembling_links_ = 0;
  size_t assembly_bytes_ = 0;
  size_t waiting_bytes_ = 0;

  // Dispositions not yet written, because the next one may extend them.
  struct PendingDisposition {
    SessionId session{};
    Disposition body;
  };
  std::optional<PendingDisposition> pending_disposition_{};
};

}  // namespace linarite::amqp
