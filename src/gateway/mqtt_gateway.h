// MQTT for devices: makes the handler of each MQTT stream (port 8883, or a WebSocket).
#pragma once

#include <memory>

#include "base/logging.h"
#include "gateway/mqtt_metrics.h"
#include "hub/hub.h"
#include "mqtt/connection.h"
#include "net/stream.h"

namespace prometheus {
class Registry;
}

namespace linarite::gateway {

struct MqttOptions {
  mqtt::Connection::Options connection{.window = mqtt::kWindowMax,
                                       .connect_timeout = std::chrono::seconds(10)};
  // Messages sent to a device and not acknowledged; 1 to 1,000 and not above the queue depth.
  uint32_t c2d_window = 16;
  // A connection outlives its token by this much (device-protocol 1.17).
  Duration token_grace = std::chrono::minutes(5);
  // What becomes of a SUBSCRIBE with a filter of no topic of the device: 0x80, or the end of the
  // connection as in the original (device-protocol 1.9).
  bool close_on_refused_filter = false;
  // Whether a device may ask for faults of its own connection (device-protocol 9.3). For tests.
  bool fault_injection = false;
};

// Must outlive its connections. accept() may be called on any loop.
class MqttGateway {
 public:
  struct Parts {
    hub::Hub& hub;
    Logger& log;
    prometheus::Registry& metrics;
  };
  MqttGateway(MqttOptions options, Parts parts);

  // A net::StreamAcceptor. The handler moves the stream to the loop that owns the device.
  std::unique_ptr<net::StreamHandler> accept(net::Stream& stream);

 private:
  const MqttOptions options_;
  hub::Hub& hub_;
  Logger& log_;
  MqttMetrics metrics_;
};

}  // namespace linarite::gateway
