// A Loop that runs only when told to: for tests and for the simulator. Its time is a ManualClock,
// which several loops may share.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>

#include "base/clock.h"
#include "base/loop.h"
#include "base/timer_queue.h"

namespace linarite {

// Used by the thread that made it; post() may be called from any thread.
class ManualLoop final : public Loop {
 public:
  // A test whose loop ran more tasks than this in one call would never have ended.
  static constexpr size_t kTasksAtOnceMax = 50'000'000;

  explicit ManualLoop(ManualClock& clock);
  ~ManualLoop() override;

  void post(Task task) override;
  TimerId run_at(Instant when, Task task) override;
  void cancel(TimerId timer) override;
  // True while a task of this loop runs, and, on the thread that made the loop, while no task of
  // any ManualLoop runs: the body of a test counts as being on every loop that it drives.
  bool in_loop() const override;
  const Clock& clock() const override { return clock_; }

  // Runs one posted task, or else one due timer. False if there was neither.
  bool run_one();
  // Whether run_one() would run something. Owner thread only.
  bool has_work() const;
  // Runs posted tasks and due timers, and whatever they post, until none is left. Returns how many.
  size_t run_until_idle();
  // Moves the clock forward by `by`, stopping at each timer of this loop on the way so that it
  // fires at its own time. Returns how many tasks ran.
  size_t run_for(Duration by);
  // Blocks until a task has been posted, by another thread if need be. Runs nothing.
  void wait_for_task();
  // Runs tasks, waiting for other threads to post them, until `reached` is true.
  template <class Predicate>
  void run_until(Predicate reached) {
    while (!reached()) {
      if (!run_one()) wait_for_task();
    }
  }

  // The earliest deadline, if a timer is set. Owner thread only.
  std::optional<Instant> next_timer() const { return timers_.next(); }
  // Destroys all tasks and timers without running them. For a simulated restart.
  void drop_all();
  // The same, and so do all later posts. For a simulated crash.
  void stop();

 private:
  void run(Task task);
  Task take_posted();

  ManualClock& clock_;
  const std::thread::id owner_ = std::this_thread::get_id();
  TimerQueue timers_;

  mutable std::mutex mutex_;
  std::condition_variable posted_;
  std::deque<Task> tasks_;  // Guarded by mutex_.
  bool stopped_ = false;    // Guarded by mutex_.
};

}  // namespace linarite
