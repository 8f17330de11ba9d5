// Faults that a device asks for, and the time at which they happen to its connection.
#include <algorithm>

#include "gateway/mqtt_connection.h"

namespace linarite::gateway {
namespace {

constexpr size_t kLoggedTextMax = 128;

std::string logged(const std::string& text) { return text.substr(0, kLoggedTextMax); }

}  // namespace

// device-protocol 9.3: the message is not stored. It is acknowledged, also when its fault is none
// that we do, because a device that saw no PUBACK would send it again on its next connection.
void MqttConnection::take_fault(const mqtt::Publish& publish, const wire::PropertyBag& bag) {
  const std::optional<uint64_t> number = receive(publish);
  auto fault = requested_fault(bag);
  if (fault && faults_.size() >= kPendingFaultsMax) {
    fault = fail(ErrorCode::kThrottlingException, "too many faults wait already");
  }
  if (fault) {
    faults_.push_back({++last_fault_, *std::move(fault), number, 0});
  } else {
    context_.log.warning("a fault that a device asked for is not done",
                         {{"code", kFaultNumber},
                          {"device", identity_.device_id},
                          {"reason", fault.error().message}});
  }
  puback(number);
  start_faults();
}

// The delay begins when the message is acknowledged: its PUBACK leaves before the fault.
void MqttConnection::start_faults() {
  for (PendingFault& pending : faults_) {
    const bool acknowledged = !pending.number || *pending.number < acknowledged_;
    if (pending.timer != 0 || !acknowledged) continue;
    pending.timer =
        loop().run_after(pending.fault.delay, [this, id = pending.id] { run_fault(id); });
  }
}

void MqttConnection::run_fault(uint64_t id) {
  const auto found = std::ranges::find(faults_, id, &PendingFault::id);
  const Fault fault = std::move(found->fault);
  faults_.erase(found);
  context_.log.info("a fault that a device asked for", {{"code", kFaultNumber},
                                                        {"device", identity_.device_id},
                                                        {"fault", logged(fault.type)},
                                                        {"text", logged(fault.reason)}});
  const Error why = {ErrorCode::kDeviceConnectionClosedRemotely,
                     "a fault that the device asked for"};
  switch (fault.kind) {
    case Fault::Kind::kClose:
      return end(MqttEnd::kFault, why);
    case Fault::Kind::kAbort:
      finish(MqttEnd::kFault, why);
      return stream_.abort();
    case Fault::Kind::kThrottle:
      return throttle(fault.duration);
  }
}

void MqttConnection::drop_faults() {
  for (const PendingFault& pending : faults_) loop().cancel(pending.timer);
  faults_.clear();
  loop().cancel(std::exchange(throttle_timer_, 0));
}

}  // namespace linarite::gateway
