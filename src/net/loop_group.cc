#include "net/loop_group.h"

#include <condition_variable>
#include <future>
#include <mutex>
#include <utility>

#include "base/check.h"

namespace linarite::net {

LoopGroup::LoopGroup(size_t loop_count, const Clock& clock, TimerDrive drive) {
  CHECK(loop_count > 0);
  for (size_t i = 0; i < loop_count; ++i) {
    loops_.push_back(std::make_unique<AsioLoop>(clock, drive));
  }
}

LoopGroup::~LoopGroup() { stop(); }

void LoopGroup::start() {
  CHECK(threads_.empty());
  for (const auto& loop : loops_) {
    threads_.emplace_back([&loop = *loop] { loop.run(); });
  }
}

void LoopGroup::stop() {
  for (const auto& loop : loops_) {
    CHECK(!loop->in_loop());
    loop->stop();
  }
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

// The state of one run_due_timers(). A round asks every loop once; it was quiet if no loop had done
// anything since the round before, apart from answering.
struct LoopGroup::Rounds {
  explicit Rounds(Reply<> reply) : done(std::move(reply)) {}

  Reply<> done;
  int left = kRoundsMax;
  std::atomic<size_t> answers_missing{0};
  std::atomic<bool> timers_ran{false};
  uint64_t work_before = 0;
};

void LoopGroup::run_round(const std::shared_ptr<Rounds>& rounds) {
  rounds->timers_ran = false;
  rounds->answers_missing = loops_.size();
  for (const auto& loop : loops_) {
    loop->post([this, rounds, &loop = *loop] {
      if (loop.run_due_timers() > 0) rounds->timers_ran = true;
      // The answer queues up behind what this loop has posted to itself.
      loop.post([this, rounds] {
        if (rounds->answers_missing.fetch_sub(1) == 1) end_round(rounds);
      });
    });
  }
}

void LoopGroup::end_round(const std::shared_ptr<Rounds>& rounds) {
  uint64_t work = 0;
  for (const auto& loop : loops_) work += loop->work_count();
  // The round itself is two tasks on each loop.
  const bool quiet = !rounds->timers_ran && work == rounds->work_before + 2 * loops_.size();
  rounds->work_before = work;
  if (quiet || --rounds->left == 0) {
    rounds->done();
    return;
  }
  run_round(rounds);
}

void LoopGroup::run_due_timers(Reply<> done) {
  run_round(std::make_shared<Rounds>(std::move(done)));
}

void LoopGroup::run_due_timers() {
  std::promise<void> finished;
  run_due_timers(Reply<>(*loops_[0], [&finished] { finished.set_value(); }));
  finished.get_future().wait();
}

bool LoopGroup::drain(std::chrono::milliseconds limit) {
  struct Left {
    std::mutex mutex;
    std::condition_variable changed;
    size_t loops;
  };
  const auto left = std::make_shared<Left>();
  left->loops = loops_.size();
  for (const auto& loop : loops_) {
    loop->post([left, &loop = *loop] {
      loop.on_deserted([left, told = false]() mutable {
        if (std::exchange(told, true)) return;
        const std::lock_guard lock(left->mutex);
        --left->loops;
        left->changed.notify_all();
      });
      loop.shut_down_residents();
    });
  }
  std::unique_lock lock(left->mutex);
  return left->changed.wait_for(lock, limit, [&] { return left->loops == 0; });
}

}  // namespace linarite::net
