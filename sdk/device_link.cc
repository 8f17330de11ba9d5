#include "sdk/device_link.h"

#include <utility>

#include "sdk/failure.h"
#include "sdk/message.h"

namespace linarite::sdk {
namespace {

// Events on their way to the hub at a time.
constexpr uint16_t kWindow = 256;

}  // namespace

DeviceSession::Link::Link(std::shared_ptr<DeviceSession> session, net::Stream& stream,
                          const mqtt::Connect& connect)
    : session_(std::move(session)),
      stream_(stream),
      loop_(stream.loop()),
      engine_(mqtt::Connection::Role::kClient, {.window = kWindow}, loop_.clock().now()) {
  engine_.connect(connect, loop_.clock().now());
  flush();
}

DeviceSession::Link::~Link() {
  if (loop_.in_loop()) loop_.cancel(timer_);
}

void DeviceSession::Link::flush() {
  if (!engine_.output().empty()) {
    stream_.send(engine_.output());
    engine_.clear_output();
  }
  set_timer();
}

// The engine's deadlines move away with each packet: a timer that comes too early asks again.
void DeviceSession::Link::set_timer() {
  if (timer_ != 0 || engine_.next_deadline() == Instant::max()) return;
  timer_ = loop_.run_at(engine_.next_deadline(), [this] {
    timer_ = 0;
    engine_.tick(loop_.clock().now(), *this);
    flush();
  });
}

void DeviceSession::Link::puback(uint16_t packet_id) {
  engine_.puback(packet_id);
  flush();
}

Result<uint16_t> DeviceSession::Link::publish(const mqtt::Publish& publish, uint64_t token) {
  if (const Status sent = engine_.publish(publish, token); !sent) {
    return std::unexpected(sent.error());
  }
  const uint16_t packet_id = engine_.in_flight().back().packet_id;
  flush();
  return packet_id;
}

void DeviceSession::Link::disconnect() {
  engine_.disconnect();
  flush();
  stream_.close();
}

void DeviceSession::Link::abandon(bool orderly) {
  wanted_ = false;
  if (ended_) return;
  if (orderly && engine_.connected()) {
    disconnect();
  } else {
    engine_.close();
    stream_.abort();
  }
}

void DeviceSession::Link::lose(error why) {
  if (wanted_) session_->on_lost(std::move(why));
}

void DeviceSession::Link::on_bytes(ByteView bytes) {
  engine_.receive(bytes, loop_.clock().now(), *this);
  flush();
}

void DeviceSession::Link::on_closed(net::CloseReason reason) {
  ended_ = true;
  if (!wanted_) return;
  if (reason == net::CloseReason::kClosedHere) {
    session_->on_link_gone();
  } else if (!answered_) {
    lose({errc::connection_failed, "the hub ended the connection without an answer to CONNECT"});
  } else {
    lose({errc::connection_lost, reason == net::CloseReason::kPeerClosed
                                     ? "the hub closed the connection"
                                     : "the connection broke"});
  }
}

void DeviceSession::Link::on_connack(const mqtt::ConnAck& connack) {
  answered_ = true;
  // The deadline of the CONNACK is over; that of the next ping may be nearer.
  loop_.cancel(std::exchange(timer_, 0));
  if (!wanted_) return;
  if (connack.return_code != mqtt::ConnectReturnCode::kAccepted) {
    lose(connack_failure(connack.return_code, wire::identity_text(session_->name_)));
    return;
  }
  const std::string filter = session_->subscription();
  const mqtt::Subscription subscription{filter, mqtt::Qos::kAtLeastOnce};
  if (const Status sent = engine_.subscribe({&subscription, 1}, 0); !sent) {
    lose(error_of(sent.error()));
  }
}

void DeviceSession::Link::on_puback(uint64_t token) {
  if (wanted_) session_->on_acknowledged(token);
}

void DeviceSession::Link::on_suback(uint64_t /*token*/, ByteView codes) {
  if (!wanted_) return;
  if (codes.size() != 1 || static_cast<uint8_t>(codes[0]) == mqtt::kSubscribeRefused) {
    lose({errc::not_granted, "the hub does not let this device receive messages"});
    return;
  }
  session_->on_up();
}

void DeviceSession::Link::on_publish(const mqtt::Publish& publish) {
  if (!wanted_) return;
  const std::string filter = session_->subscription();
  const std::string_view prefix = std::string_view(filter).substr(0, filter.size() - 1);
  if (!publish.topic.starts_with(prefix)) {
    // A session of earlier days may still be subscribed to what this client does not know.
    session_->log_.write(log_level::debug, "a message on a topic that is not listened to");
    if (publish.packet_id != 0) engine_.puback(publish.packet_id);
    return;
  }
  auto delivery = std::make_shared<Delivery>();
  delivery->redelivered = publish.dup;
  delivery->packet_id = publish.packet_id;
  auto bag = wire::parse_property_bag(publish.topic.substr(prefix.size()));
  if (!bag) {
    // Acknowledging it would lose it, and handing it out would hide what it says.
    session_->log_.write(log_level::error,
                         "a message whose properties cannot be read stays at the "
                         "hub: " +
                             bag.error().message);
    return;
  }
  delivery->content = message_of(*std::move(bag), publish.payload);
  session_->hand_out(std::move(delivery));
}

void DeviceSession::Link::on_protocol_error(const Error& failure) {
  lose({errc::protocol_error, "the hub broke MQTT: " + failure.message});
}

void DeviceSession::Link::on_timeout(Timeout timeout) {
  if (timeout == Timeout::kConnect) {
    lose({errc::timed_out, "the hub did not answer CONNECT in time"});
  } else {
    lose({errc::connection_lost, "the hub did not answer a ping: the connection is dead"});
  }
}

}  // namespace linarite::sdk
