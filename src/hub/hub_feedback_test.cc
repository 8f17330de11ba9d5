// Feedback as back ends see it (service-protocol 3.1).
#include <map>
#include <set>

#include "hub/hub_fixture.h"

namespace linarite::hub {
namespace {

using wire::Ack;

class FeedbackTest : public HubFixture {
 protected:
  explicit FeedbackTest(HubOptions options = {}) : HubFixture(std::move(options)) {}
  void SetUp() override { ASSERT_TRUE(create("d1")); }

  // Sends one message with the ack and has the device complete or reject it.
  void exchange(const std::string& id, Ack ack, bool good = true,
                const std::string& device = "d1") {
    NotingLink link;
    connect(device, link);
    ASSERT_TRUE(send(device, id, ack));
    EXPECT_EQ(good ? complete(device, link, 0) : reject(device, link, 0), 0);
    partition(device).detach(link);
  }
  // A receiver that notes the ids of each batch.
  Hub::ReceiverId open_receiver(uint32_t credit) {
    const auto id = hub_->open_feedback_receiver(loop_, [this](const FeedbackBatch& batch) {
      tokens_.push_back(batch.token);
      for (const FeedbackRecord& record : batch.records) log_text_ += record.original_message_id;
      log_text_ += '|';
    });
    hub_->add_feedback_credit(id, credit);
    run();
    return id;
  }
  std::string take() { return std::exchange(log_text_, {}); }

  std::vector<FeedbackToken> tokens_;
  std::string log_text_;
};

TEST_F(FeedbackTest, OnlyWhatTheSenderAskedForIsTold) {
  exchange("a", Ack::kNone);
  exchange("b", Ack::kNone, false);
  exchange("c", Ack::kPositive);
  exchange("d", Ack::kPositive, false);
  exchange("e", Ack::kNegative);
  exchange("f", Ack::kNegative, false);
  exchange("g", Ack::kFull);
  exchange("h", Ack::kFull, false);
  EXPECT_EQ(feedback(), "c:Success f:Rejected g:Success h:Rejected");
  EXPECT_EQ(feedback(), "");
}

TEST_F(FeedbackTest, ReceiversTakeTurnsAlsoWhenRecordsComeOneByOne) {
  std::string turns;
  for (const char name : {'A', 'B'}) {
    const auto id = hub_->open_feedback_receiver(
        loop_, [&turns, name](const FeedbackBatch&) { turns += name; });
    hub_->add_feedback_credit(id, 10);
  }
  run();
  for (const char* message : {"1", "2", "3", "4"}) exchange(message, Ack::kFull);
  EXPECT_EQ(turns, "ABAB");
}

TEST_F(FeedbackTest, ARecordTellsWhoAndWhen) {
  const auto device = get("d1");
  exchange("a", Ack::kFull);
  const auto batch = take_feedback();
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->records[0],
            (FeedbackRecord{.original_message_id = "a",
                            .enqueued = wall(),
                            .outcome = Outcome::kSuccess,
                            .device_id = "d1",
                            .device_generation_id = device->identity.generation_id}));
  EXPECT_EQ(batch->enqueued, wall());
}

TEST_F(FeedbackTest, IsNotToldBeforeTheCompletionIsDurable) {
  NotingLink link;
  connect("d1", link);
  ASSERT_TRUE(send("d1", "a", Ack::kFull));
  open_receiver(10);
  store_.hold_commits(true);
  partition("d1").complete(link, link.locks[0], [](const Status&) {});
  run();
  EXPECT_EQ(take(), "");
  store_.hold_commits(false);
  store_.flush();
  run();
  EXPECT_EQ(take(), "a|");
}

TEST_F(FeedbackTest, AReceiverGetsAsMuchAsItHasCreditFor) {
  open_receiver(1);
  exchange("a", Ack::kFull);
  exchange("b", Ack::kFull);
  exchange("c", Ack::kFull);
  EXPECT_EQ(take(), "a|");
  hub_->add_feedback_credit(1, 1);
  run();
  EXPECT_EQ(take(), "bc|");
}

TEST_F(FeedbackTest, ReceiversCompete) {
  open_receiver(1);
  open_receiver(1);
  exchange("a", Ack::kFull);
  exchange("b", Ack::kFull);
  EXPECT_EQ(take(), "a|b|");
  exchange("c", Ack::kFull);
  EXPECT_EQ(take(), "");
}

TEST_F(FeedbackTest, ReleasedComesAgainAndAcceptedDoesNot) {
  open_receiver(10);
  exchange("a", Ack::kFull);
  EXPECT_EQ(take(), "a|");
  EXPECT_EQ(settle_feedback(tokens_[0], FeedbackSettlement::kRelease), 0);
  EXPECT_EQ(take(), "a|");
  EXPECT_EQ(settle_feedback(tokens_[1], FeedbackSettlement::kAccept), 0);
  EXPECT_EQ(settle_feedback(tokens_[1], FeedbackSettlement::kAccept), 412002);
  EXPECT_EQ(settle_feedback(FeedbackToken{0xFF}, FeedbackSettlement::kAccept), 412002);
  restart();
  EXPECT_EQ(feedback(), "");
}

TEST_F(FeedbackTest, TheLockEndsAfterItsTimeAndTooManyDeliveriesDropIt) {
  exchange("a", Ack::kFull);
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(take_feedback()) << i;
    EXPECT_FALSE(take_feedback());
    advance(seconds(61));
  }
  EXPECT_FALSE(take_feedback());
}

