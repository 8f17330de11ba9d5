// One MQTT stream of a device: from CONNECT to its end. It turns packets into hub calls and
// messages of the hub into packets (device-protocol 1).
//
// The stream begins on any loop. After CONNECT it moves to the loop that owns the device, where
// everything else happens; until the hub has answered, what the device sent behind its CONNECT
// waits.
//
// Telemetry goes to the event log of the device's partition and is acknowledged once it is durable
// there. While too much of it waits for the disk the stream is not read.
//
// Twins and direct methods are not part of this version. They are refused so that no device takes
// them for accepted: twin requests are answered with 501, and a method result can only be a late
// one.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/logging.h"
#include "gateway/fault_injection.h"
#include "gateway/mqtt_gateway.h"
#include "gateway/mqtt_metrics.h"
#include "gateway/mqtt_session.h"
#include "gateway/telemetry_event.h"
#include "hub/device_link.h"
#include "hub/hub.h"
#include "mqtt/connection.h"
#include "net/stream.h"
#include "wire/topic.h"
#include "wire/user_name.h"

namespace linarite::gateway {

// SUBSCRIBE and UNSUBSCRIBE packets that wait for their session record to be durable.
inline constexpr size_t kUnansweredMax = 64;
// Telemetry of one connection that waits for the disk: above either the stream is not read, until
// half of it is gone. What was read already, at most one read of the stream, is still taken.
inline constexpr size_t kTelemetryWaitingMax = 1'024;
inline constexpr size_t kTelemetryWaitingBytesMax = size_t{512} << 10U;

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
  // A QoS 1 PUBLISH of the device; they are acknowledged in their order.
  struct Received {
    uint16_t packet_id;
    bool done;
  };
  // A QoS 0 delivery counts as complete once the stream has written up to `position`.
  struct Unwritten {
    hub::LockToken lock;
    uint64_t position;
  };
  // A fault that has yet to happen.
  struct PendingFault {
    uint64_t id;
    Fault fault;
    std::optional<uint64_t> number;  // Of the PUBLISH that asked for it, if it is acknowledged.
    TimerId timer;                   // 0 before its PUBACK.
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
  void hold_back(Duration wait, mqtt::ConnectReturnCode code, Error error);

  // Telemetry.
  void take_telemetry(const mqtt::Publish& publish, std::string_view bag);
  Status append_event(Telemetry telemetry, hub::StatusDone done);
  void event_done(size_t size, std::optional<uint64_t> number, const Status& status);
  void send_will(const Error& why);
  bool telemetry_waits() const;
  // Whether a PUBLISH is to be acknowledged: puback(number) sends it when its turn has come.
  std::optional<uint64_t> receive(const mqtt::Publish& publish);
  void puback(std::optional<uint64_t> number);

  // The device is not read for so long, or for longer if it already is.
  void throttle(Duration duration);

  // Faults on demand: mqtt_connection_faults.cc.
  void take_fault(const mqtt::Publish& publish, const wire::PropertyBag& bag);
  void start_faults();
  void run_fault(uint64_t id);
  void drop_faults();

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
  void arm_timer(Duration not_before = Duration::zero());
  void read_again();
  void on_timer();
  void end(MqttEnd end, const Error& why);
  void finish(MqttEnd end, const Error& why);

  Loop& loop() const { return stream_.loop(); }
  Instant now() const { return loop().clock().now(); }
  WallTime wall() const { return loop().clock().wall(); }
  bool reading() const { return !paused_ && !flooded_ && throttle_timer_ == 0; }
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
  bool handling_ = false;  // Inside receive() or tick(): output is flushed after it.
  bool paused_ = false;    // The stream holds too much unsent: no deliveries, no reading.
  bool flooded_ = false;   // Too much telemetry waits for the disk: no reading.
  bool counted_ = false;   // In the gauge of connections.
  bool ended_ = false;     // end() was called.
  bool watching_ = false;  // complete_written() will be called.
  wire::Identity identity_;
  std::string password_;                 // Until it was checked.
  hub::Partition* partition_ = nullptr;  // While attached.
  WallTime token_end_ = WallTime::max();
  std::optional<MqttSession> session_;  // From log_in() on.

  struct Will {
    std::string topic;
    Bytes body;
    bool retain;
  };
  std::optional<Will> will_;  // Until DISCONNECT.
  std::string model_id_;
  std::optional<TelemetryEncoder> encoder_;  // From log_in() on.
  std::deque<Received> received_;            // The first has the number acknowledged_.
  uint64_t acknowledged_ = 0;
  size_t waiting_events_ = 0;  // For the disk.
  size_t waiting_bytes_ = 0;

  std::vector<PendingFault> faults_;
  uint64_t last_fault_ = 0;
  TimerId throttle_timer_ = 0;
  Instant throttled_until_{};

  std::vector<Answer> saving_;   // Wait for the commit that is under way,
  std::vector<Answer> waiting_;  // and for the one after it.
  bool save_under_way_ = false;

  std::vector<hub::LockToken> unacknowledged_;  // QoS 1, in the order of sending.
  std::vector<Unwritten> unwritten_;            // QoS 0, likewise.
  uint64_t sent_ = 0;                           // Bytes given to the stream.
  TimerId timer_ = 0;
};

}  // namespace linarite::gateway
