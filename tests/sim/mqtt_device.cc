#include "sim/mqtt_device.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "wire/property_bag.h"

namespace linarite::sim {
namespace {

constexpr size_t kWindow = 16;  // The gateway's default.
constexpr size_t kOwnWindow = 100;
constexpr uint64_t kZerosMax = 1500;  // Before the number in the body of an event.

}  // namespace

NetworkWorld::MqttDevice::MqttDevice(NetworkWorld& world, Connection& connection, Login login)
    : world_(world),
      connection_(connection),
      login_(std::move(login)),
      filter_("devices/" + login_.id + "/messages/devicebound/#"),
      engine_(mqtt::Connection::Role::kClient, {.window = kOwnWindow}, world.clock_.now()),
      before_{world.model_.device(login_.device), world.sessions_[login_.device]} {
  const std::string user = "127.0.0.1/" + login_.id + "/?api-version=2021-04-12";
  const auto keep_alive = static_cast<uint16_t>(10 + world.random_.below(100));
  if (login_.clean) world.session_open(login_.device);
  engine_.connect({.client_id = login_.id,
                   .user_name = user,
                   .password = login_.token,
                   .keep_alive_seconds = keep_alive,
                   .clean_session = login_.clean},
                  world.clock_.now());
  flush();
}

mqtt::Qos NetworkWorld::MqttDevice::qos() const {
  return world_.model_.device(login_.device).lossy ? mqtt::Qos::kAtMostOnce
                                                   : mqtt::Qos::kAtLeastOnce;
}

void NetworkWorld::MqttDevice::flush() {
  connection_.send(engine_.output());
  engine_.clear_output();
}

void NetworkWorld::MqttDevice::receive(ByteView bytes, Moment sent) {
  sent_ = sent;
  engine_.receive(bytes, world_.clock_.now(), *this);
  flush();
}

void NetworkWorld::MqttDevice::tick() {
  if (engine_.next_deadline() > world_.clock_.now()) return;
  engine_.tick(world_.clock_.now(), *this);
  flush();
}

void NetworkWorld::MqttDevice::on_timeout(Timeout /*timeout*/) { connection_.abort(); }

void NetworkWorld::MqttDevice::on_protocol_error(const Error& error) {
  world_.fail("the gateway broke MQTT: " + error.message);
}

// CONNECT is answered as the device's identity demands, if that did not change meanwhile.
void NetworkWorld::MqttDevice::on_connack(const mqtt::ConnAck& connack) {
  answered_ = true;
  const bool accepted = connack.return_code == mqtt::ConnectReturnCode::kAccepted;
  world_.trace("connack", connection_.number(), static_cast<uint64_t>(connack.return_code));
  check_answer(connack);
  if (!accepted) return connection_.close();
  check_session(connack);
  const Presence session = connack.session_present ? Presence::kYes : Presence::kNo;
  world_.session_is(login_.device, session, sent_, connection_.number());
  if (connack.session_present) {
    subscribed_ = true;
  } else {
    subscribe();
  }
}

void NetworkWorld::MqttDevice::check_answer(const mqtt::ConnAck& connack) {
  const ModelDevice& known = world_.model_.device(login_.device);
  if (before_.device.uncertain || before_.device.version != known.version) return;
  const bool accepted = connack.return_code == mqtt::ConnectReturnCode::kAccepted;
  const bool expected = known.presence == Presence::kYes && known.enabled;
  if (accepted && !expected) {
    return world_.fail(fmt::format("device {} is gone or disabled and connected", login_.device));
  }
  if (accepted || !expected) return;
  // A token may have run out on its way, and a disk that fails keeps no session.
  const bool excused =
      world_.wall() > login_.token_end || world_.read_only_ || connection_.life() != world_.life_;
  if (!excused) world_.fail(fmt::format("device {} was refused", login_.device));
}

void NetworkWorld::MqttDevice::check_session(const mqtt::ConnAck& connack) {
  if (login_.clean) {
    if (connack.session_present) world_.fail("a clean session was there before");
    return;
  }
  const SessionRecord& known = world_.sessions_[login_.device];
  const ModelDevice& device = world_.model_.device(login_.device);
  if (known.changes != before_.session.changes || known.presence == Presence::kMaybe) return;
  if (device.uncertain || before_.device.uncertain || device.version != before_.device.version ||
      known.generation != device.generation) {
    return;
  }
  const bool there = known.presence == Presence::kYes;
  if (connack.session_present != there) {
    world_.fail(fmt::format("the session of device {} is {}", login_.device,
                            there ? "lost" : "there although it was cleaned"));
  }
}

void NetworkWorld::MqttDevice::subscribe() {
  if (!login_.clean) world_.session_open(login_.device);
  const mqtt::Subscription wanted{.filter = filter_, .qos = qos()};
  // A window full of SUBSCRIBE packets is not reached: one is sent at a time.
  if (!engine_.subscribe({&wanted, 1}, 0)) world_.fail("a device could not subscribe");
}

void NetworkWorld::MqttDevice::on_suback(uint64_t /*token*/, ByteView codes) {
  world_.trace("suback", connection_.number());
  if (codes.size() != 1 || codes[0] != static_cast<char>(qos())) {
    return world_.fail("the subscription was not granted");
  }
  subscribed_ = true;
  if (!login_.clean) {
    world_.session_is(login_.device, Presence::kYes, sent_, connection_.number());
  }
}

void NetworkWorld::MqttDevice::on_unsuback(uint64_t /*token*/) { subscribe(); }

void NetworkWorld::MqttDevice::on_publish(const mqtt::Publish& publish) {
  const std::string prefix = "devices/" + login_.id + "/messages/devicebound/";
  if (!publish.topic.starts_with(prefix)) return world_.fail("a topic of another device");
  const auto bag = wire::parse_property_bag(publish.topic.substr(prefix.size()));
  const std::string id = bag ? bag->system.message_id.value_or("") : "";
  const auto index = whole_number<uint32_t>(id);
  world_.trace("deliver", index.value_or(UINT32_MAX), connection_.number());
  ++world_.result_.deliveries;
  // What a hostile back end sent may have come to any device.
  if (is_hostile(id) || is_hostile(publish.payload)) {
    if (publish.packet_id != 0) engine_.puback(publish.packet_id);
    return;
  }
  if (!index) return world_.fail("a message without its id was delivered");
  world_.expect(world_.model_.delivered({.message = *index,
                                         .device = login_.device,
                                         .connection = connection_.number(),
                                         .life = connection_.life(),
                                         .redelivered = publish.dup || publish.packet_id == 0,
                                         .sent = sent_}));
  if (publish.payload != world_.body_of(*index)) {
    return world_.fail(fmt::format("the body of message {} is another's", *index));
  }
  if (publish.qos != qos()) return world_.fail("a message came with another QoS");
  if (publish.packet_id == 0)
    return world_.model_.acknowledged(*index, connection_.number(), sent_.wall);
  for (const Held& held : held_) {
    if (held.packet_id == publish.packet_id) return world_.fail("a packet id is used twice");
  }
  held_.push_back({publish.packet_id, *index});
  check_window();
}

// What has expired or was purged leaves the hub's window, not ours.
void NetworkWorld::MqttDevice::check_window() {
  const auto open = std::ranges::count_if(held_, [this](const Held& held) {
    const ModelMessage& message = world_.model_.message(held.message);
    return message.presence == Presence::kYes && message.expiry > sent_.wall;
  });
  if (static_cast<size_t>(open) > kWindow) world_.fail("more messages than the window holds");
}

void NetworkWorld::MqttDevice::acknowledge(size_t which) {
  const Held held = held_[which];
  held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(which));
  world_.trace("puback", held.message, connection_.number());
  world_.model_.acknowledged(held.message, connection_.number(), world_.wall());
  engine_.puback(held.packet_id);
}

