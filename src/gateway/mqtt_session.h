// The subscriptions of one device or module: which filters are granted and what they ask for
// (device-protocol 1.6, 1.9). Plain state; who keeps it where is the connection's business.
#pragma once

#include <optional>
#include <string_view>

#include "base/time.h"
#include "hub/session.h"
#include "mqtt/packet.h"
#include "wire/device_id.h"
#include "wire/topic.h"

namespace linarite::gateway {

// No filter of a device's topics is longer; it keeps a session record small.
inline constexpr size_t kFilterSizeMax = 1024;

class MqttSession {
 public:
  // `stored` is what was kept of earlier connections.
  explicit MqttSession(wire::Identity identity, hub::Session stored = {});

  // The SUBACK code: the granted QoS, or 0x80 for a filter of no topic of the identity, for one
  // that is too long, and for one above kSessionSubscriptionsMax. Subscribing again replaces the
  // QoS and keeps the time.
  uint8_t subscribe(std::string_view filter, mqtt::Qos qos, WallTime now);
  void unsubscribe(std::string_view filter);

  // Whether subscribe() or unsubscribe() changed something since the last call.
  bool take_changed() { return std::exchange(changed_, false); }

  const hub::Session& record() const { return session_; }

  // What messages are delivered with, if one filter or more asks for them: the highest QoS and the
  // earliest time.
  struct C2d {
    mqtt::Qos qos;
    WallTime since;
  };
  const std::optional<C2d>& c2d() const { return c2d_; }
  bool twin_responses() const { return twin_responses_; }

 private:
  void update();

  wire::Identity identity_;
  hub::Session session_;
  bool changed_ = false;
  // Derived from session_.
  std::optional<C2d> c2d_;
  bool twin_responses_ = false;
};

}  // namespace linarite::gateway
