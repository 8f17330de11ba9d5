#include "net/asio_loop.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <optional>
#include <utility>

#include "base/check.h"

namespace linarite::net {
namespace {

// The loop that the current thread runs, so that in_loop() costs one comparison.
thread_local const AsioLoop* current_loop = nullptr;

class CurrentLoop {
 public:
  explicit CurrentLoop(const AsioLoop* loop) : previous_(std::exchange(current_loop, loop)) {}
  ~CurrentLoop() { current_loop = previous_; }

 private:
  const AsioLoop* previous_;
};

// Keeps the memory for the next turn, unless a burst made it large.
template <class T>
void empty(std::vector<T>& list) {
  constexpr size_t kKept = 1024;
  if (list.capacity() > kKept) std::vector<T>().swap(list);
  list.clear();
}

}  // namespace

// What the loop itself waits for, by Asio.
struct AsioLoop::Waits {
  using Executor = boost::asio::io_context::executor_type;
  Waits(boost::asio::io_context& context, int socket_events)
      : work(context.get_executor()), timer(context), sockets(context, socket_events) {}
  ~Waits() { sockets.release(); }

  // Without it a loop that has no socket yet would return at once instead of waiting for a post.
  boost::asio::executor_work_guard<Executor> work;
  boost::asio::basic_waitable_timer<std::chrono::steady_clock,
                                    boost::asio::wait_traits<std::chrono::steady_clock>, Executor>
      timer;
  std::optional<Instant> timer_armed_for;
  boost::asio::posix::basic_stream_descriptor<Executor> sockets;  // Only lent to Asio.
};

AsioLoop::AsioLoop(const Clock& clock, TimerDrive drive)
    : clock_(clock),
      drive_(drive),
      context_(std::make_unique<boost::asio::io_context>(1)),
      waits_(std::make_unique<Waits>(*context_, sockets_.descriptor())),
      read_buffer_(new char[kReadBufferSize]) {
  wait_for_sockets();
}

AsioLoop::~AsioLoop() {
  // A loop that was driven by run_until() still has its residents. They may cancel timers.
  const CurrentLoop current(this);
  residents_.clear();
}

bool AsioLoop::in_loop() const { return current_loop == this; }

void AsioLoop::post(Task task) {
  if (in_loop()) {
    own_tasks_.push_back(std::move(task));
    return;
  }
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) return;
    wake = mail_.empty();
    mail_.push_back(std::move(task));
  }
  // One wake-up fetches everything that is posted until the loop gets there.
  if (wake) boost::asio::post(*context_, [this] { take_mail(); });
}

void AsioLoop::take_mail() {
  {
    const std::lock_guard lock(mutex_);
    running_.swap(mail_);
  }
  run_tasks();
}

void AsioLoop::run_tasks() {
  work_count_.fetch_add(running_.size(), std::memory_order_relaxed);
  for (Task& task : running_) {
    task();
    task = nullptr;  // What it holds must not outlive its turn behind a long burst.
  }
  empty(running_);
}

TimerId AsioLoop::run_at(Instant when, Task task) {
  CHECK(in_loop());
  return timers_.add(when, std::move(task));
}

void AsioLoop::cancel(TimerId timer) {
  CHECK(in_loop());
  timers_.cancel(timer);
}

size_t AsioLoop::run_due_timers() {
  CHECK(in_loop());
  const Instant now = clock_.now();
  size_t count = 0;
  while (count < kTimersPerTurn) {
    Task task = timers_.take_due(now);
    if (!task) break;
    task();
    ++count;
  }
  work_count_.fetch_add(count, std::memory_order_relaxed);
  return count;
}

void AsioLoop::arm_system_timer() {
  if (drive_ != TimerDrive::kSystem) return;
  const std::optional<Instant> next = timers_.next();
  std::optional<Instant>& armed_for = waits_->timer_armed_for;
  // A timer armed too early (its own deadline was cancelled) wakes the loop once for nothing, which
  // is cheaper than re-arming at each cancel.
  if (!next || (armed_for && *armed_for <= *next)) return;
  armed_for = next;
  waits_->timer.expires_after(*next - clock_.now());
  waits_->timer.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    waits_->timer_armed_for.reset();
    run_due_timers();
  });
}

