// Operations on a hub, one after the other: begun when fewer than a window are under way (closed
// loop) or when each is due (open loop), counted, and timed from when they were due.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/time.h"
#include "cli/bench/ledger.h"
#include "cli/failure.h"
#include "cli/latencies.h"

namespace linarite::cli {

// What a load did between open_window() and close_window().
struct LoadFigures {
  std::string name;
  uint64_t begun = 0;     // Since start(), as are mistakes.
  uint64_t count = 0;     // Ended in the window.
  uint64_t behind = 0;    // Open loop: due before the end of the window, and not begun by then.
  uint64_t repeated = 0;  // Messages that came again and were marked as that.
  Mistakes mistakes;
  std::optional<Failure> first_refusal;
  // Of the operations that were due in the window, whenever they ended.
  std::vector<std::pair<std::string, Latencies>> latencies;
};

class Load {
 public:
  // Of an open loop: operations under way at most. Beyond that the rate is not kept, and the
  // latencies say so, for they count from when an operation was due.
  static constexpr uint64_t kUnderWayMax = 100'000;
  // A load with that many mistakes ends.
  static constexpr uint64_t kMistakesMax = 100;

  struct Options {
    std::string name;
    double rate = 0;                     // A second; 0: a closed loop.
    uint64_t window = 1;                 // Of a closed loop.
    uint64_t operations = 0;             // If not 0: no more than that.
    std::vector<std::string> latencies;  // What is timed: "accepted", "delivered".
  };
  // `clock` outlives the load.
  Load(const Clock& clock, Options options);
  virtual ~Load() = default;
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  // Begins operations from now on.
  void start();
  // Begins none any more.
  void stop() { running_ = false; }
  // Begins whatever may begin now. Called by the load itself when an operation ended, and by its
  // owner at next_due().
  void pump();
  // Of an open loop that runs: when the next operation is due.
  std::optional<Instant> next_due() const;
  // Nothing is under way, and nothing more will be.
  bool is_over() const;

  void open_window();
  void close_window();
  // Called when the load has come to its end.
  void on_over(std::function<void()> callback) { on_over_ = std::move(callback); }
  // Something without which it cannot go on is not there: it ends.
  void fail(Failure why);
  // Nothing that is under way will end: it counts as a mistake.
  virtual void give_up() { mistakes_.refused += std::exchange(under_way_, 0); }
  // Whether enough went wrong to end it.
  bool has_failed() const { return failed_ || mistakes().total() >= kMistakesMax; }
  virtual LoadFigures figures() const;

  // Of the first of the latencies, as far as they have come.
  const Latencies& first_latencies() const { return latencies_.front().second; }
  bool has_limit() const { return options_.operations > 0; }
  const std::string& name() const { return options_.name; }
  uint64_t done() const { return done_; }
  uint64_t under_way() const { return under_way_; }

 protected:
  // Begins operation `number`. False: there is no room for it, and pump() will be called when there
  // is.
  virtual bool begin(uint64_t number, Instant due) = 0;
  // An operation is over; the next may begin.
  void finish();
  void time(size_t which, Instant due);
  void keep_refusal(Failure why);
  virtual Mistakes mistakes() const { return mistakes_; }
  void count_mistake(uint64_t Mistakes::* kind) { ++(mistakes_.*kind); }
  const Clock& clock() const { return clock_; }

 private:
  bool may_begin(Instant now) const;
  Instant due(uint64_t number) const;
  uint64_t due_until(Instant now) const;

  const Clock& clock_;
  const Options options_;
  bool running_ = false;
  bool pumping_ = false;
  bool failed_ = false;
  std::function<void()> on_over_;
  Instant started_;
  std::optional<Instant> window_begin_, window_end_;
  uint64_t begun_ = 0;
  uint64_t done_ = 0;
  uint64_t under_way_ = 0;
  uint64_t count_ = 0;
  uint64_t behind_ = 0;
  Mistakes mistakes_;
  std::optional<Failure> first_refusal_;
  std::vector<std::pair<std::string, Latencies>> latencies_;
};

}  // namespace linarite::cli
