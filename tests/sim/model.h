// What must be true of a hub, kept as simply as possible beside it: the simulator tells the model
// everything that was asked and answered, and the model says when the hub breaks its contract
// (docs/contract.md). It knows nothing of how the hub works.
//
// Clients see late what the hub did: its bytes were on their way. So what is seen is judged by the
// time at which the hub sent it, and what is known counts from the time at which the hub said it.
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

// When something happened: by the clock, and by the number of the step of the hub's work, which
// tells what came before what.
struct Moment {
  WallTime wall;
  uint64_t step = 0;
};

// Who sent a message or received it: connections have numbers, all different, from 1 on. 0 is the
// hub's own interface, where nothing is ever on its way.
using ConnectionNumber = uint64_t;

struct ModelMessage {
  uint32_t device;
  ConnectionNumber source;
  uint64_t sent_at;  // Step in which it was sent.
  wire::Ack ack;
  WallTime expiry;
  std::string generation{};  // Empty if it was not known when the message was sent.
  Presence presence = Presence::kMaybe;
  std::optional<uint64_t> accepted_at{};  // Step in which that was known.
  uint64_t ended_at = 0;        // Of a presence kNo: not sent to a device from this step on.
  bool was_there = false;       // It was accepted, and nothing that ends messages ran before.
  bool ending = false;          // An end was asked for and not answered.
  bool may_have_ended = false;  // Something that ends messages ran before the send was answered.
  WallTime may_have_ended_at = WallTime::max();  // That, at the soonest.
  bool purged = false;          // A purge was asked for while it may have been there.
  bool complete_asked = false;  // A device acknowledged it.
  bool reject_asked = false;
  WallTime end_asked_at{};     // The first time.
  bool abandoned = false;      // At least once: its place in the order is then its own.
  uint32_t abandons = 0;       // Asked for.
  uint32_t abandons_told = 0;  // Durable.
  bool lossy = false;          // For a device that takes messages without acknowledging them.
  // A durable end was answered and the sender wanted to know: until its feedback expires.
  std::optional<WallTime> expects_feedback_until{};
  bool feedback_seen = false;
  bool feedback_void = false;                  // The device was deleted: nobody is told any more.
  std::optional<uint64_t> feedback_gone_at{};  // A receiver accepted it, durably.
  // The run of the hub in which it was last handed to a connection, and the step.
  std::pair<uint64_t, uint64_t> delivered_at{};
  std::vector<ConnectionNumber> acknowledged_on{};
};

struct ModelDevice {
  Presence presence = Presence::kNo;
  bool enabled = true;
  bool uncertain = false;    // A write was not answered: any of the states it could lead to.
  uint64_t version = 0;      // Rises when a write is asked for.
  uint64_t known_since = 0;  // Step in which the last write was answered.
  bool lossy = false;        // It subscribes with QoS 0.
  std::string generation{};  // Of the identity that was last answered.
  std::string etag{};
  std::string former_etag{};  // The one before; empty if there is none that is known.
};

// What a device was given.
struct ModelDelivery {
  uint32_t message;
  uint32_t device;
  ConnectionNumber connection;
  uint64_t life;     // The run of the hub that sent it.
  bool redelivered;  // So it was marked.
  Moment sent;
  std::optional<uint32_t> delivery_count{};  // If the device can see it.
};

class Model {
 public:
  explicit Model(size_t devices) : devices_(devices) {}

  // Each check returns an empty text, or what is wrong.
  uint32_t sent(uint32_t device, wire::Ack ack, WallTime expiry, ConnectionNumber source,
                uint64_t step);
  std::string send_answered(uint32_t message, bool accepted, bool unknown, Moment now);
  // Whether a refusal for this reason can be right.
  std::string refused(uint32_t message, ErrorCode code, WallTime now) const;

  std::string delivered(const ModelDelivery& delivery);
  // A connection gets each message once and in order: from here on.
  void connection_started(ConnectionNumber connection) { given_.erase(connection); }
  void end_asked(uint32_t message, hub::Outcome outcome, WallTime now);
  void end_answered(uint32_t message, hub::Outcome outcome, bool done, bool unknown, uint64_t step);
  // A device acknowledged it over a connection: nothing answers that.
  void acknowledged(uint32_t message, ConnectionNumber connection, WallTime now);
  void abandon_asked(uint32_t message);
  void abandon_answered(uint32_t message) { ++messages_[message].abandons_told; }
  // A purge, a deletion or a last abandon may end any message of the device.
  void may_end(uint32_t device, bool purge, WallTime now);
  // A purge that was asked for at `asked` has been answered.
  void purged(uint32_t device, Moment asked, uint64_t step);

  std::string feedback(uint32_t message, hub::Outcome outcome, Moment sent);
  void feedback_accepted(uint32_t message, uint64_t step);

  void device_gone(uint32_t device, uint64_t step);  // Its deletion was answered.
  // Whatever was asked and not answered has an unknown fate from now on.
  void crashed();

  // At the end, when everything was drained: all that must be there was seen.
  std::string finished(WallTime now, const std::set<uint32_t>& drained) const;

  ModelDevice& device(uint32_t index) { return devices_[index]; }
  const ModelMessage& message(uint32_t index) const { return messages_[index]; }
  size_t device_count() const { return devices_.size(); }
  size_t message_count() const { return messages_.size(); }

 private:
  std::string check_presence(const ModelDelivery& delivery) const;
  std::string check_order(const ModelDelivery& delivery) const;
  std::string check_count(const ModelDelivery& delivery) const;
  std::string check_depth(uint32_t device, WallTime now) const;
  bool before(uint32_t a, uint32_t b) const;
  std::optional<WallTime> owed_until(const ModelMessage& message, WallTime now) const;
  void set_ended(ModelMessage& message, uint64_t step);
  void completions_before(uint32_t message, uint64_t step);

  std::vector<ModelDevice> devices_;
  std::vector<ModelMessage> messages_;
  std::map<uint32_t, std::vector<uint32_t>> of_device_;
  // What each connection was given so far, and what was acknowledged on it.
  std::map<ConnectionNumber, std::vector<uint32_t>> given_;
  std::map<ConnectionNumber, std::vector<uint32_t>> acknowledged_;
};

}  // namespace linarite::sim
