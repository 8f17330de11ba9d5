// Looks for feedback in the hub's one feedback queue without taking what others wait for.
//
// The hub hands out batches under a lock; a batch is completed or given back as a whole, comes back
// by itself when its lock ends, and each return counts: after about ten of them the hub drops it
// (service-protocol 3.1, 3.2). So:
//   - a batch of which everything was asked for is shown and completed;
//   - any other is held under its lock while the search goes on, or its records would be first in
//     the queue again and hide what comes after them; it is given back when the search ends;
//   - when a record has come kTakesMax times, all is given back and the search rests, longer each
//     time, so that no other's record reaches the hub's limit.
//
// A pure state machine: what came in, what to do out.
#pragma once

#include <linarite/feedback.h>

#include <cstdint>
#include <deque>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/time.h"
#include "cli/arguments.h"

namespace linarite::cli {

class FeedbackWatch {
 public:
  static constexpr Duration kRestMin = std::chrono::seconds(60);
  static constexpr Duration kRestMax = std::chrono::minutes(15);
  static constexpr int kTakesMax = 4;
  static constexpr size_t kHeldMax = 256;     // Batches; of more, the oldest is given back.
  static constexpr size_t kNotedMax = 65536;  // Records; then all notes start anew.

  // What is asked for; both empty: everything. With a message id the search ends when it is found.
  struct Filter {
    Text device_id;
    Text message_id;
  };
  explicit FeedbackWatch(Filter filter) : filter_(std::move(filter)) {}

  // By which the caller knows a batch; never used twice.
  using BatchNumber = uint64_t;

  // To be done in this order.
  struct Actions {
    std::vector<feedback_record> show;  // Each once.
    std::vector<BatchNumber> complete;
    std::vector<BatchNumber> give_back;
    Duration pause{0};  // Before the next batch is asked for.
    bool done = false;
  };
  Actions on_batch(BatchNumber batch, const std::vector<feedback_record>& records);
  // What is neither completed nor given back yet.
  std::vector<BatchNumber> held() const { return {held_.begin(), held_.end()}; }

 private:
  bool asked_for(const feedback_record& record) const;
  void hold(BatchNumber batch, Actions& out);

  const Filter filter_;
  Duration rest_ = kRestMin;
  std::deque<BatchNumber> held_;
  std::unordered_map<std::string, int> takes_;  // Of others' records, by their text.
  std::unordered_set<std::string> shown_;       // Of mixed batches.
};

}  // namespace linarite::cli
