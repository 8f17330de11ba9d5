// One MQTT 3.1.1 connection, as server or as client: bytes in, events out. It holds no socket,
// reads no clock and knows no device.
//
// Use: give received bytes to receive(), call tick() when next_deadline() has come, and after
// either and after every sending function write output() to the peer and call clear_output(). Not
// thread-safe; everything happens inside the calls.
//
// QoS 0 and QoS 1 are spoken. QoS 2 is refused by both roles, as Azure IoT Hub refuses it.
//
// Memory: at most one packet that is not yet complete (never more than was received), what is in
// output(), and 24 bytes for each QoS 1 packet in flight.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/time.h"
#include "mqtt/packet.h"

namespace linarite::mqtt {

// Largest remaining length of a packet, in bytes: before the CONNECT was accepted (enough for a SAS
// token), and afterwards (a 256 KiB message, the longest topic, and room).
inline constexpr uint32_t kUnauthenticatedPacketSizeMax = 16'384;
inline constexpr uint32_t kPacketSizeMax = 330'000;
// Bytes a client may send behind its CONNECT before it was answered.
inline constexpr size_t kPendingBytesMax = 131'072;
// QoS 1 packets sent and not acknowledged.
inline constexpr uint16_t kWindowDefault = 16;
inline constexpr uint16_t kWindowMax = 1'024;
inline constexpr std::chrono::seconds kConnectTimeout{60};
// The longest silence a server allows, whatever the client asked for (device protocol, 1.5).
inline constexpr std::chrono::seconds kKeepAliveTimeoutMax{1767};
inline constexpr std::chrono::seconds kPingTimeout{30};

// Receives what happens on a connection. Packets and views live until the call returns. A call may
// use every sending function and close() of its connection, but not receive() or tick(), and must
// not destroy the connection.
class Events {
 public:
  enum class Timeout : uint8_t {
    kConnect,    // No CONNECT (server) or CONNACK (client) in time.
    kKeepAlive,  // Silence for longer than the keep alive allows (server).
    kPing,       // No PINGRESP in time (client).
  };

  virtual ~Events() = default;

  // Both roles.
  virtual void on_publish(const Publish&) {}
  // A QoS 1 PUBLISH of ours was acknowledged. `token` was given to publish().
  virtual void on_puback(uint64_t /*token*/) {}
  // The peer broke the standard or a limit. The connection is closed: nothing more is taken from it
  // and nothing more is sent. kMalformed, kInvalidOperation or kLimitExceeded.
  virtual void on_protocol_error(const Error& error) = 0;
  // As above, but the peer was silent for too long.
  virtual void on_timeout(Timeout timeout) = 0;

  // Server. After on_connect the connection handles nothing more until accept() or refuse().
  virtual void on_connect(const Connect&) {}
  virtual void on_unsupported_protocol(const UnsupportedConnect&) {}  // Call refuse(1).
  virtual void on_subscribe(const Subscribe&) {}
  virtual void on_unsubscribe(const Unsubscribe&) {}
  virtual void on_disconnect() {}  // The connection is closed.

  // Client.
  virtual void on_connack(const ConnAck&) {}  // With another code than 0 the connection is closed.
  virtual void on_suback(uint64_t /*token*/, ByteView /*codes*/) {}
  virtual void on_unsuback(uint64_t /*token*/) {}
};

class Connection {
 public:
  enum class Role : uint8_t { kServer, kClient };

  struct Options {
    uint32_t unauthenticated_packet_size_max = kUnauthenticatedPacketSizeMax;
    uint32_t packet_size_max = kPacketSizeMax;
    uint16_t window = kWindowDefault;  // 1 to kWindowMax
    Duration connect_timeout = kConnectTimeout;
    Duration keep_alive_timeout_max = kKeepAliveTimeoutMax;
    Duration ping_timeout = kPingTimeout;
  };

  // A packet of ours that the peer has not acknowledged.
  struct InFlight {
    PacketType type;  // PUBLISH; for a client also SUBSCRIBE and UNSUBSCRIBE.
    uint16_t packet_id;
    uint16_t filter_count;  // Of a SUBSCRIBE.
    uint64_t token;
  };

  Connection(Role role, const Options& options, Instant now);

