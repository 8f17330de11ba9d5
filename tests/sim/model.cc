#include "sim/model.h"

#include <fmt/format.h>

#include <algorithm>

namespace linarite::sim {
namespace {

// The hub's default. It counts from the decision, which is made when the end is asked for.
constexpr std::chrono::hours kFeedbackTtl{1};
constexpr size_t kQueueDepthMax = 50;
// By then what has expired was swept.
constexpr std::chrono::minutes kSweepMax{2};

bool wanted(wire::Ack ack, hub::Outcome outcome) {
  if (ack == wire::Ack::kFull) return true;
  return ack == (outcome == hub::Outcome::kSuccess ? wire::Ack::kPositive : wire::Ack::kNegative);
}

}  // namespace

// Sending.

uint32_t Model::sent(uint32_t device, wire::Ack ack, WallTime expiry, ConnectionNumber source,
                     uint64_t step) {
  ModelMessage message{
      .device = device, .source = source, .sent_at = step, .ack = ack, .expiry = expiry};
  // Over a connection it may reach the hub when the device has been deleted and made again.
  if (source == 0 && !devices_[device].uncertain) message.generation = devices_[device].generation;
  message.lossy = devices_[device].lossy;
  messages_.push_back(std::move(message));
  const auto index = static_cast<uint32_t>(messages_.size() - 1);
  of_device_[device].push_back(index);
  return index;
}

std::string Model::send_answered(uint32_t index, bool accepted, bool unknown, Moment now) {
  ModelMessage& message = messages_[index];
  if (accepted) message.accepted_at = now.step;
  // It was delivered and ended before this answer.
  if (message.presence == Presence::kNo) return {};
  if (accepted) {
    const bool open = message.may_have_ended || message.complete_asked || message.lossy;
    message.presence = open ? Presence::kMaybe : Presence::kYes;
    message.was_there = !message.may_have_ended;
  } else if (!unknown) {
    set_ended(message, 0);
  }
  return accepted ? check_depth(message.device, now.wall) : std::string();
}

// What is certainly in the queue must have had room there.
std::string Model::check_depth(uint32_t device, WallTime now) const {
  const auto there = std::ranges::count_if(of_device_.at(device), [&](uint32_t index) {
    const ModelMessage& message = messages_[index];
    return message.presence == Presence::kYes && message.expiry > now && !message.complete_asked &&
           !message.reject_asked;
  });
  if (static_cast<size_t>(there) <= kQueueDepthMax) return {};
  return fmt::format("{} messages wait for device {}", there, device);
}

std::string Model::refused(uint32_t index, ErrorCode code, WallTime now) const {
  const ModelMessage& message = messages_[index];
  const ModelDevice& device = devices_[message.device];
  const bool changed = device.uncertain || device.known_since > message.sent_at;
  bool right = true;
  if (code == ErrorCode::kDeviceNotFound) {
    right = changed || device.presence != Presence::kYes || !device.enabled;
  } else if (code == ErrorCode::kInvalidMessageExpiryTime) {
    right = message.expiry <= now;
  } else if (code == ErrorCode::kDeviceMaximumQueueDepthExceeded) {
    const auto& all = of_device_.at(message.device);
    right = std::ranges::count_if(all, [&](uint32_t other) {
              const ModelMessage& it = messages_[other];
              return it.presence != Presence::kNo || it.ended_at >= message.sent_at;
            }) > static_cast<std::ptrdiff_t>(kQueueDepthMax);
  } else {
    right = false;
  }
  if (right) return {};
  return fmt::format("message {} was refused without a reason: {}", index,
                     static_cast<int32_t>(code));
}

// Delivery.

// Whether `a` certainly came into the queue before `b`.
bool Model::before(uint32_t a, uint32_t b) const {
  const ModelMessage& first = messages_[a];
  const ModelMessage& second = messages_[b];
  if (first.source == second.source) return a < b;
  return first.accepted_at && *first.accepted_at < second.sent_at;
}

std::string Model::check_presence(const ModelDelivery& delivery) const {
  const uint32_t index = delivery.message;
  const ModelMessage& message = messages_[index];
  const ModelDevice& device = devices_[delivery.device];
  const Moment& sent = delivery.sent;
  if (message.device != delivery.device)
    return fmt::format("message {} came to another device", index);
  if (message.presence == Presence::kNo && sent.step >= message.ended_at) {
    return fmt::format("message {} was refused or had durably ended, and was delivered", index);
  }
  if (message.expiry <= sent.wall) {
    return fmt::format("message {} was delivered after its expiry", index);
  }
  if (device.uncertain || sent.step <= device.known_since) return {};
  if (device.presence == Presence::kNo) {
    return fmt::format("message {} was delivered to a deleted device", index);
  }
  if (!device.enabled) return fmt::format("message {} was delivered to a disabled device", index);
  if (!message.generation.empty() && message.generation != device.generation) {
    return fmt::format("message {} was delivered to a later device of the same name", index);
  }
  return {};
}

std::string Model::check_order(const ModelDelivery& delivery) const {
  const uint32_t index = delivery.message;
  if (messages_[index].abandoned) return {};
  static const std::vector<uint32_t> kNothing;
  const auto found = given_.find(delivery.connection);
  const auto& given = found == given_.end() ? kNothing : found->second;
  for (const uint32_t other : given) {
    if (other == index) return fmt::format("message {} came twice over a connection", index);
    if (!messages_[other].abandoned && before(index, other)) {
      return fmt::format("message {} came after message {}", index, other);
    }
  }
  // What is certainly there comes first.
  for (const uint32_t other : of_device_.at(delivery.device)) {
    const ModelMessage& older = messages_[other];
    if (older.presence != Presence::kYes || older.abandoned || older.complete_asked ||
        older.reject_asked || !before(other, index)) {
      continue;
    }
    if (*older.accepted_at >= delivery.sent.step || older.expiry <= delivery.sent.wall) continue;
    if (std::ranges::find(given, other) == given.end()) {
      return fmt::format("message {} came and message {} before it did not", index, other);
    }
  }
  return {};
}

// Abandons count, once each, and nothing else does.
std::string Model::check_count(const ModelDelivery& delivery) const {
  const ModelMessage& message = messages_[delivery.message];
  const auto count = delivery.delivery_count;
  if (!count || (message.abandons_told <= *count && *count <= message.abandons)) return {};
  return fmt::format("message {} came with the delivery count {} after {} to {} abandons",
                     delivery.message, *count, message.abandons_told, message.abandons);
}

std::string Model::delivered(const ModelDelivery& delivery) {
  const uint32_t index = delivery.message;
  if (index >= messages_.size()) return fmt::format("message {} was never sent", index);
  if (std::string wrong = check_presence(delivery); !wrong.empty()) return wrong;
  if (std::string wrong = check_order(delivery); !wrong.empty()) return wrong;
  if (std::string wrong = check_count(delivery); !wrong.empty()) return wrong;
  ModelMessage& message = messages_[index];
  const auto [life, step] = message.delivered_at;
  if (life == delivery.life && step < delivery.sent.step && !delivery.redelivered) {
    return fmt::format("message {} came again and was not marked so", index);
  }
  if (std::pair(delivery.life, delivery.sent.step) > message.delivered_at) {
    message.delivered_at = {delivery.life, delivery.sent.step};
  }
  given_[delivery.connection].push_back(index);
  return {};
}

// Ends.

void Model::set_ended(ModelMessage& message, uint64_t step) {
  message.ended_at = message.presence == Presence::kNo ? std::min(message.ended_at, step) : step;
  message.presence = Presence::kNo;
}

void Model::end_asked(uint32_t index, hub::Outcome outcome, WallTime now) {
  ModelMessage& message = messages_[index];
  message.ending = true;
  if (!message.complete_asked && !message.reject_asked) message.end_asked_at = now;
  (outcome == hub::Outcome::kSuccess ? message.complete_asked : message.reject_asked) = true;
}

void Model::end_answered(uint32_t index, hub::Outcome outcome, bool done, bool unknown,
                         uint64_t step) {
  ModelMessage& message = messages_[index];
  message.ending = false;
  if (done) {
    set_ended(message, step);
    if (wanted(message.ack, outcome))
      message.expects_feedback_until = message.end_asked_at + kFeedbackTtl;
  } else if (unknown && message.presence == Presence::kYes) {
    message.presence = Presence::kMaybe;
  }
}

void Model::acknowledged(uint32_t index, ConnectionNumber connection, WallTime now) {
  ModelMessage& message = messages_[index];
  if (!message.complete_asked) message.end_asked_at = now;
  message.complete_asked = true;
  if (message.presence == Presence::kYes) message.presence = Presence::kMaybe;
  message.acknowledged_on.push_back(connection);
  acknowledged_[connection].push_back(index);
}

void Model::abandon_asked(uint32_t index) {
  messages_[index].abandoned = true;
  ++messages_[index].abandons;
}

void Model::may_end(uint32_t device, bool purge, WallTime now) {
  for (const uint32_t index : of_device_[device]) {
    ModelMessage& message = messages_[index];
    if (message.presence == Presence::kNo) continue;
    message.presence = Presence::kMaybe;
    message.may_have_ended = true;
    message.may_have_ended_at = std::min(message.may_have_ended_at, now);
    message.purged |= purge;
  }
}

// What was there before the purge is gone, and its sender is told if nobody else has asked for its
// end.
void Model::purged(uint32_t device, Moment asked, uint64_t step) {
  for (const uint32_t index : of_device_[device]) {
    ModelMessage& message = messages_[index];
    if (message.presence == Presence::kNo || !message.accepted_at ||
        *message.accepted_at >= asked.step) {
      continue;
    }
    set_ended(message, step);
    const bool others = message.abandoned || message.complete_asked || message.reject_asked;
    if (!others && !message.lossy && wanted(message.ack, hub::Outcome::kPurged)) {
      // One whose answer a crash took may have done it before.
      message.expects_feedback_until =
          std::min({asked.wall, message.may_have_ended_at, message.expiry}) + kFeedbackTtl;
    }
  }
}

void Model::device_gone(uint32_t device, uint64_t step) {
  for (const uint32_t index : of_device_[device]) {
    ModelMessage& message = messages_[index];
    message.feedback_void = true;
    // What was sent over a connection and not answered may come to a later device.
    if (message.source == 0 || message.accepted_at) {
      set_ended(message, step);
    } else {
      message.may_have_ended = true;
    }
  }
}

void Model::crashed() {
  for (ModelMessage& message : messages_) {
    if (message.ending && message.presence == Presence::kYes) message.presence = Presence::kMaybe;
    message.ending = false;
  }
}

// Feedback.

std::string Model::feedback(uint32_t index, hub::Outcome outcome, Moment sent) {
  if (index >= messages_.size()) return fmt::format("feedback tells of message {}", index);
  ModelMessage& message = messages_[index];
  if (!wanted(message.ack, outcome))
    return fmt::format("feedback of message {} is unwanted", index);
  if (message.feedback_gone_at && sent.step >= *message.feedback_gone_at) {
    return fmt::format("accepted feedback of message {} came back", index);
  }
  const bool possible = outcome == hub::Outcome::kSuccess ? message.complete_asked || message.lossy
                        : outcome == hub::Outcome::kExpired  ? message.expiry <= sent.wall
                        : outcome == hub::Outcome::kPurged   ? message.purged
                        : outcome == hub::Outcome::kRejected ? message.reject_asked
                                                             : message.abandoned;
  if (!possible) return fmt::format("feedback of message {} tells what did not happen", index);
  message.feedback_seen = true;
  set_ended(message, sent.step);  // Its end is durable, whoever asked for it.
  if (outcome == hub::Outcome::kSuccess) completions_before(index, sent.step);
  return {};
}

// Acknowledgements of one connection are worked off in their order, so a durable one proves those
// before it. If the message was acknowledged on several connections, any of them may be the one.
void Model::completions_before(uint32_t index, uint64_t step) {
  const auto& connections = messages_[index].acknowledged_on;
  if (connections.empty()) return;
  const auto earlier = [&](ConnectionNumber connection) {
    const auto& all = acknowledged_[connection];
    return std::set<uint32_t>(all.begin(), std::ranges::find(all, index));
  };
  std::set<uint32_t> proven = earlier(connections.front());
  for (const ConnectionNumber connection : connections) {
    const auto too = earlier(connection);
    std::erase_if(proven, [&](uint32_t one) { return !too.contains(one); });
  }
  for (const uint32_t one : proven) set_ended(messages_[one], step);
}

void Model::feedback_accepted(uint32_t index, uint64_t step) {
  auto& gone = messages_[index].feedback_gone_at;
  if (!gone) gone = step;
}

// Until when the feedback of an end of the message must be there; nothing if there need not be any.
// What may have ended in more than one way counts only if each is to be told of.
std::optional<WallTime> Model::owed_until(const ModelMessage& message, WallTime now) const {
  if (message.feedback_void) return std::nullopt;
  if (message.expects_feedback_until) return message.expects_feedback_until;
  if (!message.was_there || message.may_have_ended || message.lossy) return std::nullopt;
  const bool ended = message.complete_asked || message.reject_asked;
  const bool expired = message.expiry <= now;
  if (expired && message.expiry > now - kSweepMax) return std::nullopt;
  if (!ended && !expired) return std::nullopt;
  if (message.complete_asked && !wanted(message.ack, hub::Outcome::kSuccess)) return std::nullopt;
  if (message.reject_asked && !wanted(message.ack, hub::Outcome::kRejected)) return std::nullopt;
  if (expired && !wanted(message.ack, hub::Outcome::kExpired)) return std::nullopt;
  // The decision is not older than the first thing that may have brought it about.
  const WallTime asked = ended ? message.end_asked_at : message.expiry;
  return (expired ? std::min(asked, message.expiry) : asked) + kFeedbackTtl;
}

std::string Model::finished(WallTime now, const std::set<uint32_t>& drained) const {
  for (uint32_t i = 0; i < messages_.size(); ++i) {
    const ModelMessage& message = messages_[i];
    if (message.presence == Presence::kYes && message.expiry > now && !drained.contains(i)) {
      return fmt::format("acknowledged message {} is lost", i);
    }
    if (!message.feedback_seen && owed_until(message, now).value_or(now) > now) {
      return fmt::format("the feedback of message {} is lost", i);
    }
  }
  return {};
}

}  // namespace linarite::sim
