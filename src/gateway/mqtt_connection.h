// One MQTT stream of a device: from CONNECT to its end. It turns packets into hub calls and
// messages of the hub into packets (device-protocol 1).
//
// The stream begins on any loop. After CONNECT it moves to the loop that owns the device, where
// everything else happens; until the hub has answered, what the device sent behind its CONNECT
// waits.
//
// Telemetry, twins and direct methods are not part of this version. They are refused so that no
// device takes them for accepted: telemetry ends the connection without a PUBACK, twin requests are
// answered with 501, and a method result can only be a late one.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/logging.h"
#include "gateway/mqtt_gateway.h"
#include "gateway/mqtt_metrics.h"
#include "gateway/mqtt_session.h"
#include "hub/device_link.h"
#include "hub/hub.h"
#include "mqtt/connection.h"
#include "net/stream.h"
#include "wire/topic.h"
#include "wire/user_name.h"

namespace linarite::gateway {

// SUBSCRIBE and UNSUBSCRIBE packets that wait for their session record to be durable.
inline constexpr size_t kUnansweredMax = 64;

// Owned by its stream. Used on the stream's loop only.
class MqttConnection final : public net::StreamHandler,
                             private mqtt::Events,
                             private hub::DeviceLink {
 public:
  struct Context {
    const MqttOptions& options;
    hub::Hub& hub;
    Logger& log;
    MqttMetrics& metrics;
  };

  MqttConnection(const Context& context, net::Stream& stream);
  ~MqttConnection() override;

  void on_bytes(ByteView bytes) override;
  void on_writable() override;
  void on_closed(net::CloseReason reason) override;

 private:
  // An answer to SUBSCRIBE, or to UNSUBSCRIBE (no codes).
  struct Answer {
    uint16_t packet_id;
    Bytes codes;
  };
  // A QoS 0 delivery counts as complete once the stream has written up to `position`.
  struct Unwritten {
    hub::LockToken lock;
    uint64_t position;
  };

  // mqtt::Events
  void on_connect(const mqtt::Connect& connect) override;
  void on_unsupported_protocol(const mqtt::UnsupportedConnect& connect) override;
  void on_publish(const mqtt::Publish& publish) override;
  void on_puback(uint64_t sequence) override;
  void on_subscribe(const mqtt::Subscribe& subscribe) override;
  void on_unsubscribe(const mqtt::Unsubscribe& unsubscribe) override;
  void on_disconnect() override;
  void on_protocol_error(const Error& error) override;
  void on_timeout(Timeout timeout) override;

  // hub::DeviceLink
  void deliver(const hub::Delivery& delivery) override;
  void disconnect(Error reason) override;

  // From CONNECT to CONNACK.
  Status take_connect(const mqtt::Connect& connect);
  void log_in();
  void go_online(bool session_present);
  void refuse(const Error& error);
  void refuse(mqtt::ConnectReturnCode code, const Error& error);

  // Requests.
  void take_twin_request(const mqtt::Publish& publish, const wire::PublishTopic& topic);
  void answer(Answer answer);
  void send_answer(const Answer& answer);
  void save_session();
  void session_saved(const Status& status);

  // Deliveries.
  void set_delivery();
  void deliver_acknowledged(const hub::Delivery& delivery, mqtt::Publish publish);
  void deliver_once(const hub::Delivery& delivery, const mqtt::Publish& publish);
  void complete(hub::LockToken lock);
  void complete_written();
  void watch_written();
  void poll_written();

  void handled();  // After every call into the engine.
  void flush();
  void arm_timer();
  void on_timer();
  void end(MqttEnd end, const Error& why);
  void finish(MqttEnd end, const Error& why);

  Loop& loop() const { return stream_.loop(); }
  Instant now() const { return loop().clock().now(); }
  WallTime wall() const { return loop().clock().wall(); }
  bool online() const { return session_.has_value() && engine_.connected(); }
  // Calls `f` on this loop unless the connection is gone by then.
  template <class F>
  auto guarded(F f) {
    return [alive = std::weak_ptr<const bool>(alive_), f = std::move(f)](auto&&... args) mutable {
      if (!alive.expired()) f(std::forward<decltype(args)>(args)...);
    };
  }

  const Context context_;
  net::Stream& stream_;
  mqtt::Connection engine_;
  const std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);

  bool login_due_ = false;  // CONNECT was taken, the stream is to move.
  bool clean_session_ = false;
  bool has_will_ = false;
  bool handling_ = false;  // Inside receive() or tick(): output is flushed after it.
  bool paused_ = false;    // The stream holds too much unsent: no deliveries, no reading.
  bool counted_ = false;   // In the gauge of connections.
  bool ended_ = false;     // end() was called.
  bool watching_ = false;  // complete_written() will be called.
  wire::Identity identity_;
  std::string password_;                 // Until it was checked.
  hub::Partition* partition_ = nullptr;  // While attached.
  WallTime token_end_ = WallTime::max();
  std::optional<MqttSession> session_;  // From log_in() on.

  std::vector<Answer> saving_;   // Wait for the commit that is under way,
  std::vector<Answer> waiting_;  // and for the one after it.
  bool save_under_way_ = false;

  std::vector<hub::LockToken> unacknowledged_;  // QoS 1, in the order of sending.
  std::vector<Unwritten> unwritten_;            // QoS 0, likewise.
  uint64_t sent_ = 0;                           // Bytes given to the stream.
  TimerId timer_ = 0;
};

}  // namespace linarite::gateway
