#include "base/timer_queue.h"

#include <gtest/gtest.h>

#include <string>

namespace linarite {
namespace {

Instant at(int64_t us) { return Instant(Duration(us)); }

class TimerQueueTest : public ::testing::Test {
 protected:
  TimerId add(int64_t us, char name) {
    return queue_.add(at(us), [this, name] { fired_ += name; });
  }
  std::string run_until(int64_t us) {
    fired_.clear();
    while (Task task = queue_.take_due(at(us))) task();
    return fired_;
  }
  TimerQueue queue_;
  std::string fired_;
};

TEST_F(TimerQueueTest, FiresInOrderOfDeadlineAndThenOfSetting) {
  add(20, 'c');
  add(10, 'a');
  add(10, 'b');
  EXPECT_EQ(queue_.next(), at(10));
  EXPECT_EQ(run_until(9), "");
  EXPECT_EQ(run_until(10), "ab");
  EXPECT_EQ(run_until(100), "c");
  EXPECT_EQ(queue_.next(), std::nullopt);
}

TEST_F(TimerQueueTest, ACancelledTimerDoesNotFire) {
  const TimerId a = add(10, 'a');
  add(10, 'b');
  queue_.cancel(a);
  queue_.cancel(a);
  queue_.cancel(0);
  EXPECT_EQ(run_until(10), "b");
  EXPECT_EQ(queue_.size(), 0U);
}

}  // namespace
}  // namespace linarite
