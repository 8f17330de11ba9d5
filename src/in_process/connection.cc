#include "in_process/connection.h"

#include <utility>

#include "http/websocket.h"
#include "mqtt/packet.h"

namespace linarite::in_process {
namespace {

using net::Pipe;

// Longer than any CONNECT of ours; what is longer is no CONNECT.
constexpr size_t kLoginMax = 64U << 10U;

// What is in the frames of a WebSocket, if these are the bytes of one; else the bytes.
Bytes inside_of(const Bytes& sent) {
  const size_t head_size = sent.find("\r\n\r\n");
  if (!sent.starts_with("GET ") || head_size == Bytes::npos) return sent;
  if (sent.find("Upgrade: websocket") > head_size) return sent;
  http::WebSocketEvents events;
  http::WebSocket::server().receive(ByteView(sent).substr(head_size + 4), events);
  return events.payload;
}

net::PeerInfo peer() { return {.address = "127.0.0.1", .port = 1, .tls = true}; }

}  // namespace

// What the client's network calls. It may do so from inside a task of the client's, so each call
// becomes a task of the outside loop.
class Connection::FarEnd final : public connection_peer {
 public:
  explicit FarEnd(std::weak_ptr<Connection> connection) : connection_(std::move(connection)) {}
  void on_bytes(std::string_view bytes) override {
    post([bytes = Bytes(bytes)](Connection& connection) { connection.sent(bytes); });
  }
  void on_closed(bool orderly) override {
    post([orderly](Connection& connection) {
      if (connection.stream_ == nullptr) return;
      if (orderly) {
        connection.stream_->close();
      } else {
        connection.stream_->abort();
      }
    });
  }

 private:
  template <class Do>
  void post(Do what) {
    const auto connection = connection_.lock();
    if (!connection) return;
    connection->outside_.post([weak = connection_, what = std::move(what)] {
      if (const auto still = weak.lock()) what(*still);
    });
  }
  const std::weak_ptr<Connection> connection_;
};

// What comes out of the pipe for the client.
class Connection::NearEnd final : public net::StreamHandler {
 public:
  NearEnd(Connection& to, net::Stream& stream) : to_(to) { to_.stream_ = &stream; }
  void on_bytes(ByteView bytes) override { to_.client_.deliver(bytes); }
  void on_closed(net::CloseReason reason) override {
    to_.stream_ = nullptr;
    to_.client_.end(reason == net::CloseReason::kPeerClosed);
  }

 private:
  Connection& to_;
};

Connection::Connection(client_end client, Loop& outside, Loop& inside, net::StreamAcceptor gateway)
    : client_(std::move(client)),
      outside_(outside),
      pipe_({outside, peer(),
             [this](net::Stream& stream) { return std::make_unique<NearEnd>(*this, stream); }},
            {inside, peer(), std::move(gateway)}, {.crossing = Pipe::Crossing::kWhenTold}) {}

std::unique_ptr<connection_peer> Connection::far_end() {
  return std::make_unique<FarEnd>(weak_from_this());
}

void Connection::sent(std::string_view bytes) {
  note_login(bytes);
  if (stream_ != nullptr) stream_->send(bytes);
}

// The first packet of an MQTT connection tells whose it is. Other protocols begin otherwise.
void Connection::note_login(std::string_view bytes) {
  if (logged_in_) return;
  login_ += bytes;
  const Bytes inside = inside_of(login_);
  const auto header = mqtt::decode_fixed_header(inside, kLoginMax);
  const bool more =
      header && (!*header || inside.size() < (*header)->size + (*header)->remaining_length);
  if (more && login_.size() <= kLoginMax) return;
  logged_in_ = true;
  if (header && !more) {
    const ByteView body = ByteView(inside).substr((*header)->size, (*header)->remaining_length);
    const auto packet = mqtt::decode_packet(**header, body);
    const auto* connect = packet ? std::get_if<mqtt::Connect>(&*packet) : nullptr;
    if (connect != nullptr) device_id_ = connect->client_id;
  }
  login_.clear();
}

bool Connection::carry(bool answers) {
  if (silent_) return false;
  return carry_from(Pipe::Side::kClient) || (answers && carry_from(Pipe::Side::kServer));
}

bool Connection::carry_from(Pipe::Side side) {
  if (!pipe_.waiting(side)) return false;
  const size_t bytes = pipe_.waiting_bytes(side);
  pipe_.carry(side, SIZE_MAX);
  return pipe_.waiting_bytes(side) != bytes || !pipe_.waiting(side);
}

void Connection::reset() {
  pipe_.reset(Pipe::Side::kClient);
  pipe_.reset(Pipe::Side::kServer);
}

void Connection::hub_ended() {
  pipe_.drop(Pipe::Side::kServer);
  if (!silent_) pipe_.reset(Pipe::Side::kClient);
}

bool Connection::over() const {
  return pipe_.over(Pipe::Side::kClient) && pipe_.over(Pipe::Side::kServer);
}

}  // namespace linarite::in_process