TEST_F(FeedbackTest, AClosedReceiverGivesBackWithoutCounting) {
  exchange("a", Ack::kFull);
  for (int i = 0; i < 12; ++i) {
    const auto id = open_receiver(5);
    EXPECT_EQ(take(), "a|");
    hub_->close_feedback_receiver(id);
    run();
  }
  EXPECT_EQ(feedback(), "a:Success");
}

TEST_F(FeedbackTest, DrainTakesUnusedCreditBack) {
  const auto id = open_receiver(7);
  uint32_t drained = 0;
  hub_->drain_feedback_credit(id, {loop_, [&](uint32_t credit) { drained = credit; }});
  run();
  EXPECT_EQ(drained, 7U);
  exchange("a", Ack::kFull);
  EXPECT_EQ(take(), "");
}

TEST_F(FeedbackTest, SurvivesARestartUntilItsTimeIsOver) {
  exchange("a", Ack::kFull);
  restart();
  EXPECT_EQ(feedback(), "a:Success");
  exchange("b", Ack::kFull);
  restart();
  advance(minutes(61));
  EXPECT_EQ(feedback(), "");
}

TEST_F(FeedbackTest, AReceiverGetsWhatAnEarlierRunLeft) {
  exchange("a", Ack::kFull);
  restart();
  open_receiver(1);
  EXPECT_EQ(take(), "a|");
}

TEST_F(FeedbackTest, ABatchHasAtMost64Records) {
  NotingLink link;
  connect("d1", link, 100);
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(send("d1", "x", Ack::kFull));
  for (size_t i = 0; i < 50; ++i) EXPECT_EQ(complete("d1", link, i), 0);
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(send("d1", "y", Ack::kFull));
  for (size_t i = 50; i < 100; ++i) EXPECT_EQ(complete("d1", link, i), 0);
  const auto first = take_feedback();
  const auto second = take_feedback();
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->records.size(), 64U);
  EXPECT_EQ(second->records.size(), 36U);
}

TEST_F(FeedbackTest, TakingGoesRoundThePartitions) {
  std::map<Partition*, std::string> devices;  // One of each partition.
  for (int i = 0; devices.size() < 4; ++i) {
    const std::string device = "e" + std::to_string(i);
    if (!devices.emplace(&partition(device), device).second) continue;
    ASSERT_TRUE(create(device));
  }
  const auto all_exchange = [&] {
    for (const auto& entry : devices) exchange("m", Ack::kFull, true, entry.second);
  };
  all_exchange();
  std::set<std::string> told;
  for (int i = 0; i < 4; ++i) {
    const auto batch = take_feedback();
    ASSERT_TRUE(batch);
    told.insert(batch->records.front().device_id);
    all_exchange();
  }
  EXPECT_EQ(told.size(), 4U) << "although each had more at once";
}

class BatchedFeedbackTest : public FeedbackTest {
 protected:
  BatchedFeedbackTest() : FeedbackTest({.feedback = {.batched = true}}) {}
};

TEST_F(BatchedFeedbackTest, ABatchLeavesEvery15Seconds) {
  open_receiver(10);
  exchange("a", Ack::kFull);
  exchange("b", Ack::kFull);
  EXPECT_EQ(take(), "");
  advance(seconds(15));
  EXPECT_EQ(take(), "ab|");
  exchange("c", Ack::kFull);
  advance(seconds(14));
  EXPECT_EQ(take(), "");
  advance(seconds(1));
  EXPECT_EQ(take(), "c|");
}

}  // namespace
}  // namespace linarite::hub
