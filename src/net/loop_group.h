// The loops of the program, each on its own thread.
#pragma once

#include <memory>
#include <thread>
#include <vector>

#include "net/asio_loop.h"

namespace linarite::net {

class LoopGroup {
 public:
  // `clock` must outlive the group. The loops exist at once (tasks may be posted), threads run from
  // start() on.
  LoopGroup(size_t loop_count, const Clock& clock, TimerDrive drive);
  // Stops and joins if that was not done.
  ~LoopGroup();

  void start();
  size_t size() const { return loops_.size(); }
  AsioLoop& loop(size_t index) { return *loops_[index]; }

  // Lets all loops run the timers that are due, and whatever those timers and the tasks posted by
  // them bring about on these loops, until nothing more happens (or after kRoundsMax rounds:
  // traffic may never end). Work that is out at another thread, such as a commit, is not waited
  // for. To be called after a ManualClock was advanced. Any thread; `done` goes to its own loop.
  void run_due_timers(Reply<> done);
  // The same, and waits. Not on a loop of this group.
  void run_due_timers();

  // Asks every stream to close and waits until all are gone, at most `limit` of real time. True if
  // all went. Not on a loop of this group.
  bool drain(std::chrono::milliseconds limit);

  // Ends the loops after their current turn and waits for the threads. What is left on them is
  // destroyed on its own thread. Not on a loop of this group.
  void stop();

 private:
  struct Rounds;
  static constexpr int kRoundsMax = 200;

  void run_round(const std::shared_ptr<Rounds>& rounds);
  void end_round(const std::shared_ptr<Rounds>& rounds);

  std::vector<std::unique_ptr<AsioLoop>> loops_;
  std::vector<std::thread> threads_;
};

}  // namespace linarite::net
