#include "net/asio_loop.h"

#include <gtest/gtest.h>

#include <future>
#include <string>
#include <thread>

#include "base/clock.h"
#include "net/loop_group.h"

namespace linarite::net {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

const WallTime kStart{seconds(1'700'000'000)};

TEST(AsioLoopTest, TasksRunInTheOrderOfTheirPosts) {
  SystemClock clock;
  AsioLoop loop(clock, TimerDrive::kSystem);
  std::string ran;
  loop.post([&] {
    ran += 'a';
    loop.post([&] { ran += 'd'; });
    ran += 'b';  // A post never runs inside the current task.
  });
  loop.post([&] { ran += 'c'; });
  loop.run_until([&] { return ran.size() == 4; });
  EXPECT_EQ(ran, "abcd");
}

TEST(AsioLoopTest, KnowsItsThread) {
  SystemClock clock;
  AsioLoop loop(clock, TimerDrive::kSystem);
  bool inside = false;
  loop.post([&] { inside = loop.in_loop(); });
  EXPECT_FALSE(loop.in_loop());
  loop.run_until([&] { return inside; });
  EXPECT_FALSE(loop.in_loop());
}

TEST(AsioLoopTest, PostsFromManyThreadsAllArriveInOrder) {
  SystemClock clock;
  AsioLoop loop(clock, TimerDrive::kSystem);
  constexpr int kThreads = 4;
  constexpr int kPosts = 5000;
  std::vector<int> next(kThreads, 0);
  int in_order = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kPosts; ++i) {
        loop.post([&, t, i] {
          if (next[static_cast<size_t>(t)]++ == i) ++in_order;
        });
      }
    });
  }
  int seen = 0;
  loop.run_until([&] {
    seen = 0;
    for (const int n : next) seen += n;
    return seen == kThreads * kPosts;
  });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(in_order, kThreads * kPosts);
}

TEST(AsioLoopTest, StopDestroysWhatIsLeftWithoutRunningIt) {
  SystemClock clock;
  AsioLoop loop(clock, TimerDrive::kSystem);
  auto token = std::make_shared<int>(0);
  bool ran = false;
  loop.post([&, token] {
    loop.run_after(hours(1), [&, token] { ran = true; });
    loop.stop();
    loop.post([&, token] {
      loop.post([&, token] { ran = true; });  // For a turn that does not come.
    });
  });
  loop.run();
  loop.post([&, token] { ran = true; });
  EXPECT_FALSE(ran);
  EXPECT_EQ(token.use_count(), 1);
}

TEST(AsioLoopTest, TheSystemClockDrivesTimersByItself) {
  SystemClock clock;
  AsioLoop loop(clock, TimerDrive::kSystem);
  std::string fired;
  Instant due{};
  loop.post([&] {
    due = clock.now() + std::chrono::milliseconds(3);
    loop.run_at(due + std::chrono::milliseconds(1), [&] { fired += 'b'; });
    loop.run_at(due, [&] {
      fired += 'a';
      EXPECT_GE(clock.now(), due);
    });
    loop.cancel(loop.run_at(due, [&] { fired += 'x'; }));
  });
  loop.run_until([&] { return fired.size() == 2; });
  EXPECT_EQ(fired, "ab");
}

TEST(AsioLoopTest, ManyTimersThatAreDueTogetherLeaveTurnsToOthers) {
  SystemClock clock;
  AsioLoop loop(clock, TimerDrive::kSystem);
  size_t fired = 0;
  size_t before_the_task = 0;
  loop.post([&] {
    for (int i = 0; i < 1000; ++i) {
      loop.run_at(clock.now(), [&] {
        if (++fired == 1) loop.post([&] { before_the_task = fired; });
      });
    }
  });
  loop.run_until([&] { return fired == 1000; });
  EXPECT_GT(before_the_task, 0U);
  EXPECT_LT(before_the_task, 100U);
}

class LoopGroupTest : public ::testing::Test {
 protected:
  LoopGroupTest() { group_.start(); }
  void on(size_t loop, Task task) {
    std::promise<void> ran;
    group_.loop(loop).post([&] {
      task();
      ran.set_value();
    });
    ran.get_future().wait();
  }

  ManualClock clock_{kStart};
  LoopGroup group_{3, clock_, TimerDrive::kWhenTold};
  std::atomic<int> fired_{0};
};

TEST_F(LoopGroupTest, TimersOfAManualClockWaitUntilTold) {
  on(1, [&] { group_.loop(1).run_after(hours(1), [&] { ++fired_; }); });
  group_.run_due_timers();
  EXPECT_EQ(fired_, 0);
  clock_.advance(hours(1));
  EXPECT_EQ(fired_, 0);
  group_.run_due_timers();
  EXPECT_EQ(fired_, 1);
}

TEST_F(LoopGroupTest, RunDueTimersWaitsForWhatTimersBringAboutOnOtherLoops) {
  constexpr int kHops = 20;
  std::function<void(int)> hop = [&](int left) {
    ++fired_;
    if (left > 0) {
      group_.loop(static_cast<size_t>(left) % 3).post([&, left] { hop(left - 1); });
    }
  };
  on(0, [&] {
    group_.loop(0).run_after(seconds(5), [&] {
      hop(kHops);
      group_.loop(0).run_after(Duration(0), [&] { ++fired_; });
    });
  });
  clock_.advance(seconds(5));
  group_.run_due_timers();
  EXPECT_EQ(fired_, kHops + 2);
}

TEST_F(LoopGroupTest, RunDueTimersEndsAlthoughATimerRenewsItselfForever) {
  std::function<void()> again = [&] {
    ++fired_;
    group_.loop(0).run_after(Duration(0), [&] { again(); });
  };
  on(0, [&] { again(); });
  group_.run_due_timers();
  EXPECT_GT(fired_, 0);
}

TEST_F(LoopGroupTest, RunDueTimersMayBeAskedForOnALoop) {
  on(1, [&] { group_.loop(1).run_after(seconds(1), [&] { ++fired_; }); });
  clock_.advance(seconds(1));
  std::promise<int> seen;
  on(2, [&] { group_.run_due_timers(Reply<>(group_.loop(2), [&] { seen.set_value(fired_); })); });
  EXPECT_EQ(seen.get_future().get(), 1);
}

}  // namespace
}  // namespace linarite::net
