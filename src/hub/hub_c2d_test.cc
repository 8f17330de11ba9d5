// The cloud-to-device queue as a back end and a device see it (device-protocol 6).
#include "hub/hub_fixture.h"

namespace linarite::hub {
namespace {

using std::chrono::milliseconds;
using wire::Ack;

class C2dTest : public HubFixture {
 protected:
  explicit C2dTest(HubOptions options = {}) : HubFixture(std::move(options)) {}
  void SetUp() override { ASSERT_TRUE(create("d1")); }
  uint32_t pending() { return get("d1")->pending_messages; }
  NotingLink link_;
};

TEST_F(C2dTest, WaitsForTheDeviceAndComesInOrder) {
  for (const char* id : {"m1", "m2", "m3"}) ASSERT_TRUE(send("d1", id));
  EXPECT_EQ(pending(), 3U);
  connect("d1", link_);
  EXPECT_EQ(link_.take(), "m1 m2 m3 ");
  EXPECT_EQ(complete("d1", link_, 0), 0);
  EXPECT_EQ(pending(), 2U);
}

TEST_F(C2dTest, IsDeliveredAtOnceToAConnectedDevice) {
  connect("d1", link_);
  const wire::C2dMessage message{.message_id = "m1",
                                 .correlation_id = "c1",
                                 .to = "/devices/d1/messages/devicebound",
                                 .content_type = "application/json",
                                 .ack = Ack::kFull,
                                 .properties = {{"b", "2"}, {"a", "1"}},
                                 .body = std::string("\0\xFF", 2)};
  ASSERT_TRUE(send("d1", message));
  EXPECT_EQ(link_.last, message);
}

TEST_F(C2dTest, KeepsEveryFieldInTheStore) {
  const wire::C2dMessage message{.message_id = "m1",
                                 .user_id = "u",
                                 .content_encoding = "utf-8",
                                 .expiry = wall() + minutes(5),
                                 .ack = Ack::kNone,
                                 .properties = {{"empty", ""}},
                                 .body = ""};
  ASSERT_TRUE(send("d1", message));
  restart();
  connect("d1", link_);
  EXPECT_EQ(link_.last, message);
}

TEST_F(C2dTest, IsNotAcknowledgedBeforeItIsDurable) {
  store_.hold_commits(true);
  bool answered = false;
  hub_->send("d1", {.body = "x"}, {loop_, [&](const Result<uint64_t>&) { answered = true; }});
  connect("d1", link_);
  EXPECT_FALSE(answered);
  EXPECT_EQ(link_.take(), "");
  store_.hold_commits(false);
  store_.flush();
  run();
  EXPECT_TRUE(answered);
  EXPECT_EQ(link_.take(), "- ");
}

TEST_F(C2dTest, WhatWaitsForTheDiskIsBounded) {
  options_.commit_backlog_bytes_max = 1U << 20U;
  restart();
  connect("d1", link_);
  store_.hold_commits(true);
  int waiting = 0;
  std::string refused;
  const auto count = [&](const Result<uint64_t>& r) {
    if (!r) refused.append(std::to_string(code(r)) + " ");
    waiting -= r ? 1 : 0;
  };
  for (int i = 0; i < 17; ++i, ++waiting) {
    hub_->send("d1", {.body = Bytes(65'000, 'x')}, {loop_, count});
  }
  run();
  EXPECT_EQ(refused, "");
  hub_->send("d1", {.body = "one more"}, {loop_, count});
  hub_->create_device({.device_id = "d9"}, {loop_, [&](const Result<DeviceView>& view) {
                                              refused.append(std::to_string(code(view)));
                                            }});
  run();
  EXPECT_EQ(refused, "503001 503001");
  store_.hold_commits(false);
  store_.flush();
  run();
  EXPECT_EQ(waiting, 0);
  EXPECT_TRUE(send("d1", "taken again"));
}

TEST_F(C2dTest, AFullDiskRefusesWhatIsNewAndTakesWhatEnds) {
  ASSERT_TRUE(send("d1", "m1"));
  connect("d1", link_);
  EXPECT_EQ(link_.take(), "m1 ");
  store_.set_room(false);
  EXPECT_EQ(code(send("d1", "m2")), static_cast<int>(ErrorCode::kServiceUnavailable));
  EXPECT_EQ(complete("d1", link_, 0), 0);
  EXPECT_TRUE(hub_->health()) << "the store did not fail";
  store_.set_room(true);
  EXPECT_TRUE(send("d1", "m3"));
  EXPECT_EQ(link_.take(), "m3 ");
}

TEST_F(C2dTest, AFailedSyncIsSaidAndNothingIsAcknowledgedAfterIt) {
  ASSERT_TRUE(send("d1", "m1"));
  store_.fail_next_sync({ErrorCode::kIoError, "disk"});
  EXPECT_EQ(code(send("d1", "m2")), static_cast<int>(ErrorCode::kIoError));
  EXPECT_EQ(code(send("d1", "m3")), static_cast<int>(ErrorCode::kStoreReadOnly));
  EXPECT_FALSE(hub_->health());
  stop();
  start();
  connect("d1", link_);
  EXPECT_EQ(link_.take(), "m1 ");
}

TEST_F(C2dTest, TheWindowBoundsWhatIsInFlight) {
  for (const char* id : {"m1", "m2", "m3", "m4"}) ASSERT_TRUE(send("d1", id));
  connect("d1", link_, 2);
  EXPECT_EQ(link_.take(), "m1 m2 ");
  EXPECT_EQ(complete("d1", link_, 1), 0);
  EXPECT_EQ(link_.take(), "m3 ");
  EXPECT_EQ(complete("d1", link_, 0), 0);
  EXPECT_EQ(link_.take(), "m4 ");
}

TEST_F(C2dTest, ADisconnectPutsMessagesBackWithTheirOrderAndCount) {
  for (const char* id : {"m1", "m2", "m3"}) ASSERT_TRUE(send("d1", id));
  connect("d1", link_);
  EXPECT_EQ(complete("d1", link_, 1), 0);
  partition("d1").detach(link_);
  NotingLink again;
  connect("d1", again);
  EXPECT_EQ(again.take(), "m1' m3' ");
}

TEST_F(C2dTest, ALockOfAnEarlierDeliveryNoLongerFits) {
  ASSERT_TRUE(send("d1", "m1"));
  connect("d1", link_);
  partition("d1").detach(link_);
  NotingLink again;
  connect("d1", again);
  EXPECT_EQ(complete("d1", link_, 0), 412002);
  again.locks.push_back(link_.locks[0]);
  EXPECT_EQ(complete("d1", again, 1), 412002);
  EXPECT_EQ(complete("d1", again, 0), 0);
  EXPECT_EQ(complete("d1", again, 0), 412002);
}

TEST_F(C2dTest, TakeoverMovesMessagesToTheNewConnection) {
  ASSERT_TRUE(send("d1", "m1"));
  connect("d1", link_);
  NotingLink newer;
  connect("d1", newer);
  EXPECT_EQ(link_.disconnected, ErrorCode::kConnectionForcefullyClosedOnNewConnection);
  EXPECT_EQ(newer.take(), "m1' ");
  partition("d1").detach(link_);  // What the displaced connection still says changes nothing.
  EXPECT_EQ(complete("d1", newer, 0), 0);
}

TEST_F(C2dTest, AnAbandonCountsAndTheLastOneDeadLetters) {
  ASSERT_TRUE(send("d1", "m1", Ack::kFull));
  connect("d1", link_);
  EXPECT_EQ(link_.take(), "m1 ");
  for (size_t i = 0; i < 9; ++i) {
    EXPECT_EQ(abandon("d1", link_, i), 0);
    EXPECT_EQ(link_.take(), "m1'" + std::to_string(i + 1) + " ");
  }
  EXPECT_EQ(abandon("d1", link_, 9), 0);
  EXPECT_EQ(link_.take(), "");
  EXPECT_EQ(pending(), 0U);
  EXPECT_EQ(feedback(), "m1:DeliveryCountExceeded");
}

TEST_F(C2dTest, TheDeliveryCountSurvivesARestart) {
  ASSERT_TRUE(send("d1", "m1"));
  connect("d1", link_);
  EXPECT_EQ(abandon("d1", link_, 0), 0);
  restart();
  NotingLink again;
  connect("d1", again);
  EXPECT_EQ(again.take(), "m11 ");
}

TEST_F(C2dTest, TheFiftyFirstMessageIsRefused) {
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(send("d1", "m"));
  const auto refused = send("d1", "m");
  EXPECT_EQ(code(refused), 403004);
  EXPECT_EQ(refused.error().message,
            "C2D messages enqueued for the device exceeded the queue limit of 50");
  connect("d1", link_);
  EXPECT_EQ(complete("d1", link_, 0), 0);
  EXPECT_TRUE(send("d1", "m"));
}

TEST_F(C2dTest, RefusalsHaveTheOriginalsCodes) {
  EXPECT_EQ(code(send("unknown", "m")), 404001);
  EXPECT_EQ(code(send("d1", {.expiry = wall(), .body = "x"})), 403009);
  EXPECT_EQ(code(send("d1", {.expiry = wall() + hours(48) + milliseconds(1), .body = "x"})),
            403009);
  EXPECT_EQ(code(send("d1", wire::C2dMessage{.body = std::string(65537, 'x')})), 413001);
  ASSERT_TRUE(update({.device_id = "d1", .status = DeviceStatus::kDisabled}));
  EXPECT_EQ(code(send("d1", "m")), 404001);
  EXPECT_EQ(pending(), 0U);
}

TEST_F(C2dTest, ExpiresByTheDefaultAndByItsOwnTime) {
  ASSERT_TRUE(send("d1", "default", Ack::kNegative));
  ASSERT_TRUE(send("d1", {.message_id = "own", .expiry = wall() + minutes(2), .ack = Ack::kFull}));
  advance(minutes(3));
  EXPECT_EQ(feedback(), "own:Expired");
  EXPECT_EQ(pending(), 1U);
  advance(minutes(58));
  EXPECT_EQ(feedback(), "default:Expired");
  EXPECT_EQ(pending(), 0U);
}

TEST_F(C2dTest, ExpiryIsRememberedOverARestart) {
  ASSERT_TRUE(send("d1", "m1", Ack::kNegative));
  stop();
  clock_.advance(minutes(61));
  start();
  connect("d1", link_);
  EXPECT_EQ(link_.take(), "");
  EXPECT_EQ(feedback(), "m1:Expired");
}

TEST_F(C2dTest, AnExpiredLockedMessageCanNoLongerBeCompleted) {
  ASSERT_TRUE(send("d1", "m1", Ack::kFull));
  connect("d1", link_, 1);
  ASSERT_TRUE(send("d1", {.message_id = "m2", .expiry = wall() + hours(2)}));
  EXPECT_EQ(link_.take(), "m1 ");
  advance(minutes(61));
  EXPECT_EQ(complete("d1", link_, 0), 412002);
  EXPECT_EQ(link_.take(), "m2 ");
  EXPECT_EQ(feedback(), "m1:Expired");
}

TEST_F(C2dTest, PurgeRemovesAllAndTellsOfIt) {
  ASSERT_TRUE(send("d1", "m1", Ack::kFull));
  ASSERT_TRUE(send("d1", "m2", Ack::kPositive));
  ASSERT_TRUE(send("d1", "m3"));
  connect("d1", link_, 1);
  EXPECT_EQ(purge("d1"), 3U);
  EXPECT_EQ(purge("d1"), 0U);
  EXPECT_EQ(complete("d1", link_, 0), 412002);
  EXPECT_EQ(feedback(), "m1:Purged");
  EXPECT_EQ(code(purge("unknown")), 404001);
  ASSERT_TRUE(send("d1", "m4"));
  EXPECT_EQ(link_.take(), "m1 m4 ");
}

TEST_F(C2dTest, PurgeTakesWhatWasJustAbandoned) {
  ASSERT_TRUE(send("d1", "m1"));
  const auto received = partition("d1").receive("d1");
  store_.hold_commits(true);
  partition("d1").settle("d1", (*received)->lock, Partition::Settlement::kAbandon,
                         [](const Status&) {});
  std::optional<uint64_t> purged;
  partition("d1").purge("d1", [&](Result<uint64_t> count) { purged = *count; });
  store_.hold_commits(false);
  run();
  EXPECT_EQ(purged, 1U);
  EXPECT_FALSE(partition("d1").receive("d1")->has_value());
  restart();
  EXPECT_FALSE(partition("d1").receive("d1")->has_value());
}

TEST_F(C2dTest, PurgeIsAnsweredWhenWhatEndsAlreadyIsGone) {
  ASSERT_TRUE(send("d1", "m1"));
  connect("d1", link_, 1);
  store_.hold_commits(true);
  partition("d1").complete(link_, link_.locks.at(0), [](const Status&) {});
  std::optional<uint64_t> purged;
  partition("d1").purge("d1", [&](Result<uint64_t> count) { purged = *count; });
  run();
  EXPECT_EQ(purged, std::nullopt) << "a crash now would bring the message back";
  store_.hold_commits(false);
  run();
  EXPECT_EQ(purged, 0U);
}

TEST_F(C2dTest, ReceiveWithoutAConnectionLocksForAMinute) {
  ASSERT_TRUE(send("d1", "m1"));
  ASSERT_TRUE(send("d1", "m2"));
  const auto first = partition("d1").receive("d1");
  ASSERT_TRUE(first && *first);
  EXPECT_EQ((*first)->message.message_id, "m1");
  EXPECT_EQ((*partition("d1").receive("d1"))->message.message_id, "m2");
  EXPECT_FALSE(partition("d1").receive("d1")->has_value());
  advance(seconds(61));
  EXPECT_EQ((*partition("d1").receive("d1"))->message.message_id, "m1");
  Status settled;
  partition("d1").settle("d1", (*first)->lock, Partition::Settlement::kComplete,
                         [&](Status status) { settled = std::move(status); });
  run();
  EXPECT_EQ(code(settled), 412002);
}

TEST_F(C2dTest, DeletingTheDeviceDropsItsQueueAndItsFeedback) {
  ASSERT_TRUE(send("d1", "m1", Ack::kFull));
  ASSERT_TRUE(send("d1", "m2", Ack::kFull));
  connect("d1", link_, 1);
  EXPECT_EQ(complete("d1", link_, 0), 0);
  ASSERT_TRUE(remove("d1"));
  EXPECT_EQ(link_.disconnected, ErrorCode::kDeviceNotFound);
  EXPECT_EQ(feedback(), "");
  ASSERT_TRUE(create("d1"));
  EXPECT_EQ(pending(), 0U);
  restart();
  EXPECT_EQ(pending(), 0U);
}

TEST_F(C2dTest, SequenceNumbersAreNotUsedAgainAfterARestart) {
  const auto before = send("d1", "m1");
  connect("d1", link_);
  EXPECT_EQ(complete("d1", link_, 0), 0);
  restart();
  EXPECT_GT(*send("d1", "m2"), *before);
}

class StrictSubscriptionTest : public C2dTest {
 protected:
  StrictSubscriptionTest() : C2dTest({.c2d = {.strict_subscription_time = true}}) {}
};

TEST_F(StrictSubscriptionTest, WhatWasSentBeforeTheFirstSubscriptionIsRejected) {
  ASSERT_TRUE(send("d1", "old", Ack::kFull));
  advance(seconds(1));
  connect("d1", link_);
  ASSERT_TRUE(send("d1", "new"));
  EXPECT_EQ(link_.take(), "new ");
  EXPECT_EQ(feedback(), "old:Rejected");
}

class DeepQueueTest : public C2dTest {
 protected:
  DeepQueueTest() : C2dTest({.c2d = {.queue_depth_max = 100000}}) {}
};

TEST_F(DeepQueueTest, ManyMessagesComeInOrderWithAnyOrderOfCompletion) {
  constexpr int kCount = 2000;
  for (int i = 0; i < kCount; ++i) ASSERT_TRUE(send("d1", std::to_string(i)));
  connect("d1", link_, 16);
  // The newest of each window is completed first.
  for (size_t done = 0; done < kCount; done += 16) {
    for (size_t i = std::min<size_t>(done + 16, kCount); i-- > done;) {
      ASSERT_EQ(complete("d1", link_, i), 0);
    }
  }
  std::string expected;
  for (int i = 0; i < kCount; ++i) expected += std::to_string(i) + " ";
  EXPECT_EQ(link_.take(), expected);
  EXPECT_EQ(pending(), 0U);
}

}  // namespace
}  // namespace linarite::hub
