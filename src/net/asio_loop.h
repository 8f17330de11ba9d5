// The Loop of the running program: one io_context, one thread, one mailbox, one timer queue, and
// the sockets of its streams (socket_events.h).
//
// A turn is up to kHandlersPerTurn socket events and a few more, the tasks that were waiting, and
// then what the streams left for the end of the turn. That is where bytes are written: whatever a
// stream was given during the turn leaves in one system call.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "base/loop.h"
#include "base/timer_queue.h"
#include "net/socket_events.h"

namespace boost::asio {
class io_context;
}

namespace linarite::net {

class AsioLoop;

// Something with a socket that lives on one loop and is owned by it: a stream, a connector, an
// acceptor. Loop thread only.
class LoopResident {
 public:
  LoopResident() = default;
  LoopResident(const LoopResident&) = delete;
  LoopResident& operator=(const LoopResident&) = delete;
  virtual ~LoopResident() = default;

  // The end of a turn in which at_end_of_turn() was called. May end in the resident's own
  // departure, but not in another's.
  virtual void on_turn_end() = 0;
  // The program drains: finish soon, without being told again.
  virtual void shut_down() = 0;

 private:
  friend class AsioLoop;
  size_t place_ = 0;
  bool waits_for_turn_end_ = false;
};

// Who lets timers fire: the machine's monotonic clock, or whoever moves a ManualClock and then
// calls LoopGroup::run_due_timers().
enum class TimerDrive { kSystem, kWhenTold };

class AsioLoop final : public Loop {
 public:
  static constexpr size_t kHandlersPerTurn = 64;
  // One that ends a connection costs 20 microseconds, and those of a flood are due together.
  static constexpr size_t kTimersPerTurn = 64;
  // Handshakes cost 0.3 to 0.9 ms each: a connect flood must not starve the peers that are already
  // in.
  static constexpr size_t kHandshakesPerTurn = 4;
  static constexpr size_t kReadBufferSize = 64U << 10U;

  // `clock` must outlive the loop.
  AsioLoop(const Clock& clock, TimerDrive drive);
  ~AsioLoop() override;

  void post(Task task) override;
  TimerId run_at(Instant when, Task task) override;
  void cancel(TimerId timer) override;
  bool in_loop() const override;
  const Clock& clock() const override { return clock_; }

  // Runs on the calling thread until stop(), then destroys the residents, tasks and timers that are
  // left, in that order and on this thread. Once.
  void run();
  // Runs turns on the calling thread until `done` returns true; asked after each turn. For programs
  // and tests that drive one loop by hand; may be called again and again, and run() after it.
  void run_until(const std::function<bool()>& done);
  // Makes run() return after the current turn. Any thread.
  void stop();

  // Runs the timers that are due, up to kTimersPerTurn; returns how many. Loop thread only.
  size_t run_due_timers();
  // How many tasks and timers have run so far; to see whether the loop has come to rest. Any
  // thread.
  uint64_t work_count() const { return work_count_.load(); }
  size_t resident_count() const { return resident_count_.load(); }  // Any thread.

  // What follows is for the other classes of net. Loop thread only.
  boost::asio::io_context& context() { return *context_; }
  SocketEvents& sockets() { return sockets_; }
  void adopt(std::unique_ptr<LoopResident> resident);
  // Gives up ownership; the resident is no longer called.
  std::unique_ptr<LoopResident> release(LoopResident& resident);
  // Calls on_turn_end() of a resident once, at the end of this turn; at the end of the next one
  // when called during the end of a turn.
  void at_end_of_turn(LoopResident& resident);
  // Calls shut_down() of every resident, and of each that arrives later.
  void shut_down_residents();
  // Called on the loop thread whenever the last resident has left a loop that shuts down and is
  // destroyed.
  void on_deserted(std::function<void()> callback) { on_deserted_ = std::move(callback); }
  // False when this turn has had its share of handshakes.
  bool take_handshake_share();
  // What was taken last has cost next to nothing: it is there for another in this turn.
  void return_handshake_share() { ++handshake_share_; }
  // Where every stream of this loop reads into; its content ends with the call that filled it.
  std::span<char> read_buffer() { return {read_buffer_.get(), kReadBufferSize}; }

 private:
  struct Waits;

  void run_turn();
  void wait_for_sockets();
  bool has_waiting_work() const;
  void run_tasks();
  void take_mail();
  void end_turn();
  void say_deserted();
  void arm_system_timer();

  const Clock& clock_;
  const TimerDrive drive_;
  std::unique_ptr<boost::asio::io_context> context_;
  SocketEvents sockets_;
  std::unique_ptr<Waits> waits_;

  // Guarded by mutex_: what other threads posted.
  std::mutex mutex_;
  std::vector<Task> mail_;
  bool stopped_ = false;

  std::atomic<bool> stopping_{false};
  std::atomic<uint64_t> work_count_{0};
  std::atomic<size_t> resident_count_{0};

  // Owned by the loop thread.
  std::vector<Task> own_tasks_;
  TimerQueue timers_;
  std::vector<std::unique_ptr<LoopResident>> residents_;
  std::vector<LoopResident*> turn_end_;
  std::vector<Task> running_;  // The tasks of now; empty between two runs.
  std::vector<LoopResident*> ending_;
  std::unique_ptr<char[]> read_buffer_;
  std::function<void()> on_deserted_;
  size_t handshake_share_ = kHandshakesPerTurn;
  size_t handled_ = 0;  // Events of this turn.
  bool shutting_down_ = false;
};

}  // namespace linarite::net
