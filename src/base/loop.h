// The event loop as the product sees it: a queue of tasks, timers and a clock. net implements it
// over Asio, the simulator over a seed. Every object of ours belongs to exactly one loop; another
// loop never touches it, it posts.
#pragma once

#include <cstdint>
#include <functional>

#include "base/time.h"

namespace linarite {

using Task = std::move_only_function<void()>;
using TimerId = uint64_t;  // 0 is no timer.

class Loop {
 public:
  virtual ~Loop() = default;

  // Runs `task` on this loop, after the current one. Any thread. Tasks posted from one thread run
  // in the order of their posts. After the loop has stopped, tasks are destroyed without being run.
  virtual void post(Task task) = 0;

  // Runs `task` once `when` has come (never before, possibly later). Loop thread only.
  virtual TimerId run_at(Instant when, Task task) = 0;
  // Forgets a timer; a no-op for one that has run, was cancelled, or is 0. Loop thread only.
  virtual void cancel(TimerId timer) = 0;

  // True on the thread that runs this loop.
  virtual bool in_loop() const = 0;
  virtual const Clock& clock() const = 0;

  // Runs the task at once when already on this loop, else posts it.
  void dispatch(Task task) {
    if (in_loop()) {
      task();
    } else {
      post(std::move(task));
    }
  }
  TimerId run_after(Duration delay, Task task) {
    return run_at(clock().now() + delay, std::move(task));
  }
};

// A callback together with the loop it must run on. Calling it posts there (or runs at once when
// already there). Call it at most once.
template <class... Args>
class Reply {
 public:
  Reply(Loop& loop, std::move_only_function<void(Args...)> callback)
      : loop_(&loop), callback_(std::move(callback)) {}

  void operator()(Args... args) {
    if (loop_->in_loop()) {
      callback_(std::move(args)...);
      return;
    }
    loop_->post([callback = std::move(callback_), ... args = std::move(args)]() mutable {
      callback(std::move(args)...);
    });
  }
  Loop& loop() const { return *loop_; }

 private:
  Loop* loop_;
  std::move_only_function<void(Args...)> callback_;
};

}  // namespace linarite
