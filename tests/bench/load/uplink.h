// Devices send events and each one is followed until it is complete: acknowledged by the server
// and, with options.readers, read by a reader.
//
// Closed loop: a new event leaves as soon as fewer than options.window are under way. Paced
// (options.rate): event n is due at n / rate, and its latency counts from then.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "load/events_reader.h"
#include "load/latencies.h"
#include "load/mqtt_client.h"
#include "load/token.h"
#include "load/usage_window.h"

namespace linarite::load {

class Uplink final : private MqttSink {
 public:
  explicit Uplink(Session& session);

  // Warms up, measures for options.seconds, then waits until every event is complete. Gives up if
  // one was lost, changed, or read twice.
  void measure(Report& report);
  // Sends `count` events and waits until all are complete.
  void send_all(size_t count);

 private:
  struct Sent {
    uint32_t device;
    Instant due;
    bool acknowledged = false;
    bool read = false;
  };

  void on_puback(MqttClient& client, uint64_t token) override;
  void on_read(ByteView payload);
  void pump_soon();
  void pump();
  bool may_send() const;
  bool send_one();
  void start_pacing();
  Sent& sent(uint64_t token);
  void complete(Sent& sent);

  Session& session_;
  Fleet fleet_;
  std::unique_ptr<EventsReader> reader_;
  std::vector<std::unique_ptr<EventsReader>> stalled_;
  std::vector<std::string> topics_;  // By device.
  std::vector<size_t> under_way_;    // By device.
  std::vector<MqttClient*> touched_;
  size_t next_device_ = 0;

  std::deque<Sent> events_;  // From the oldest that is not complete; its token is first_.
  uint64_t first_ = 0;
  uint64_t sent_ = 0;
  uint64_t completed_ = 0;
  uint64_t sent_max_ = UINT64_MAX;
  bool sending_ = false;
  bool pump_due_ = false;
  Instant pace_start_;
  Bytes payload_;
  const Noise noise_;

  Latencies to_acknowledged_;  // From when an event was due.
  Latencies to_reader_;
};

// Reads options.messages events from the beginning of all partitions.
void measure_readback(Session& session, Report& report);

}  // namespace linarite::load
