// Messages of a device on their way to the event log, and the order of PUBACKs.
#include <prometheus/counter.h>

#include <utility>

#include "gateway/mqtt_connection.h"

namespace linarite::gateway {

void MqttConnection::take_telemetry(const mqtt::Publish& publish, std::string_view bag) {
  auto parsed = wire::parse_property_bag(bag);
  if (!parsed) return end(MqttEnd::kProtocolError, parsed.error());
  if (context_.options.fault_injection && asks_for_fault(*parsed)) {
    return take_fault(publish, *parsed);
  }
  const std::optional<uint64_t> number = receive(publish);
  const size_t size = publish.topic.size() + publish.payload.size();
  ++waiting_events_;
  waiting_bytes_ += size;
  const Status taken = append_event(
      {.bag = *std::move(parsed),
       .body = publish.payload,
       .taken = wall(),
       .retain = publish.retain},
      guarded([this, size, number](const Status& status) { event_done(size, number, status); }));
  if (!taken) return end(MqttEnd::kProtocolError, taken.error());
  const Duration wait = context_.hub.throttles().telemetry(identity_.device_id, size, now());
  if (wait > Duration::zero()) throttle(wait);
  if (ended_ || flooded_ || !telemetry_waits()) return;
  flooded_ = true;
  stream_.pause_reading();
}

// Fails if the message is not one for the log; `done` is then not called.
Status MqttConnection::append_event(Telemetry telemetry, hub::StatusDone done) {
  auto event = encoder_->encode(std::move(telemetry));
  if (!event) return std::unexpected(event.error());
  context_.hub.partition_of(identity_.device_id)
      .events()
      .append(*std::move(event), std::move(done));
  return {};
}

void MqttConnection::event_done(size_t size, std::optional<uint64_t> number, const Status& status) {
  --waiting_events_;
  waiting_bytes_ -= size;
  // Also for a device that was disabled or deleted meanwhile: nobody is there to be answered.
  if (ended_) return;
  if (!status) return end(MqttEnd::kServerError, status.error());
  context_.metrics.telemetry.Increment();
  puback(number);
  if (!handling_) flush();
  if (!flooded_) return;
  const bool drained = waiting_events_ <= kTelemetryWaitingMax / 2 &&
                       waiting_bytes_ <= kTelemetryWaitingBytesMax / 2 && !telemetry_waits();
  // With nothing on its way nothing would wake us later.
  if (!drained && waiting_events_ > 0) return;
  flooded_ = false;
  read_again();
}

bool MqttConnection::telemetry_waits() const {
  return waiting_events_ > kTelemetryWaitingMax || waiting_bytes_ > kTelemetryWaitingBytesMax ||
         partition_->events().crowded();
}

// device-protocol 1.16: over MQTT throttling is back-pressure, and there is no status for it.
void MqttConnection::throttle(Duration duration) {
  const Instant until = now() + duration;
  if (ended_ || (throttle_timer_ != 0 && until <= throttled_until_)) return;
  loop().cancel(throttle_timer_);
  throttled_until_ = until;
  throttle_timer_ = loop().run_at(until, [this] {
    throttle_timer_ = 0;
    read_again();
  });
  stream_.pause_reading();
}

// device-protocol 1.8: when the connection ends without DISCONNECT the will is a message of the
// device like any other. One of a device that is no longer allowed to speak is not sent.
void MqttConnection::send_will(const Error& why) {
  const auto will = std::exchange(will_, std::nullopt);
  if (!will || !counted_ || why.code == ErrorCode::kDeviceDisabled ||
      why.code == ErrorCode::kDeviceNotFound) {
    return;
  }
  // Counted as well, so that ending connections is no way around the limit.
  context_.hub.throttles().telemetry(identity_.device_id, will->topic.size() + will->body.size(),
                                     now());
  auto bag = wire::parse_property_bag(wire::classify_publish(identity_, will->topic).bag);
  Status taken = bag ? Status{} : std::unexpected(bag.error());
  if (taken) {
    taken = append_event({.bag = *std::move(bag),
                          .body = will->body,
                          .taken = wall(),
                          .retain = will->retain,
                          .will = true},
                         [&wills = context_.metrics.wills](const Status& status) {
                           if (status) wills.Increment();
                         });
  }
  if (taken) return;
  context_.log.warning("a will message was dropped",
                       {{"device", identity_.device_id}, {"reason", taken.error().message}});
}

std::optional<uint64_t> MqttConnection::receive(const mqtt::Publish& publish) {
  if (publish.qos != mqtt::Qos::kAtLeastOnce) return std::nullopt;
  received_.push_back({publish.packet_id, false});
  return acknowledged_ + received_.size() - 1;
}

// In the order of the PUBLISHes (device-protocol 1.8): .NET ends a connection that mixes them up.
void MqttConnection::puback(std::optional<uint64_t> number) {
  if (!number) return;
  received_[*number - acknowledged_].done = true;
  while (!received_.empty() && received_.front().done) {
    engine_.puback(received_.front().packet_id);
    received_.pop_front();
    ++acknowledged_;
  }
  start_faults();
}

}  // namespace linarite::gateway
