// Who connects to the gateways, and what the clients share.
#include <algorithm>

#include "mqtt/packet.h"
#include "sim/amqp_back_end.h"
#include "sim/amqp_reader.h"
#include "sim/mqtt_device.h"
#include "sim/network_world.h"
#include "sim/rest_back_end.h"
#include "wire/sas_token.h"

namespace linarite::sim {
namespace {

constexpr const char* kHost = "127.0.0.1";
constexpr size_t kBigBody = 40'000;

// Sends what it was given and reads nothing of what comes.
class HostileDevice final : public Client {
 public:
  HostileDevice(Connection& connection, Random& random)
      : connection_(connection), random_(random) {}
  void start() override {}
  void receive(ByteView /*bytes*/, Moment /*sent*/) override {}
  void tick() override {}
  void act() override {
    if (random_.below(4) == 0) connection_.abort();
  }

 private:
  Connection& connection_;
  Random& random_;
};

// What an ordinary device would send.
Bytes stream_of_device(const std::string& token) {
  const std::string user = "127.0.0.1/hostile/?api-version=2021-04-12";
  Bytes out;
  mqtt::encode(mqtt::Connect{.client_id = "hostile",
                             .user_name = user,
                             .password = token,
                             .keep_alive_seconds = 60,
                             .clean_session = false},
               out);
  mqtt::encode(mqtt::Subscribe{.packet_id = 1,
                               .subscriptions = {{"devices/hostile/messages/devicebound/#",
                                                  mqtt::Qos::kAtLeastOnce}}},
               out);
  for (uint16_t id = 1; id < 20; ++id) mqtt::encode(mqtt::PubAck{.packet_id = id}, out);
  mqtt::encode(mqtt::PingReq{}, out);
  mqtt::encode(mqtt::Publish{.topic = "$iothub/twin/GET/?$rid=1"}, out);
  return out;
}

}  // namespace

std::string NetworkWorld::policy_token(const std::string& policy, Duration life) {
  return *wire::make_sas_token(
      {.audience = kHost,
       .key = hub_->policies()->find(policy)->primary_key,
       .policy = policy,
       .expiry = wall() + std::chrono::duration_cast<std::chrono::milliseconds>(life)});
}

void NetworkWorld::open_device() {
  const auto device = static_cast<uint32_t>(random_.below(options_.devices));
  const bool there = std::ranges::any_of(devices_, [&](const auto& one) {
    return one.second->device() == device && !one.first->client_over();
  });
  // Now and then a device connects although it is connected.
  if (!there || chance(4)) connect_device(device, chance(4));
}

Connection& NetworkWorld::connect_device(uint32_t device, bool clean) {
  const std::string id = device_name(device);
  const auto life = std::chrono::minutes(5 + random_.below(120));
  const WallTime end = wall() + life;
  std::string token = policy_token("device", life);
  const auto found = partition(device).get_device(id);
  if (found && chance(2)) {
    token = *wire::make_sas_token({.audience = std::string(kHost) + "/devices/" + id,
                                   .key = found->identity.primary_key,
                                   .policy = {},
                                   .expiry = end});
  }
  Connection& connection = connect(chance(2) ? loop_a_ : loop_b_,
                                   [this](net::Stream& stream) { return mqtt_->accept(stream); });
  trace(clean ? "clean connect" : "connect", connection.number(), device);
  auto client = std::make_unique<MqttDevice>(
      *this, connection,
      MqttDevice::Login{
          .device = device, .id = id, .token = token, .token_end = end, .clean = clean});
  devices_.emplace_back(&connection, client.get());
  connection.set_client(std::move(client));
  return connection;
}

void NetworkWorld::open_back_end() {
  ManualLoop& loop = chance(2) ? loop_a_ : loop_b_;
  const auto life = std::chrono::minutes(5 + random_.below(120));
  const bool rest = chance(4);
  Connection& connection = connect(loop, [this, rest](net::Stream& stream) {
    return rest ? http_->accept(stream) : amqp_->accept(stream);
  });
  trace("back end", connection.number(), rest);
  if (rest) {
    connection.set_client(std::make_unique<RestBackEnd>(
        *this, connection, policy_token("iothubowner", life), wall() + life));
    return;
  }
  connection.set_client(std::make_unique<AmqpBackEnd>(
      *this, connection,
      AmqpBackEnd::Login{
          .token = policy_token("service", life), .cbs = chance(2), .hostile = false}));
}

void NetworkWorld::open_reader() {
  const auto partition = static_cast<uint32_t>(random_.below(hub_->partition_count()));
  std::optional<int64_t> epoch;
  if (chance(2)) epoch = static_cast<int64_t>(random_.below(3));
  start_reader(partition, chance(2), epoch, /*idle=*/chance(6));
}

ConnectionNumber NetworkWorld::start_reader(uint32_t partition, bool from_start,
                                            std::optional<int64_t> epoch, bool idle) {
  using Kind = hub::EventPosition::Kind;
  AmqpReader::Start start{.partition = partition, .epoch = epoch, .idle = idle};
  const auto checkpoint = checkpoints_.find(partition);
  if (!from_start && checkpoint != checkpoints_.end()) {
    start.position = {.kind = Kind::kOffset,
                      .number = events_.offset(partition, checkpoint->second)};
  }
  start.sequence = events_.start(partition, start.position);
  Connection& connection = connect(chance(2) ? loop_a_ : loop_b_,
                                   [this](net::Stream& stream) { return amqp_->accept(stream); });
  trace("reader", connection.number(), partition);
  auto client = std::make_unique<AmqpReader>(*this, connection,
                                             policy_token("service", std::chrono::hours(2)), start);
  readers_.emplace_back(&connection, client.get());
  connection.set_client(std::move(client));
  return connection.number();
}

// A valid stream of bytes but for one of them.
void NetworkWorld::open_hostile() {
  if (!hostile_) return;
  const bool device = chance(2);
  ManualLoop& loop = chance(2) ? loop_a_ : loop_b_;
  Connection& connection = connect(loop, [this, device](net::Stream& stream) {
    return device ? mqtt_->accept(stream) : amqp_->accept(stream);
  });
  trace("hostile", connection.number(), device);
  const auto change = static_cast<char>(1 + random_.below(255));
  if (!device) {
    connection.damage(random_.below(2000), change);
    connection.set_client(std::make_unique<AmqpBackEnd>(
        *this, connection,
        AmqpBackEnd::Login{.token = policy_token("service", std::chrono::hours(1)),
                           .cbs = chance(2),
                           .hostile = true}));
    return;
  }
  const Bytes bytes = stream_of_device(policy_token("device", std::chrono::hours(1)));
  connection.set_client(std::make_unique<HostileDevice>(connection, random_));
  connection.damage(random_.below(bytes.size()), change);
  connection.send(bytes);
}

NetworkWorld::NewMessage NetworkWorld::new_message(ConnectionNumber source) {
  NewMessage message{.index = 0,
                     .device = static_cast<uint32_t>(random_.below(options_.devices)),
                     .ack = static_cast<wire::Ack>(random_.below(4)),
                     .expiry = wall() + std::chrono::minutes(1 + random_.below(90))};
  message.index = model_.sent(message.device, message.ack, message.expiry, source, step_);
  ++result_.messages;
  trace("send", message.index, message.device);
  return message;
}

void NetworkWorld::send_answered(uint32_t message, std::optional<ErrorCode> refusal, Moment sent) {
  trace("sent", message, static_cast<uint64_t>(refusal.value_or(ErrorCode{})));
  // An error of the server leaves open what is on the disk.
  const bool open = refusal && static_cast<int32_t>(*refusal) >= 500000;
  if (refusal && !open) expect(model_.refused(message, *refusal, sent.wall));
  expect(model_.send_answered(message, !refusal, open, now()));
}

std::string NetworkWorld::body_of(uint32_t message) const {
  std::string body = "body of " + std::to_string(message);
  if (big_bodies_ && message % 3 == 0) body.resize(kBigBody, '.');
  return body;
}

// One byte is damaged at most, so one of two texts still says it.
bool NetworkWorld::is_hostile(std::string_view text) { return text.starts_with("hostile"); }

void NetworkWorld::session_open(uint32_t device) {
  SessionRecord& session = sessions_[device];
  session.presence = Presence::kMaybe;
  session.said_at = step_;
  ++session.changes;
}

// An answer tells what the session is, unless something later told already or may have changed it,
// or a connection whose CONNECT is still on its way may yet do so.
void NetworkWorld::session_is(uint32_t device, Presence presence, Moment sent,
                              ConnectionNumber told) {
  SessionRecord& session = sessions_[device];
  ++session.changes;
  const ModelDevice& known = model_.device(device);
  const bool disputed = std::ranges::any_of(devices_, [&](const auto& one) {
    const auto& [connection, client] = one;
    return client->device() == device && connection->number() != told && client->unanswered() &&
           connection->life() == life_ && !connection->hub_over();
  });
  if (sent.step < session.said_at) return;
  session.said_at = sent.step;
  session.presence = disputed || known.uncertain ? Presence::kMaybe : presence;
  session.generation = known.generation;
}

}  // namespace linarite::sim
