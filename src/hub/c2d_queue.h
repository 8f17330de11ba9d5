// The cloud-to-device queue of one device, as an index in memory of what lies in the store
// (device-protocol 6). It decides nothing about time or rights and writes nothing: the partition
// asks it for the next message and tells it what became durable.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "wire/c2d_message.h"

namespace linarite::hub {

struct QueuedMessage {
  enum class State : uint8_t {
    kCommitting,  // Enqueue not yet durable: not to be delivered.
    kReady,
    kLocked,      // Delivered and not settled.
    kRemoving,    // Its end is decided and not yet durable.
    kUnreadable,  // Its record is damaged: kept, never delivered.
    kRemoved,     // A place in the vector that waits to be dropped.
  };
  uint64_t sequence = 0;
  uint64_t nonce = 0;  // Of the lock while kLocked.
  WallTime expiry;
  WallTime enqueued;                         // Known while `cached` is.
  std::unique_ptr<wire::C2dMessage> cached;  // If null the store has it.
  std::unique_ptr<std::string> id;           // Message id for feedback, once it was seen.
  uint32_t size = 0;
  uint32_t delivery_count = 0;
  State state = State::kCommitting;
  wire::Ack ack = wire::Ack::kNone;
  bool linked = false;     // While kLocked: by the connection, else by receive().
  bool delivered = false;  // At least once.
};

// Pointers to messages are good until the next add() or remove().
class C2dQueue {
 public:
  using State = QueuedMessage::State;

  // Sequence numbers rise from one call to the next.
  QueuedMessage& add(QueuedMessage message);
  QueuedMessage* find(uint64_t sequence);
  // The oldest message that is ready, in amortised constant time.
  QueuedMessage* next_ready();
  // Puts a message back into its place.
  void make_ready(QueuedMessage& message);
  void remove(QueuedMessage& message);

  uint32_t depth() const { return depth_; }  // Enqueued, locked and not yet durably removed.
  uint64_t bytes() const { return bytes_; }
  bool empty() const { return depth_ == 0; }
  // The earliest expiry of what may still expire.
  std::optional<WallTime> earliest_expiry() const;

  // Calls f(QueuedMessage&) for each message in order; f must not add or remove.
  template <class F>
  void for_each(F f) {
    for (size_t i = head_; i < messages_.size(); ++i) {
      if (messages_[i].state != State::kRemoved) f(messages_[i]);
    }
  }

 private:
  void drop_removed_front();
  std::vector<QueuedMessage> messages_;  // By sequence; those before head_ are gone.
  size_t head_ = 0;
  size_t cursor_ = 0;  // No message before it is ready.
  uint32_t depth_ = 0;
  uint64_t bytes_ = 0;
};

}  // namespace linarite::hub
