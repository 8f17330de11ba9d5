#include "base/manual_loop.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>

namespace linarite {
namespace {

class ManualLoopTest : public ::testing::Test {
 protected:
  Task note(char name) {
    return [this, name] { ran_ += name; };
  }
  ManualClock clock_{WallTime{}};
  ManualLoop loop_{clock_};
  std::string ran_;
};

TEST_F(ManualLoopTest, RunsTasksInOrderAndOnlyWhenTold) {
  loop_.post(note('a'));
  loop_.post([this] { loop_.post(note('c')); });
  loop_.post(note('b'));
  EXPECT_EQ(ran_, "");
  EXPECT_EQ(loop_.run_until_idle(), 4U);
  EXPECT_EQ(ran_, "abc");
  EXPECT_FALSE(loop_.run_one());
}

TEST_F(ManualLoopTest, TimersFireAtTheirOwnTime) {
  Instant fired{};
  loop_.run_after(Duration(10), [&] {
    fired = clock_.now();
    loop_.run_after(Duration(5), note('b'));
    loop_.post(note('a'));
  });
  loop_.run_after(Duration(100), note('z'));
  loop_.run_for(Duration(20));
  EXPECT_EQ(fired, Instant(Duration(10)));
  EXPECT_EQ(ran_, "ab");
  EXPECT_EQ(clock_.now(), Instant(Duration(20)));
  EXPECT_EQ(loop_.next_timer(), Instant(Duration(100)));
}

TEST_F(ManualLoopTest, ACancelledTimerDoesNotFire) {
  const TimerId timer = loop_.run_after(Duration(10), note('a'));
  loop_.cancel(timer);
  loop_.run_for(Duration(20));
  EXPECT_EQ(ran_, "");
}

TEST_F(ManualLoopTest, IsInLoopOnlyWhereItsTasksRun) {
  ManualLoop other(clock_);
  EXPECT_TRUE(loop_.in_loop());  // The body of the test.
  bool elsewhere = true;
  std::thread([&] { elsewhere = loop_.in_loop(); }).join();
  EXPECT_FALSE(elsewhere);
  other.post([&] {
    EXPECT_TRUE(other.in_loop());
    EXPECT_FALSE(loop_.in_loop());
    loop_.dispatch(note('a'));  // So this is a post.
    EXPECT_EQ(ran_, "");
  });
  other.run_until_idle();
  loop_.run_until_idle();
  EXPECT_EQ(ran_, "a");
}

TEST_F(ManualLoopTest, WaitsForTasksOfOtherThreads) {
  std::thread worker([this] {
    loop_.post(note('a'));
    loop_.post(note('b'));
  });
  loop_.run_until([this] { return ran_ == "ab"; });
  worker.join();
}

TEST_F(ManualLoopTest, DestroysTasksUnrunAfterStop) {
  const auto held = std::make_shared<int>(1);
  loop_.post([held] {});
  loop_.run_after(Duration(1), [held] {});
  EXPECT_EQ(held.use_count(), 3);
  loop_.stop();
  loop_.post([held] {});
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_EQ(loop_.run_for(Duration(10)), 0U);
}

}  // namespace
}  // namespace linarite
