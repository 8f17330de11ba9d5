#include "gateway/mqtt_gateway.h"

#include "base/check.h"
#include "gateway/mqtt_connection.h"

namespace linarite::gateway {

MqttGateway::MqttGateway(MqttOptions options, Parts parts)
    : options_(options), hub_(parts.hub), log_(parts.log), metrics_(parts.metrics) {
  CHECK(options_.c2d_window >= 1 && options_.c2d_window <= options_.connection.window);
}

std::unique_ptr<net::StreamHandler> MqttGateway::accept(net::Stream& stream) {
  return std::make_unique<MqttConnection>(MqttConnection::Context{options_, hub_, log_, metrics_},
                                          stream);
}

}  // namespace linarite::gateway