bool AsioLoop::has_waiting_work() const {
  return !own_tasks_.empty() || !turn_end_.empty() || stopping_.load();
}

void AsioLoop::wait_for_sockets() {
  waits_->sockets.async_wait(boost::asio::posix::descriptor_base::wait_read,
                             [this](const boost::system::error_code& error) {
                               if (error) return;
                               handled_ += sockets_.dispatch();
                               wait_for_sockets();
                             });
}

void AsioLoop::run_turn() {
  handshake_share_ = kHandshakesPerTurn;
  handled_ = 0;
  if (!has_waiting_work()) handled_ += context_->run_one();
  while (handled_ < kHandlersPerTurn && context_->poll_one() > 0) ++handled_;
  running_.swap(own_tasks_);
  run_tasks();
  end_turn();
  arm_system_timer();
}

void AsioLoop::end_turn() {
  ending_.swap(turn_end_);
  for (LoopResident* resident : ending_) {
    resident->waits_for_turn_end_ = false;
    resident->on_turn_end();
  }
  empty(ending_);
}

void AsioLoop::run_until(const std::function<bool()>& done) {
  const CurrentLoop current(this);
  arm_system_timer();
  while (!done()) run_turn();
}

void AsioLoop::run() {
  const CurrentLoop current(this);
  run_until([this] { return stopping_.load(); });
  residents_.clear();
  resident_count_ = 0;
  turn_end_.clear();
  std::vector<Task> mail;
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    mail.swap(mail_);
  }
  mail.clear();
  own_tasks_.clear();
  timers_ = TimerQueue();
}

void AsioLoop::stop() {
  stopping_ = true;
  boost::asio::post(*context_, [] {});
}

void AsioLoop::adopt(std::unique_ptr<LoopResident> resident) {
  CHECK(in_loop());
  LoopResident& here = *resident;
  here.place_ = residents_.size();
  residents_.push_back(std::move(resident));
  resident_count_ = residents_.size();
  if (shutting_down_) here.shut_down();
}

std::unique_ptr<LoopResident> AsioLoop::release(LoopResident& resident) {
  CHECK(in_loop());
  const size_t place = resident.place_;
  CHECK(place < residents_.size() && residents_[place].get() == &resident);
  std::unique_ptr<LoopResident> out = std::move(residents_[place]);
  if (place + 1 < residents_.size()) {
    residents_[place] = std::move(residents_.back());
    residents_[place]->place_ = place;
  }
  residents_.pop_back();
  resident_count_ = residents_.size();
  if (resident.waits_for_turn_end_) {
    std::erase(turn_end_, &resident);
    resident.waits_for_turn_end_ = false;
  }
  if (shutting_down_ && residents_.empty()) say_deserted();
  return out;
}

void AsioLoop::at_end_of_turn(LoopResident& resident) {
  CHECK(in_loop());
  if (resident.waits_for_turn_end_) return;
  resident.waits_for_turn_end_ = true;
  turn_end_.push_back(&resident);
}

void AsioLoop::shut_down_residents() {
  CHECK(in_loop());
  shutting_down_ = true;
  // By place, not by iterator: a resident may leave while it is told.
  for (size_t place = residents_.size(); place > 0; --place) {
    if (place <= residents_.size()) residents_[place - 1]->shut_down();
  }
  if (residents_.empty()) say_deserted();
}

void AsioLoop::say_deserted() {
  // As a task: who released the last resident still has it, and what it holds, to destroy.
  post([this] {
    if (residents_.empty() && on_deserted_) on_deserted_();
  });
}

bool AsioLoop::take_handshake_share() {
  if (handshake_share_ == 0) return false;
  --handshake_share_;
  return true;
}

}  // namespace linarite::net
