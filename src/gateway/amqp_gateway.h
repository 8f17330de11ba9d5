// AMQP 1.0 for back ends: makes the handler of each AMQP stream (port 5671, or a WebSocket).
//
// Served are $cbs, sending cloud-to-device messages, receiving delivery feedback, and the Event
// Hubs-compatible endpoint (service-protocol 1.4, 1.5, 2, 3 and 4). The links of devices are not
// part of this version: attaching to them is refused like an unknown address, with a text that says
// so.
#pragma once

#include <memory>

#include "amqp/connection.h"
#include "base/logging.h"
#include "gateway/amqp_metrics.h"
#include "hub/hub.h"
#include "net/stream.h"

namespace prometheus {
class Registry;
}

namespace linarite::gateway {

struct AmqpOptions {
  amqp::ConnectionOptions connection;  // The container id is made by the gateway.
  // How long a connection may live without a valid token.
  Duration claim_time_out = std::chrono::seconds(60);
  // Expired tokens and renewed policy keys cut links at the latest after this.
  Duration recheck_interval = std::chrono::seconds(10);
};

// Must outlive its connections. accept() may be called on any loop; a connection stays on the loop
// of its stream.
class AmqpGateway {
 public:
  struct Parts {
    hub::Hub& hub;
    Logger& log;
    prometheus::Registry& metrics;
  };
  AmqpGateway(AmqpOptions options, Parts parts);

  // A net::StreamAcceptor.
  std::unique_ptr<net::StreamHandler> accept(net::Stream& stream);

 private:
  const AmqpOptions options_;
  const std::shared_ptr<const amqp::ConnectionOptions> engine_options_;
  hub::Hub& hub_;
  Logger& log_;
  AmqpMetrics metrics_;
};

}  // namespace linarite::gateway
