// Peers of a hub's gateways for session_fuzz: connections over fake streams, a device and a back
// end with our own engines, and whatever bytes they are told to send besides.
#pragma once

#include <fmt/format.h>

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "amqp/client_attach.h"
#include "base/check.h"
#include "base/manual_loop.h"
#include "base/text.h"
#include "gateway/amqp_gateway.h"
#include "gateway/fake_stream.h"
#include "gateway/mqtt_gateway.h"
#include "mqtt/transcript.h"

namespace linarite::server {

using gateway::AmqpGateway;
using gateway::FakeStream;
using gateway::MqttGateway;

inline constexpr size_t kOwedMax = size_t{2} << 20U;  // To a peer that does not read.

// One connection to a gateway, as its peer has it.
class Peer {
 public:
  Peer(Loop& loop, const net::StreamAcceptor& accept) : stream(loop), handler_(accept(stream)) {}
  ~Peer() {
    if (handler_) handler_->on_closed(net::CloseReason::kReset);
  }
  void write(ByteView bytes) {
    if (!stream.closed) unread_.append(bytes);
    hand_over();
  }
  void hand_over() {
    if (stream.paused || stream.closed || unread_.empty()) return;
    handler_->on_bytes(std::exchange(unread_, {}));
  }
  // What came, unless this peer does not read.
  Bytes read() {
    CHECK(stream.sent.size() <= kOwedMax);
    return stream.stuck ? Bytes() : std::exchange(stream.sent, {});
  }
  void read_again() {
    stream.stuck = false;
    if (!stream.closed) handler_->on_writable();
  }

  FakeStream stream;

 private:
  Bytes unread_;  // By a gateway that paused.
  std::unique_ptr<net::StreamHandler> handler_;
};

// A device; whatever it is sent at QoS 1 is acknowledged. Keeps the numbers it was sent.
class FuzzedDevice : public mqtt::Transcript {
 public:
  FuzzedDevice(ManualLoop& loop, MqttGateway& gateway)
      : peer(loop, [&](net::Stream& stream) { return gateway.accept(stream); }), loop_(loop) {}

  void connect(const std::string& id, const std::string& token, uint8_t flags) {
    const std::string user = fmt::format("{}/{}/?api-version=2021-04-12", "127.0.0.1", id);
    mqtt::Connect packet{.client_id = id,
                         .user_name = user,
                         .password = token,
                         .keep_alive_seconds = flags,
                         .clean_session = (flags & 1U) != 0};
    const std::string topic = fmt::format("devices/{}/messages/events/", id);
    if ((flags & 2U) != 0) packet.will = mqtt::Will{topic, "gone", mqtt::Qos::kAtLeastOnce, false};
    if (!std::exchange(started_, true)) return engine.connect(packet, loop_.clock().now());
    // Once more, which our engine does not do.
    mqtt::Connection again{mqtt::Connection::Role::kClient, {}, Instant{}};
    again.connect(packet, loop_.clock().now());
    peer.write(again.output());
  }
  // Carries bytes both ways; true if any moved.
  bool exchange() {
    const Bytes out(engine.output());
    engine.clear_output();
    peer.hand_over();
    if (!out.empty()) peer.write(out);
    const Bytes in = peer.read();
    if (!in.empty()) engine.receive(in, loop_.clock().now(), *this);
    take();
    return !out.empty() || !in.empty();
  }
  void on_publish(const mqtt::Publish& p) override {
    if (p.qos == mqtt::Qos::kAtLeastOnce) engine.puback(p.packet_id);
    if (const auto number = whole_number<uint32_t>(p.payload)) numbers.push_back(*number);
  }

  Peer peer;
  mqtt::Connection engine{mqtt::Connection::Role::kClient, {.window = 100}, Instant{}};
  std::vector<uint32_t> numbers;

