#include "sim/model.h"

#include <fmt/format.h>

namespace linarite::sim {
namespace {

// The hub's default. It counts from the decision, which is made when the end is asked for.
constexpr std::chrono::hours kFeedbackTtl{1};

bool wanted(wire::Ack ack, hub::Outcome outcome) {
  if (ack == wire::Ack::kFull) return true;
  return ack == (outcome == hub::Outcome::kSuccess ? wire::Ack::kPositive : wire::Ack::kNegative);
}

}  // namespace

uint32_t Model::sent(uint32_t device, wire::Ack ack, WallTime expiry) {
  messages_.push_back(
      {.device = device,
       .generation = devices_[device].uncertain ? std::string() : devices_[device].generation,
       .ack = ack,
       .expiry = expiry});
  return static_cast<uint32_t>(messages_.size() - 1);
}

void Model::send_answered(uint32_t index, bool accepted, bool unknown) {
  ModelMessage& message = messages_[index];
  if (message.presence == Presence::kNo) return;  // It was delivered and ended before this answer.
  if (accepted) {
    message.presence = message.may_have_ended ? Presence::kMaybe : Presence::kYes;
  } else if (!unknown) {
    message.presence = Presence::kNo;
  }
}

std::string Model::delivered(uint32_t index, uint32_t device, bool redelivered, WallTime now) {
  if (index >= messages_.size()) return fmt::format("message {} was never sent", index);
  ModelMessage& message = messages_[index];
  if (message.device != device) return fmt::format("message {} came to another device", index);
  if (message.presence == Presence::kNo) {
    return fmt::format("message {} was refused or had durably ended, and was delivered", index);
  }
  if (message.expiry <= now) return fmt::format("message {} was delivered after its expiry", index);
  if (!devices_[device].uncertain && devices_[device].presence == Presence::kNo) {
    return fmt::format("message {} was delivered to a deleted device", index);
  }
  if (!devices_[device].uncertain && !message.generation.empty() &&
      message.generation != devices_[device].generation) {
    return fmt::format("message {} was delivered to a later device of the same name", index);
  }
  if (!message.abandoned && !redelivered) {
    auto& last = last_in_session_[device];
    if (last && *last > index) {
      return fmt::format("message {} came after message {}", index, *last);
    }
    last = index;
  }
  return {};
}

void Model::end_answered(uint32_t index, hub::Outcome outcome, bool done, bool unknown) {
  ModelMessage& message = messages_[index];
  message.ending = false;
  if (done) {
    message.presence = Presence::kNo;
    if (wanted(message.ack, outcome))
      message.expects_feedback_until = message.end_asked_at + kFeedbackTtl;
  } else if (unknown) {
    message.presence = Presence::kMaybe;
  }
}

void Model::may_end(uint32_t device) {
  for (ModelMessage& message : messages_) {
    if (message.device != device || message.presence == Presence::kNo) continue;
    message.presence = Presence::kMaybe;
    message.may_have_ended = true;
  }
}

std::string Model::feedback(uint32_t index, hub::Outcome outcome) {
  if (index >= messages_.size()) return fmt::format("feedback tells of message {}", index);
  ModelMessage& message = messages_[index];
  if (!wanted(message.ack, outcome))
    return fmt::format("feedback of message {} is unwanted", index);
  if (message.feedback_gone) return fmt::format("accepted feedback of message {} came back", index);
  message.feedback_seen = true;
  message.presence = Presence::kNo;  // Its end is durable, whoever asked for it.
  return {};
}

void Model::device_gone(uint32_t device) {
  for (ModelMessage& message : messages_) {
    if (message.device != device) continue;
    message.presence = Presence::kNo;
    message.expects_feedback_until.reset();
  }
}

void Model::crashed() {
  for (ModelMessage& message : messages_) {
    if (message.ending) message.presence = Presence::kMaybe;
    message.ending = false;
  }
}

std::string Model::finished(WallTime now, const std::set<uint32_t>& drained,
                            bool feedback_complete) const {
  for (uint32_t i = 0; i < messages_.size(); ++i) {
    const ModelMessage& message = messages_[i];
    if (message.presence == Presence::kYes && message.expiry > now && !drained.contains(i)) {
      return fmt::format("acknowledged message {} is lost", i);
    }
    if (feedback_complete && message.expects_feedback_until.value_or(now) > now &&
        !message.feedback_seen) {
      return fmt::format("the feedback of message {} is lost", i);
    }
  }
  return {};
}

}  // namespace linarite::sim
