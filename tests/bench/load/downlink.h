// Sends messages to devices and follows each one until it is complete: accepted by the server (the
// AMQP outcome, or the publisher's PUBACK), received by its device, and acknowledged there.
//
// Closed loop: a new message leaves as soon as fewer than options.window are under way. Paced
// (options.rate): message n is due at n / rate, and its latency counts from then even when it had
// to wait for room.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "load/latencies.h"
#include "load/mqtt_client.h"
#include "load/sender.h"
#include "load/usage_window.h"

namespace linarite::load {

class Downlink final : private MqttSink, private SenderSink {
 public:
  // With `connect_devices` false nobody receives: a message is complete when it was accepted.
  Downlink(Session& session, bool connect_devices);

  // Warms up, measures for options.seconds, then waits until every message is complete, and checks
  // that none was lost. Gives up if one was refused, lost, or came twice or out of order.
  void measure(Report& report);
  // Sends `count` messages, one device after the other, and waits until all are complete.
  void send_all(size_t count);

 private:
  struct Message {
    uint32_t device;
    Instant due;
    bool accepted = false;
    bool received = false;
  };

  void on_message(MqttClient& client, const mqtt::Publish& publish) override;
  void on_accepted(uint64_t token) override;
  void on_refused(uint64_t token, const std::string& why) override;
  void on_room() override { pump_soon(); }

  void pump_soon();
  void pump();
  bool may_send() const;
  void send_one(Sender& sender, size_t device);
  Sender* sender_with_room();
  std::optional<size_t> device_with_room();
  Message& message(uint64_t token);
  void complete(Message& message);
  void start_pacing();

  Session& session_;
  const bool connect_devices_;
  Fleet fleet_;
  std::vector<std::unique_ptr<Sender>> senders_;
  size_t next_sender_ = 0;
  size_t next_device_ = 0;
  std::vector<size_t> under_way_;     // By device.
  std::vector<uint64_t> last_token_;  // By device, plus one.

  std::deque<Message> messages_;  // From the oldest that is not complete; its token is first_.
  uint64_t first_ = 0;
  uint64_t sent_ = 0;
  uint64_t completed_ = 0;
  uint64_t sent_max_ = UINT64_MAX;
  bool sending_ = false;
  bool pump_due_ = false;
  Instant pace_start_;
  Bytes payload_;

  Latencies to_accepted_;  // From when a message was due.
  Latencies to_device_;
};

}  // namespace linarite::load