 private:
  ManualLoop& loop_;
  bool started_ = false;
};

// A back end on AMQP. Its messages to the honest device carry numbers.
class FuzzedBackEnd {
 public:
  FuzzedBackEnd(ManualLoop& loop, AmqpGateway& gateway, const std::string& token)
      : peer(loop, [&](net::Stream& stream) { return gateway.accept(stream); }), loop_(loop) {
    peer.stream.peer_info.tls = true;
    amqp::ConnectionOptions options{
        .server = false, .container_id = "backend", .sasl_mechanism = "PLAIN"};
    options.sasl_initial_response =
        std::string(1, '\0') + "iothubowner@sas.root.127" + '\0' + token;
    engine.emplace(std::make_shared<const amqp::ConnectionOptions>(std::move(options)),
                   loop.clock().now());
  }

  // Carries bytes both ways; true if any moved. Adds to `accepted` the numbers that were accepted.
  bool exchange(std::set<uint32_t>& accepted) {
    const Bytes out(engine->output());
    engine->clear_output();
    peer.hand_over();
    if (!out.empty()) peer.write(out);
    const Bytes in = peer.read();
    amqp::Events events;
    if (!in.empty()) engine->receive(in, loop_.clock().now(), events);
    for (const amqp::Event& event : events) take(event, accepted);
    return !out.empty() || !in.empty();
  }
  void attach(amqp::Role role, const std::string& address) {
    if (!session_) return static_cast<void>(engine->begin_session());
    const std::string name = fmt::format("link{}", ++names_);
    static_cast<void>(engine->attach(*session_, amqp::client_attach(name, role, address)));
  }
  // On the link, or nothing if it may not send.
  void send(amqp::LinkId link, const Bytes& message, std::optional<uint32_t> number) {
    if (!engine->can_send(link)) return;
    const auto sent = engine->send(link, "tag", message);
    if (sent && number && c2d_links_.contains(link)) numbers_[{link, *sent}] = *number;
  }
  std::optional<amqp::LinkId> link(uint8_t which) const {
    if (links_.empty()) return std::nullopt;
    return links_[which % links_.size()];
  }
  void settle_one(uint8_t how) {
    if (unsettled_.empty()) return;
    const auto [link, delivery] = unsettled_.back();
    unsettled_.pop_back();
    const amqp::DeliveryState states[] = {amqp::DeliveryState::accepted(),
                                          amqp::DeliveryState::released(),
                                          amqp::DeliveryState::modified(true, false)};
    engine->settle(link, delivery, states[how % std::size(states)]);
  }

  Peer peer;
  std::optional<amqp::Connection> engine;

 private:
  void take(const amqp::Event& event, std::set<uint32_t>& accepted) {
    if (std::holds_alternative<amqp::Opened>(event)) static_cast<void>(engine->begin_session());
    if (const auto* begun = std::get_if<amqp::SessionBegun>(&event)) session_ = begun->session;
    if (const auto* link = std::get_if<amqp::LinkAttached>(&event)) {
      links_.push_back(link->link);
      const auto& target = link->attach->target;
      if (target && target->address == "/messages/devicebound") c2d_links_.insert(link->link);
    }
    if (const auto* gone = std::get_if<amqp::LinkDetached>(&event)) std::erase(links_, gone->link);
    if (const auto* ended = std::get_if<amqp::SessionEnded>(&event)) {
      if (session_ == ended->session) session_.reset();
    }
    if (const auto* message = std::get_if<amqp::MessageReceived>(&event)) {
      unsettled_.emplace_back(message->link, message->delivery_id);
    }
    if (const auto* updated = std::get_if<amqp::DeliveryUpdated>(&event)) {
      const auto number = numbers_.find({updated->link, updated->delivery_id});
      if (number == numbers_.end()) return;
      if (updated->state.kind == amqp::StateKind::kAccepted) accepted.insert(number->second);
      numbers_.erase(number);
    }
  }

  ManualLoop& loop_;
  std::optional<amqp::SessionId> session_;
  std::vector<amqp::LinkId> links_;
  std::set<amqp::LinkId> c2d_links_;  // Others accept a message without sending it on.
  std::vector<std::pair<amqp::LinkId, uint32_t>> unsettled_;
  std::map<std::pair<amqp::LinkId, uint32_t>, uint32_t> numbers_;  // Of deliveries under way.
  int names_ = 0;
};

}  // namespace linarite::server
