#include "base/manual_loop.h"

#include <utility>

#include "base/check.h"

namespace linarite {
namespace {

// The loop whose task this thread runs right now.
thread_local const ManualLoop* running_loop = nullptr;

}  // namespace

ManualLoop::ManualLoop(ManualClock& clock) : clock_(clock) {}

ManualLoop::~ManualLoop() { stop(); }

void ManualLoop::post(Task task) {
  // A refused task is destroyed by the caller, after the lock is released: what it holds may post.
  const std::lock_guard lock(mutex_);
  if (stopped_) return;
  tasks_.push_back(std::move(task));
  posted_.notify_all();
}

TimerId ManualLoop::run_at(Instant when, Task task) {
  CHECK(in_loop());
  return timers_.add(when, std::move(task));
}

void ManualLoop::cancel(TimerId timer) {
  CHECK(in_loop());
  timers_.cancel(timer);
}

bool ManualLoop::in_loop() const {
  if (running_loop != nullptr) return running_loop == this;
  return std::this_thread::get_id() == owner_;
}

Task ManualLoop::take_posted() {
  const std::lock_guard lock(mutex_);
  if (tasks_.empty()) return {};
  Task task = std::move(tasks_.front());
  tasks_.pop_front();
  return task;
}

void ManualLoop::run(Task task) {
  CHECK(std::this_thread::get_id() == owner_);
  const ManualLoop* outer = std::exchange(running_loop, this);
  task();
  task = nullptr;  // What the task holds is destroyed on its loop, too.
  running_loop = outer;
}

bool ManualLoop::run_one() {
  Task task = take_posted();
  if (!task) task = timers_.take_due(clock_.now());
  if (!task) return false;
  run(std::move(task));
  return true;
}

bool ManualLoop::has_work() const {
  const auto due = timers_.next();
  if (due && *due <= clock_.now()) return true;
  const std::lock_guard lock(mutex_);
  return !tasks_.empty();
}

size_t ManualLoop::run_until_idle() {
  size_t count = 0;
  while (run_one()) {
    ++count;
    CHECK(count < kTasksAtOnceMax);
  }
  return count;
}

size_t ManualLoop::run_for(Duration by) {
  const Instant end = clock_.now() + by;
  size_t count = run_until_idle();
  for (auto next = timers_.next(); next && *next <= end; next = timers_.next()) {
    clock_.advance(*next - clock_.now());
    count += run_until_idle();
    CHECK(count < kTasksAtOnceMax);
  }
  if (end > clock_.now()) clock_.advance(end - clock_.now());
  return count;
}

void ManualLoop::wait_for_task() {
  std::unique_lock lock(mutex_);
  CHECK(!stopped_);
  posted_.wait(lock, [this] { return !tasks_.empty(); });
}

void ManualLoop::drop_all() {
  std::deque<Task> dropped;
  {
    const std::lock_guard lock(mutex_);
    dropped.swap(tasks_);
  }
  timers_ = TimerQueue();
}

void ManualLoop::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  drop_all();
}

}  // namespace linarite
