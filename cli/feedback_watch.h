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

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
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
  static constexpr Duration kPauseMin = std::chrono::milliseconds(100);
  static constexpr Duration kPauseMax = std::chrono::seconds(1);
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

  // To be done in this order.
  struct Actions {
    std::vector<boost::json::object> show;  // Records, each once.
    std::vector<std::string> complete;      // Lock tokens.
    std::vector<std::string> give_back;     // Lock tokens.
    Duration pause{0};                      // Before the hub is asked again.
    bool done = false;
  };
  Actions on_batch(std::string token, const boost::json::array& records);
  Actions on_nothing();
  // The search ends for another reason: what to give back.
  std::vector<std::string> held() const { return {held_.begin(), held_.end()}; }

 private:
  bool asked_for(const boost::json::object& record) const;
  void hold(std::string token, Actions& out);

  const Filter filter_;
  Duration pause_ = kPauseMin;
  Duration rest_ = kRestMin;
  std::deque<std::string> held_;
  std::unordered_map<std::string, int> takes_;  // Of others' records, by their text.
  std::unordered_set<std::string> shown_;       // Of mixed batches.
};

}  // namespace linarite::cli