  // Takes bytes from the peer, any part of the stream. A server that has accepted a client hands
  // over what arrived behind the CONNECT with receive({}, now, events).
  void receive(ByteView bytes, Instant now, Events& events);

  // Looks at the deadlines. Calling it early or late does no harm.
  void tick(Instant now, Events& events);
  // When tick() has to be called next; Instant::max() for never. Only accept() and connect() bring
  // it nearer, so a timer set after these that asks again when it fires is enough.
  Instant next_deadline() const;

  bool connected() const { return state_ == State::kConnected; }
  bool closed() const { return state_ == State::kClosed; }
  // Takes nothing more and sends nothing more. output() stays.
  void close();

  // Bytes to be written to the peer, in order.
  ByteView output() const { return output_; }
  void clear_output();

  // Sends a PUBLISH, encoded straight into output(). With QoS 1, `token` comes back in on_puback;
  // publish.packet_id is used if it is neither 0 nor in use, so a caller that derives it from the
  // message sends a message again under the same id (4.4). kLimitExceeded when the window is full
  // or the packet too large, kArgumentInvalid for a bad topic or QoS 2, kInvalidOperation when not
  // connected.
  Status publish(const Publish& publish, uint64_t token = 0);
  size_t window_free() const;
  std::span<const InFlight> in_flight() const { return in_flight_; }

  // Acknowledges a QoS 1 PUBLISH. The order is the caller's duty (4.6). Ignored when not connected.
  void puback(uint16_t packet_id);

  // Server: answers the CONNECT. After refuse() the connection is closed.
  void accept(bool session_present, Instant now);
  void refuse(ConnectReturnCode code);
  // Server. Ignored when not connected. `codes` holds one byte for each filter.
  void suback(uint16_t packet_id, ByteView codes);
  void unsuback(uint16_t packet_id);

  // Client: sends CONNECT, once. Strings are checked by the caller.
  void connect(const Connect& connect, Instant now);
  // Client. kLimitExceeded when the window is full or there are more filters than one packet takes,
  // kArgumentInvalid for a bad filter or none, kInvalidOperation when not connected.
  Status subscribe(std::span<const Subscription> subscriptions, uint64_t token);
  Status unsubscribe(std::span<const ByteView> filters, uint64_t token);
  // Client: sends DISCONNECT, after which the connection is closed.
  void disconnect();

 private:
  enum class State : uint8_t {
    kNew,        // Server: no CONNECT yet. Client: connect() was not called.
    kAnswering,  // Server: CONNECT was handed over. Client: CONNECT was sent.
    kConnected,
    kClosed,
  };

  size_t consume(ByteView bytes, Instant now, Events& events);
  bool handling() const;
  uint32_t size_max() const;
  Status check_order(PacketType type) const;
  Status check_server_type(const FixedHeader& header) const;
  Status check_client_type(const FixedHeader& header) const;
  void handle(const Packet& packet, Instant now, Events& events);
  void handle_connect(const Connect& connect, Events& events);
  void handle_connack(const ConnAck& connack, Instant now, Events& events);
  void handle_puback(uint16_t packet_id, Events& events);
  void handle_suback(const SubAck& suback, Events& events);
  void handle_unsuback(uint16_t packet_id, Events& events);
  void protocol_error(const Error& error, Events& events);
  void time_out(Events::Timeout timeout, Events& events);

  // Removes the packet of this type and id from the ones in flight and returns it.
  std::optional<InFlight> take_in_flight(PacketType type, uint16_t packet_id);
  bool id_in_use(uint16_t packet_id) const;
  uint16_t choose_packet_id(uint16_t wish);
  Status check_request(size_t filter_count) const;

  const Role role_;
  State state_ = State::kNew;
  bool ping_sent_ = false;  // Client: a PINGREQ is not answered.
  uint16_t last_packet_id_ = 0;
  const Options options_;
  Duration keep_alive_{0};  // Server: longest silence. Client: time between pings; 0 is never.
  Instant since_;           // Start of the deadline that runs: last packet, or last ping.
  Bytes input_;             // The beginning of a packet, or what waits behind a CONNECT.
  Bytes output_;
  std::vector<InFlight> in_flight_;  // In the order of sending.
};

}  // namespace linarite::mqtt