std::vector<uint32_t> NetworkWorld::MqttDevice::acknowledge_all() {
  std::vector<uint32_t> messages;
  while (!held_.empty()) {
    messages.push_back(held_.front().message);
    acknowledge(0);
  }
  flush();
  return messages;
}

void NetworkWorld::MqttDevice::send_events() {
  const std::string topic = "devices/" + login_.id + "/messages/events/";
  for (uint64_t i = 1 + world_.random_.below(4); i > 0 && engine_.window_free() > 0; --i) {
    const uint64_t event = world_.events_.sent(connection_.number());
    world_.trace("event", event, connection_.number());
    // Behind any count of zeros, so that some are too long for one frame of a reader.
    const size_t zeros = world_.chance(3) ? world_.random_.below(kZerosMax) : 0;
    const std::string body = std::string(zeros, '0') + std::to_string(event);
    const mqtt::Qos qos = world_.chance(4) ? mqtt::Qos::kAtMostOnce : mqtt::Qos::kAtLeastOnce;
    if (!engine_.publish({.topic = topic, .payload = body, .qos = qos}, event)) {
      world_.fail("a device could not send an event");
    }
  }
}

// PUBACKs come in the order of the PUBLISHes: .NET ends a connection that mixes them up.
void NetworkWorld::MqttDevice::on_puback(uint64_t token) {
  world_.trace("event acknowledged", token, connection_.number());
  if (last_acknowledged_ && *last_acknowledged_ > token) {
    return world_.fail("events are acknowledged out of order");
  }
  last_acknowledged_ = token;
  world_.events_.acknowledged(token);
}

bool NetworkWorld::MqttDevice::waits() const {
  return engine_.connected() && engine_.window_free() < kOwnWindow;
}

void NetworkWorld::MqttDevice::act() {
  if (connection_.client_over() || !engine_.connected()) return;
  const uint64_t what = world_.random_.below(100);
  if (what < 70) {
    // Mostly in order, as the standard asks.
    for (uint64_t i = 1 + world_.random_.below(4); i > 0 && !held_.empty(); --i) {
      acknowledge(world_.chance(4) ? world_.random_.below(held_.size()) : 0);
    }
  } else if (what < 74 && login_.clean && subscribed_) {
    const ByteView filters[] = {filter_};
    subscribed_ = false;
    if (!engine_.unsubscribe(filters, 0)) world_.fail("a device could not unsubscribe");
  } else if (what < 80) {
    engine_.disconnect();
    flush();
    connection_.close();
  } else if (what < 83) {
    connection_.close();
  } else {
    send_events();
  }
  flush();
}

}  // namespace linarite::sim
