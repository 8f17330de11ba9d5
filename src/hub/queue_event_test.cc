// What a watch sees of each message.
#include <fmt/format.h>

#include "hub/hub_fixture.h"

namespace linarite::hub {
namespace {

using wire::Ack;

class QueueEventTest : public HubFixture {
 protected:
  QueueEventTest() {
    watch_ = [this](const QueueEvent& event) {
      static constexpr const char* kNames[] = {"enqueued",  "recovered", "delivered", "returned",
                                               "abandoned", "ended",     "forgotten"};
      seen_ += fmt::format("{} {} {}", event.device_id, kNames[static_cast<size_t>(event.kind)],
                           event.delivery_count);
      if (event.kind == QueueEvent::Kind::kEnded) {
        seen_ += fmt::format(" {}{}", static_cast<int>(event.outcome), event.feedback ? "f" : "");
      }
      seen_ += ", ";
    };
    restart();
  }
  void SetUp() override { ASSERT_TRUE(create("d1")); }
  std::string take() { return std::exchange(seen_, {}); }

  std::string seen_;
  NotingLink link_;
};

TEST_F(QueueEventTest, TellsOfDeliveryReturnAbandonAndCompletion) {
  ASSERT_TRUE(send("d1", "m1", Ack::kFull));
  EXPECT_EQ(take(), "d1 enqueued 0, ");
  connect("d1", link_);
  EXPECT_EQ(take(), "d1 delivered 0, ");
  partition("d1").detach(link_);
  EXPECT_EQ(take(), "d1 returned 0, ");
  connect("d1", link_);
  abandon("d1", link_, 1);
  EXPECT_EQ(take(), "d1 delivered 0, d1 abandoned 1, d1 delivered 1, ");
  EXPECT_EQ(complete("d1", link_, 2), 0);
  EXPECT_EQ(take(), "d1 ended 1 0f, ");
}

TEST_F(QueueEventTest, TellsOfNothingThatIsNotDurable) {
  store_.hold_commits(true);
  hub_->send("d1", {.body = "x"}, {loop_, [](const Result<uint64_t>&) {}});
  run();
  EXPECT_EQ(take(), "");
  store_.flush();
  run();
  EXPECT_EQ(take(), "d1 enqueued 0, ");
}

TEST_F(QueueEventTest, TellsAfterARestartWhatIsThereWithItsCount) {
  ASSERT_TRUE(send("d1", "m1", Ack::kPositive));
  connect("d1", link_);
  abandon("d1", link_, 0);
  take();
  restart();
  EXPECT_EQ(take(), "d1 recovered 1, ");
  advance(hours(1) + seconds(1));
  EXPECT_EQ(take(), "d1 ended 1 1, ");
}

TEST_F(QueueEventTest, TellsOfLocksThatEndAndOfDeletedDevices) {
  ASSERT_TRUE(send("d1", "m1"));
  ASSERT_TRUE(*partition("d1").receive("d1"));
  advance(seconds(61));
  EXPECT_EQ(take(), "d1 enqueued 0, d1 delivered 0, d1 returned 0, ");
  ASSERT_TRUE(remove("d1"));
  EXPECT_EQ(take(), "d1 forgotten 0, ");
}

}  // namespace
}  // namespace linarite::hub
