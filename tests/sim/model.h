// What must be true of a hub, kept as simply as possible beside it: the simulator tells the model
// everything that was asked and answered, and the model says when the hub breaks its contract
// (docs/contract.md). It knows nothing of how the hub works.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/time.h"
#include "hub/feedback.h"
#include "wire/c2d_message.h"

namespace linarite::sim {

// Whether something is in the hub: known by an answer, or not known because none came.
enum class Presence : uint8_t { kNo, kMaybe, kYes };

struct ModelMessage {
  uint32_t device;
  std::string generation;  // Empty if it was not known when the message was sent.
  wire::Ack ack;
  WallTime expiry;
  Presence presence = Presence::kMaybe;
  bool ending = false;          // An end was asked for and not answered.
  bool may_have_ended = false;  // Something that ends messages ran before the send was answered.
  WallTime end_asked_at;
  bool abandoned = false;  // At least once: its place in the order is then its own.
  // A durable end was answered and the sender wanted to know: until its feedback expires.
  std::optional<WallTime> expects_feedback_until;
  bool feedback_seen = false;
  bool feedback_gone = false;  // A receiver accepted it, durably.
};

struct ModelDevice {
  Presence presence = Presence::kNo;
  bool enabled = true;
  bool uncertain = false;  // A write was not answered: any of the states it could lead to.
  std::string generation;  // Of the identity that was last answered.
};

class Model {
 public:
  explicit Model(size_t devices) : devices_(devices) {}

  // Each check returns an empty text, or what is wrong.
  uint32_t sent(uint32_t device, wire::Ack ack, WallTime expiry);
  void send_answered(uint32_t message, bool accepted, bool unknown);

  std::string delivered(uint32_t message, uint32_t device, bool redelivered, WallTime now);
  void session_started(uint32_t device) { last_in_session_[device].reset(); }
  void end_asked(uint32_t message, WallTime now) {
    messages_[message].ending = true;
    messages_[message].end_asked_at = now;
  }
  void end_answered(uint32_t message, hub::Outcome outcome, bool done, bool unknown);
  void abandon_asked(uint32_t message) { messages_[message].abandoned = true; }
  // A purge, an expiry sweep or a last abandon may end any message of the device.
  void may_end(uint32_t device);

  std::string feedback(uint32_t message, hub::Outcome outcome);
  void feedback_accepted(uint32_t message) { messages_[message].feedback_gone = true; }

  void device_gone(uint32_t device);  // Its deletion was answered.
  // Whatever was asked and not answered has an unknown fate from now on.
  void crashed();

  // At the end, when everything was drained: all that must be there was seen.
  std::string finished(WallTime now, const std::set<uint32_t>& drained,
                       bool feedback_complete) const;

  ModelDevice& device(uint32_t index) { return devices_[index]; }
  const ModelMessage& message(uint32_t index) const { return messages_[index]; }
  size_t device_count() const { return devices_.size(); }
  size_t message_count() const { return messages_.size(); }

 private:
  std::vector<ModelDevice> devices_;
  std::vector<ModelMessage> messages_;
  // The last message of the device that its present connection saw for the first time, for the
  // order.
  std::map<uint32_t, std::optional<uint32_t>> last_in_session_;
};

}  // namespace linarite::sim
