// Brings the partitions' feedback to the receivers that have credit, wherever they are.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "base/loop.h"
#include "hub/feedback.h"
#include "hub/partition.h"

namespace linarite::hub {

using ReceiverId = uint64_t;

// Owned by Hub and used on one loop, the dispatcher's; partitions and receivers are reached by
// posts.
class FeedbackDispatcher {
 public:
  FeedbackDispatcher(Loop& loop, const std::vector<Partition*>& partitions);

  Loop& loop() const { return loop_; }

  // A partition says that it may have something.
  void available(size_t partition);

  struct Receiver {
    Loop* loop;
    std::function<void(FeedbackBatch)> on_batch;
    // Set on the receiver's loop when it closes, so that a batch already posted is not handed over.
    std::shared_ptr<bool> closed;
    uint32_t credit = 0;
  };
  void open(ReceiverId id, Receiver receiver);
  void add_credit(ReceiverId id, uint32_t credit);
  uint32_t drain_credit(ReceiverId id);
  void close(ReceiverId id);

  // One batch without a receiver. Each call begins with another partition, so that none whose records
  // come quickly keeps those of the others waiting.
  void take_one(Reply<std::optional<FeedbackBatch>> reply);

 private:
  void dispatch();
  void ask(size_t partition);
  void answered(size_t partition, ReceiverId id, std::optional<FeedbackBatch> batch);
  std::map<ReceiverId, Receiver>::iterator next_receiver();
  // From this partition or one of the `others` after it.
  void take_from(size_t partition, size_t others, Reply<std::optional<FeedbackBatch>> reply);

  struct Source {
    Partition* partition;
    bool available = true;  // At first nobody has looked: an earlier run may have left something.
    bool asked = false;
  };
  Loop& loop_;
  std::vector<Source> sources_;
  std::map<ReceiverId, Receiver> receivers_;
  uint64_t credit_ = 0;  // Of all receivers.
  uint64_t asked_ = 0;   // Batches asked for and not yet answered.
  ReceiverId last_served_ = 0;
  size_t next_source_ = 0;
  size_t next_taken_ = 0;
};

}  // namespace linarite::hub
