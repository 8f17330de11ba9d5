#include "gateway/amqp_gateway.h"

#include "gateway/amqp_connection.h"

namespace linarite::gateway {
namespace {

std::shared_ptr<const amqp::ConnectionOptions> engine_options(const AmqpOptions& options,
                                                              Random& random) {
  auto engine = std::make_shared<amqp::ConnectionOptions>(options.connection);
  engine->server = true;
  // The form of the original's container ids (device-protocol 3.2).
  if (engine->container_id.empty()) engine->container_id = "DeviceGateway_" + random.hex(16);
  return engine;
}

}  // namespace

AmqpGateway::AmqpGateway(AmqpOptions options, Parts parts)
    : options_(std::move(options)),
      engine_options_(engine_options(options_, parts.hub.random())),
      hub_(parts.hub),
      log_(parts.log),
      metrics_(parts.metrics) {}

std::unique_ptr<net::StreamHandler> AmqpGateway::accept(net::Stream& stream) {
  return std::make_unique<AmqpConnection>(
      AmqpConnection::Context{options_, engine_options_, hub_, log_, metrics_}, stream);
}

}  // namespace linarite::gateway
