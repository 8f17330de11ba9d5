// A connection of either role is given any bytes in any pieces, while its owner sends, waits and
// closes. Checked: the window and the buffers stay bounded, everything sent is a sequence of
// packets, nothing happens after the end, and the pieces of the stream make no difference to the
// events.
#include "base/check.h"
#include "mqtt/transcript.h"

using namespace linarite;
using namespace linarite::mqtt;

namespace {

constexpr uint16_t kWindow = 4;

// Acts on every event as the first bytes of the input say.
class Owner : public Transcript {
 public:
  Owner(Connection::Role role, uint8_t behaviour)
      : role_(role), behaviour_(behaviour), connection_(role, {.window = kWindow}, now_) {
    if (role == Connection::Role::kClient) {
      Connect connect;
      connect.client_id = "dev1";
      connect.keep_alive_seconds = 60;
      connection_.connect(connect, now_);
    }
  }

  void receive(ByteView bytes) {
    connection_.receive(bytes, now_, *this);
    // The answer to a CONNECT comes after receive(), as from a gateway.
    if (answer_due_) {
      answer_due_ = false;
      if (refuse_ || (behaviour_ & 1U) != 0) {
        connection_.refuse(ConnectReturnCode::kNotAuthorized);
      } else {
        connection_.accept((behaviour_ & 2U) != 0, now_);
        connection_.receive({}, now_, *this);
      }
    }
    check();
  }
  void wait(uint8_t seconds) {
    now_ += std::chrono::seconds(seconds);
    connection_.tick(now_, *this);
    CHECK(connection_.next_deadline() > now_);
    check();
  }

  void on_connect(const Connect& c) override {
    Transcript::on_connect(c);
    answer_due_ = true;
  }
  void on_unsupported_protocol(const UnsupportedConnect& c) override {
    Transcript::on_unsupported_protocol(c);
    answer_due_ = refuse_ = true;
  }
  void on_publish(const Publish& p) override {
    Transcript::on_publish(p);
    CHECK(connection_.connected() && p.qos != Qos::kExactlyOnce);
    if (p.qos == Qos::kAtLeastOnce) connection_.puback(p.packet_id);
    const Status sent =
        connection_.publish({"c", p.payload, p.packet_id, Qos::kAtLeastOnce}, ++last_token_);
    CHECK(sent || connection_.window_free() == 0);
    if ((behaviour_ & 4U) != 0) connection_.close();
  }
  void on_puback(uint64_t token) override {
    Transcript::on_puback(token);
    CHECK(token >= 1 && token <= last_token_);
    const Subscription one[] = {{"a/#", Qos::kAtLeastOnce}};
    if (role_ == Connection::Role::kClient) CHECK(connection_.subscribe(one, ++last_token_));
  }
  void on_subscribe(const Subscribe& s) override {
    Transcript::on_subscribe(s);
    connection_.suback(s.packet_id, Bytes(s.subscriptions.size(), '\1'));
  }
  void on_unsubscribe(const Unsubscribe& u) override {
    Transcript::on_unsubscribe(u);
    connection_.unsuback(u.packet_id);
  }
  void on_protocol_error(const Error& e) override {
    Transcript::on_protocol_error(e);
    CHECK(connection_.closed());
  }

  Bytes sent() const { return Bytes(connection_.output()); }

 private:
  void check() {
    CHECK(connection_.in_flight().size() <= kWindow);
    if (connection_.closed()) CHECK(connection_.next_deadline() == Instant::max());
  }

  const Connection::Role role_;
  const uint8_t behaviour_;
  Instant now_{};
  Connection connection_;
  uint64_t last_token_ = 0;
  bool answer_due_ = false;
  bool refuse_ = false;
};

void check_packets(ByteView bytes) {
  while (!bytes.empty()) {
    const auto header = decode_fixed_header(bytes, kRemainingLengthMax);
    CHECK(header && *header);
    const FixedHeader& h = **header;
    CHECK(bytes.size() - h.size >= h.remaining_length);
    CHECK(decode_packet(h, bytes.substr(h.size, h.remaining_length)).has_value());
    bytes.remove_prefix(h.size + h.remaining_length);
  }
}

}  // namespace

// Input: role and behaviour (one byte), size of the pieces (one byte), seconds between them (one
// byte), then the stream.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 3) return 0;
  const auto role = (data[0] & 0x80U) != 0 ? Connection::Role::kClient : Connection::Role::kServer;
  const size_t piece = data[1];
  const uint8_t seconds = data[2];
  const ByteView stream(reinterpret_cast<const char*>(data) + 3, size - 3);

  Owner whole(role, data[0]);
  whole.receive(stream);
  check_packets(whole.sent());

  if (piece == 0) return 0;
  Owner pieces(role, data[0]);
  for (size_t at = 0; at < stream.size(); at += piece) {
    pieces.receive(stream.substr(at, piece));
    if (seconds != 0) pieces.wait(seconds);
  }
  check_packets(pieces.sent());
  if (seconds == 0) {
    CHECK(pieces.take() == whole.take());
    CHECK(pieces.sent() == whole.sent());
  }
  return 0;
}
