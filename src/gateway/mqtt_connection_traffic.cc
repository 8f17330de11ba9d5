// Packets of a connected device, and messages to it.
#include <prometheus/counter.h>

#include <algorithm>

#include "gateway/mqtt_connection.h"
#include "wire/error_body.h"

namespace linarite::gateway {
namespace {

using mqtt::Qos;

// The status of an answer to a twin request. SDKs take 300 and above as failed, and 501 is not one
// they retry.
constexpr int kNotImplementedStatus = 501;
// How often a stream that is slow to write is looked at for the completion of QoS 0 deliveries.
constexpr Duration kWrittenPoll = std::chrono::milliseconds(50);

Error not_implemented(const char* what) { return {ErrorCode::kNotImplemented, what}; }

// The same message gets the same packet id on every connection (MQTT 3.1.1, 4.4), unless the id is
// in use.
uint16_t packet_id_of(uint64_t sequence) { return static_cast<uint16_t>(1 + sequence % 65'535); }

}  // namespace

// ---- PUBLISH

void MqttConnection::on_publish(const mqtt::Publish& publish) {
  const wire::PublishTopic topic = wire::classify_publish(identity_, publish.topic);
  switch (topic.kind) {
    case wire::PublishKind::kRefused:
      return end(MqttEnd::kRefusedTopic,
                 {ErrorCode::kIotHubFormatError, "PUBLISH to a topic that is not the device's"});
    case wire::PublishKind::kTelemetry:
      return take_telemetry(publish, topic.bag);
    case wire::PublishKind::kTwinGet:
    case wire::PublishKind::kTwinPatch:
      return take_twin_request(publish, topic);
    case wire::PublishKind::kMethodResult:
      // No method was called: the request id is unknown (device-protocol 1.14).
      return puback(receive(publish));
  }
}

void MqttConnection::take_twin_request(const mqtt::Publish& publish,
                                       const wire::PublishTopic& topic) {
  const Error error = not_implemented("device twins are not part of this version");
  const bool answerable = topic.request_id && session_->twin_responses();
  if (!answerable && topic.kind == wire::PublishKind::kTwinPatch) {
    // The device could not learn that its properties were not taken.
    return end(MqttEnd::kNotImplemented, error);
  }
  puback(receive(publish));
  if (!answerable) return;
  const std::string name = wire::twin_response_topic(kNotImplementedStatus, *topic.request_id);
  const std::string tracking_id = wire::make_tracking_id(context_.hub.random(), wall());
  const std::string body = wire::error_json(error, tracking_id, wall());
  const Status sent = engine_.publish({.topic = name, .payload = body});
  // A request id may be so long that its answer has no topic.
  if (!sent) end(MqttEnd::kProtocolError, {ErrorCode::kIotHubFormatError, "$rid is too long"});
}

// ---- SUBSCRIBE and UNSUBSCRIBE

void MqttConnection::on_subscribe(const mqtt::Subscribe& subscribe) {
  Answer suback{subscribe.packet_id, {}};
  bool refused = false;
  for (const mqtt::Subscription& wanted : subscribe.subscriptions) {
    const uint8_t code = session_->subscribe(wanted.filter, wanted.qos, wall());
    refused |= code == mqtt::kSubscribeRefused;
    suback.codes.push_back(static_cast<char>(code));
  }
  if (refused && context_.options.close_on_refused_filter) {
    return end(MqttEnd::kRefusedTopic,
               {ErrorCode::kIotHubFormatError, "SUBSCRIBE of a filter that is not the device's"});
  }
  answer(std::move(suback));
}

void MqttConnection::on_unsubscribe(const mqtt::Unsubscribe& unsubscribe) {
  for (const ByteView filter : unsubscribe.filters) session_->unsubscribe(filter);
  // Ends delivery at once; a new filter starts it only when it is durable.
  if (!session_->c2d()) set_delivery();
  answer({unsubscribe.packet_id, {}});
}

// A persistent session answers when its record is durable, so that an acknowledged subscription
// survives a crash: SDKs do not subscribe again (device-protocol 1.6).
void MqttConnection::answer(Answer answer) {
  const bool changed = session_->take_changed();
  if (clean_session_ || (!changed && !save_under_way_)) return send_answer(answer);
  if (saving_.size() + waiting_.size() >= kUnansweredMax) {
    return end(MqttEnd::kProtocolError,
               {ErrorCode::kThrottlingException, "too many SUBSCRIBE and UNSUBSCRIBE at once"});
  }
  waiting_.push_back(std::move(answer));
  save_session();
}

void MqttConnection::send_answer(const Answer& answer) {
  if (answer.codes.empty()) {
    engine_.unsuback(answer.packet_id);
  } else {
    engine_.suback(answer.packet_id, answer.codes);
  }
  set_delivery();
}

// One commit at a time; what changes meanwhile goes into the next.
void MqttConnection::save_session() {
  if (save_under_way_ || ended_ || waiting_.empty()) return;
  save_under_way_ = true;
  saving_ = std::exchange(waiting_, {});
  partition_->save_session(identity_.device_id, session_->record(),
                           guarded([this](const Status& saved) { session_saved(saved); }));
}

void MqttConnection::session_saved(const Status& saved) {
  save_under_way_ = false;
  if (ended_) return;
  if (!saved) return end(MqttEnd::kServerError, saved.error());
  for (const Answer& answer : std::exchange(saving_, {})) send_answer(answer);
  if (!handling_) flush();
  save_session();
}

// ---- Deliveries

// Opens, changes or closes the window. Messages may arrive in deliver() before it returns.
void MqttConnection::set_delivery() {
  if (partition_ == nullptr || !online()) return;
  const auto& c2d = session_->c2d();
  const uint32_t window = c2d && !paused_ ? context_.options.c2d_window : 0;
  partition_->open_delivery(*this, window, c2d ? c2d->since : WallTime{});
}

void MqttConnection::deliver(const hub::Delivery& delivery) {
  std::string topic;
  if (!wire::append_c2d_topic(topic, identity_, delivery.message)) {
    context_.log.warning("a message was rejected: its properties do not fit an MQTT topic",
                         {{"device", identity_.device_id}});
    partition_->reject(*this, delivery.lock, [](const Status&) {});
    return;
  }
  const mqtt::Publish publish{.topic = topic, .payload = delivery.message.body};
  if (session_->c2d() && session_->c2d()->qos == Qos::kAtLeastOnce) {
    deliver_acknowledged(delivery, publish);
  } else {
    deliver_once(delivery, publish);
  }
  // Inside of receive() many acknowledgements bring many messages: they leave together.
  if (!handling_ || engine_.output().size() > net::Stream::kUnsentLow) flush();
}

void MqttConnection::deliver_acknowledged(const hub::Delivery& delivery, mqtt::Publish publish) {
  publish.qos = Qos::kAtLeastOnce;
  publish.dup = delivery.redelivered;
  publish.packet_id = packet_id_of(delivery.lock.sequence);
  if (const Status sent = engine_.publish(publish, delivery.lock.sequence); !sent) {
    // The hub's window is smaller than the engine's. Only messages that expired or were purged
    // while the device kept silent about them fill the latter.
    return end(MqttEnd::kNotAcknowledging,
               {ErrorCode::kDeviceMessageLockLost, "too many messages are not acknowledged"});
  }
  unacknowledged_.push_back(delivery.lock);
}

void MqttConnection::deliver_once(const hub::Delivery& delivery, const mqtt::Publish& publish) {
  if (!engine_.publish(publish)) return;  // The connection is ending.
  unwritten_.push_back({delivery.lock, sent_ + engine_.output().size()});
  watch_written();
}

void MqttConnection::on_puback(uint64_t sequence) {
  const auto found = std::ranges::find(unacknowledged_, sequence, &hub::LockToken::sequence);
  if (found == unacknowledged_.end()) return;
  const hub::LockToken lock = *found;
  unacknowledged_.erase(found);
  context_.metrics.acknowledged.Increment();
  complete(lock);
}

// Nothing answers a PUBACK: whether the lock was lost or the store failed, the hub knows what
// becomes of the message.
void MqttConnection::complete(hub::LockToken lock) {
  partition_->complete(*this, lock, [](const Status&) {});
}

// device-protocol 6.1: with QoS 0 a message is complete when it is written.
void MqttConnection::complete_written() {
  const uint64_t written = sent_ - std::min<uint64_t>(sent_, stream_.unsent());
  size_t count = 0;
  while (count < unwritten_.size() && unwritten_[count].position <= written) ++count;
  const std::vector<Unwritten> done(unwritten_.begin(),
                                    unwritten_.begin() + static_cast<ptrdiff_t>(count));
  unwritten_.erase(unwritten_.begin(), unwritten_.begin() + static_cast<ptrdiff_t>(count));
  // Each completion may bring the next delivery.
  for (const Unwritten& one : done) {
    if (ended_) return;
    complete(one.lock);
  }
}

// The stream writes at the end of the turn and tells nobody: it is looked at in the next turn, and
// then every kWrittenPoll.
void MqttConnection::watch_written() {
  if (std::exchange(watching_, true)) return;
  loop().post(guarded([this] { poll_written(); }));
}

void MqttConnection::poll_written() {
  watching_ = false;
  if (ended_) return;
  const size_t before = unwritten_.size();
  complete_written();
  if (ended_ || unwritten_.empty() || watching_) return;
  watching_ = true;
  if (unwritten_.size() < before) return loop().post(guarded([this] { poll_written(); }));
  loop().run_after(kWrittenPoll, guarded([this] { poll_written(); }));
}

}  // namespace linarite::gateway
