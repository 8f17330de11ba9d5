#include "load/mqtt_sender.h"

namespace linarite::load {

MqttSender::MqttSender(Session& session, SenderSink& sink) : sink_(sink) {
  MqttSink& self = *this;
  session.connect(session.options().mqtt_port, [&session, &self](net::Stream& stream) {
    MqttLogin login;
    login.client_id = "back-end";
    login.clean_session = true;
    return std::make_unique<MqttClient>(session, stream, std::move(login), self);
  });
}

void MqttSender::send(size_t device, ByteView payload, uint64_t token) {
  client_->publish("devices/" + Session::device_id(device) + "/messages/devicebound/x", payload,
                   token);
}

void MqttSender::on_puback(MqttClient& /*client*/, uint64_t token) {
  sink_.on_accepted(token);
  sink_.on_room();
}

}  // namespace linarite::load
