#include "load/mqtt_client.h"

#include <utility>

namespace linarite::load {
namespace {

// Longer than any run, so that no ping is due: what is idle is really idle.
constexpr uint16_t kKeepAliveSeconds = 1100;
constexpr double kConnectLimitS = 300;

mqtt::Connection::Options engine_options() {
  mqtt::Connection::Options options;
  options.window = mqtt::kWindowMax;
  return options;
}

}  // namespace

MqttClient::MqttClient(Session& session, net::Stream& stream, MqttLogin login, MqttSink& sink)
    : session_(session),
      stream_(stream),
      login_(std::move(login)),
      sink_(sink),
      engine_(mqtt::Connection::Role::kClient, engine_options(), session.now()) {
  mqtt::Connect connect;
  connect.client_id = login_.client_id;
  connect.user_name = login_.user_name;
  connect.password = login_.password;
  connect.keep_alive_seconds = kKeepAliveSeconds;
  connect.clean_session = login_.clean_session;
  engine_.connect(connect, session.now());
  flush();
}

void MqttClient::flush() {
  if (engine_.output().empty()) return;
  stream_.send(engine_.output());
  engine_.clear_output();
}

void MqttClient::publish(const std::string& topic, ByteView payload, uint64_t token) {
  const Status sent =
      engine_.publish({.topic = topic, .payload = payload, .qos = mqtt::Qos::kAtLeastOnce}, token);
  if (!sent) give_up("PUBLISH: " + sent.error().message);
}

void MqttClient::on_bytes(ByteView bytes) {
  engine_.receive(bytes, session_.now(), *this);
  flush();
  if (engine_.closed()) stream_.close();
}

void MqttClient::on_closed(net::CloseReason /*reason*/) {
  if (!engine_.closed()) give_up("the server closed the connection of " + login_.client_id);
  sink_.on_disconnected(number());
}

void MqttClient::on_connack(const mqtt::ConnAck& connack) {
  if (connack.return_code != mqtt::ConnectReturnCode::kAccepted) {
    give_up(
        fmt::format("CONNACK {} for {}", static_cast<int>(connack.return_code), login_.client_id));
  }
  if (login_.filter.empty()) {
    sink_.on_ready(*this);
    return;
  }
  const mqtt::Subscription subscription{login_.filter, mqtt::Qos::kAtLeastOnce};
  if (const Status sent = engine_.subscribe({&subscription, 1}, 0); !sent) {
    give_up("SUBSCRIBE: " + sent.error().message);
  }
}

void MqttClient::on_suback(uint64_t /*token*/, ByteView codes) {
  if (codes != ByteView("\x01", 1)) give_up("the subscription was not granted with QoS 1");
  sink_.on_ready(*this);
}

void MqttClient::on_publish(const mqtt::Publish& publish) {
  if (publish.qos == mqtt::Qos::kAtLeastOnce) engine_.puback(publish.packet_id);
  sink_.on_message(*this, publish);
}

void MqttClient::on_protocol_error(const Error& error) { give_up("MQTT: " + error.message); }

MqttLogin device_login(const Session& session, size_t number) {
  const std::string id = Session::device_id(number);
  return {.number = number,
          .client_id = id,
          .user_name = session.host_name() + "/" + id + "/?api-version=2021-04-12",
          .password = session.device_token(number),
          .filter = "devices/" + id + "/messages/devicebound/#"};
}

void Fleet::grow_to(size_t count) {
  clients_.resize(count);
  session_.on_loop([this] {
    for (size_t i = 0; i < session_.options().parallel; ++i) open_next();
  });
  session_.run_until([&] { return ready_ == count; }, kConnectLimitS, "connecting the devices");
}

void Fleet::open_next() {
  if (opened_ == clients_.size()) return;
  const size_t number = opened_++;
  MqttSink& self = *this;
  session_.connect_device([this, number, &self](net::Stream& stream) {
    MqttLogin login = device_login(session_, number);
    if (subscriptions_ == Subscriptions::kNone) login.filter.clear();
    return std::make_unique<MqttClient>(session_, stream, std::move(login), self);
  });
}

void Fleet::on_ready(MqttClient& client) {
  clients_[client.number()] = &client;
  ++ready_;
  open_next();
}

}  // namespace linarite::load
