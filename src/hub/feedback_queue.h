// The pending feedback of one partition: records wait in the order of their outcomes, leave in
// batches under a lock, and end when a receiver accepts them, their time runs out, their device is
// deleted or they were given back too often (service-protocol 3.1).
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/loop.h"
#include "base/random.h"
#include "hub/feedback.h"
#include "hub/metrics.h"
#include "hub/options.h"
#include "store/store.h"

namespace linarite::hub {

// Owned by a Partition and used on its loop only.
class FeedbackQueue {
 public:
  struct Parts {
    store::PartitionId partition;
    const FeedbackOptions& options;
    store::Store& store;
    Loop& loop;
    Random& random;
    Metrics& metrics;
    // Whether the device that a record tells of still has this generation.
    std::function<bool(const FeedbackRecord&)> device_exists;
  };
  explicit FeedbackQueue(Parts parts);

  // Called whenever records may be ready to be taken. Set once.
  void on_available(std::function<void()> notify) { notify_ = std::move(notify); }

  // Adds a record that has just become durable (or was loaded) under this sequence number.
  void add(uint64_t sequence, FeedbackRecord record);
  void add_loaded(uint64_t sequence, const FeedbackRecord& record);

  // Locks up to kFeedbackBatchMax records for `receiver` (0 for none). Nothing if none is ready, or
  // if batching is on and the batch is not yet due.
  std::optional<FeedbackBatch> take(uint64_t receiver);
  // kDeviceMessageLockLost if the token does not fit a lock. kAccept and kReject answer once the
  // records are durably gone.
  using Answer = std::move_only_function<void(Status)>;
  void settle(const FeedbackToken& token, FeedbackSettlement how, Answer answer);
  // Gives back what `receiver` holds, delivery counts unchanged.
  void release_all(uint64_t receiver);

  // Gives back a batch that reached no receiver: its delivery count stays.
  void return_untouched(const FeedbackToken& token);

  size_t size() const { return records_.size(); }

 private:
  struct Entry {
    uint64_t sequence;
    WallTime expires;
    uint32_t delivery_count = 0;
    enum class State : uint8_t { kReady, kLocked, kGone } state = State::kReady;
    std::unique_ptr<FeedbackRecord> cached;  // If null the store has it.
  };
  struct Lock {
    uint64_t receiver;
    std::vector<uint64_t> sequences;
    TimerId timer;
  };
  struct TokenHash {
    size_t operator()(const FeedbackToken& token) const;
  };

  Entry* find(uint64_t sequence);
  bool due();
  bool load(Entry& entry);
  FeedbackToken new_token();
  void give_back(const std::vector<uint64_t>& sequences, bool count);
  void drop(std::vector<uint64_t> sequences, Answer answer);
  void forget(const std::vector<uint64_t>& sequences);
  void drop_expired();
  void notify() const {
    if (notify_) notify_();
  }

  Parts parts_;
  std::function<void()> notify_;
  std::deque<Entry> records_;  // By sequence.
  size_t ready_ = 0;
  uint64_t first_ready_ = 0;  // No record below this sequence number is ready.
  std::unordered_map<FeedbackToken, Lock, TokenHash> locks_;
  Instant last_batch_;
  TimerId batch_timer_ = 0;
  TimerId expiry_timer_ = 0;
  size_t cached_count_ = 0;
};

}  // namespace linarite::hub
