// Delivery feedback over AMQP: the message, settlement in both modes, credit, competing receivers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "gateway/amqp_fixture.h"

namespace linarite::gateway {
namespace {

using namespace std::chrono_literals;
using amqp::DeliveryState;
using amqp::ReceiverSettleMode;
using testing::ElementsAre;
using testing::IsEmpty;

class AmqpFeedback : public AmqpFixture {
 protected:
  // One feedback record: a message that dev1 completes.
  void make_feedback(const std::string& id) {
    hub::NotingLink device;
    connect("dev1", device);
    ASSERT_TRUE(HubFixture::send("dev1", id, wire::Ack::kFull));
    ASSERT_EQ(complete("dev1", device, device.locks.size() - 1), 0);
    partition("dev1").detach(device);
  }
  // The original message ids in the batches that came since the last look.
  std::string batches(BackEnd& peer) {
    exchange(peer);
    std::string text;
    for (const amqp::Message& message : peer.messages) {
      if (!text.empty()) text += " | ";
      const auto json = boost::json::parse(message.data.at(0));
      for (const auto& record : json.as_array()) {
        text += std::string(record.at("originalMessageId").as_string()) + ":" +
                std::string(record.at("statusCode").as_string());
      }
    }
    peer.messages.clear();
    return text;
  }
  void settle(BackEnd& peer, amqp::LinkId link, const DeliveryState& state, bool settled = true) {
    peer.client->settle(link, peer.received.back().delivery_id, state, settled);
    exchange(peer);
  }
};

TEST_F(AmqpFeedback, BatchHasTheFieldsThatClientsRead) {
  const auto peer = logged_in();
  attach_feedback(*peer, 1);
  make_feedback("m1");
  exchange(*peer);
  ASSERT_EQ(peer->messages.size(), 1U);
  const amqp::Message& message = peer->messages[0];
  EXPECT_EQ(message.properties.content_type, "application/vnd.microsoft.iothub.feedback.json");
  EXPECT_EQ(message.properties.user_id, "127");
  EXPECT_EQ(message.properties.message_id.type(), amqp::Type::kString);
  const Value* enqueued = message.message_annotations.find("iothub-enqueuedtime");
  ASSERT_NE(enqueued, nullptr);
  EXPECT_EQ(*enqueued, Value::timestamp(wall().time_since_epoch().count()));
  EXPECT_EQ(message.data.size(), 1U);
  EXPECT_EQ(peer->tags[0].size(), 16U);
  const auto record = boost::json::parse(message.data[0]).as_array().at(0);
  EXPECT_EQ(record.at("deviceId").as_string(), "dev1");
  EXPECT_EQ(record.at("description").as_string(), "Success");
}

TEST_F(AmqpFeedback, NothingComesWithoutCredit) {
  const auto peer = logged_in();
  const auto link = attach_feedback(*peer, 0);
  make_feedback("m1");
  EXPECT_EQ(batches(*peer), "");
  peer->client->grant_credit(link, 1);
  EXPECT_EQ(batches(*peer), "m1:Success");
  make_feedback("m2");
  EXPECT_EQ(batches(*peer), "");
  peer->client->grant_credit(link, 1);
  EXPECT_EQ(batches(*peer), "m2:Success");
}

TEST_F(AmqpFeedback, AcceptedInTheFirstModeIsGone) {
  const auto peer = logged_in();
  const auto link = attach_feedback(*peer, 10);
  make_feedback("m1");
  EXPECT_EQ(batches(*peer), "m1:Success");
  settle(*peer, link, DeliveryState::accepted());
  peer->drop();
  run();
  EXPECT_EQ(feedback(), "");
}

TEST_F(AmqpFeedback, ReleasedAndModifiedComeAgain) {
  const auto peer = logged_in();
  const auto link = attach_feedback(*peer, 10);
  make_feedback("m1");
  EXPECT_EQ(batches(*peer), "m1:Success");
  settle(*peer, link, DeliveryState::released());
  EXPECT_EQ(batches(*peer), "m1:Success");
  settle(*peer, link, DeliveryState::modified(true, false));
  EXPECT_EQ(batches(*peer), "m1:Success");
  settle(*peer, link, DeliveryState::accepted());
  EXPECT_EQ(batches(*peer), "");
}

TEST_F(AmqpFeedback, RejectedIsDropped) {
  const auto peer = logged_in();
  const auto link = attach_feedback(*peer, 10);
  make_feedback("m1");
  batches(*peer);
  settle(*peer, link, DeliveryState::rejected({"amqp:internal-error", "", {}}));
  EXPECT_EQ(batches(*peer), "");
  EXPECT_EQ(feedback(), "");
}

// The .NET client states an outcome, waits for the hub's settlement, and expects accepted in it.
TEST_F(AmqpFeedback, SecondModeIsAnsweredSettledAndAcceptedAlsoAfterRelease) {
  const auto peer = logged_in();
  const auto link = attach_feedback(*peer, 10, ReceiverSettleMode::kSecond);
  make_feedback("m1");
  EXPECT_EQ(batches(*peer), "m1:Success");
  settle(*peer, link, DeliveryState::released(), false);
  EXPECT_EQ(outcome_text(peer->outcomes.back()), "accepted");
  EXPECT_EQ(batches(*peer), "m1:Success");
  settle(*peer, link, DeliveryState::accepted(), false);
  EXPECT_EQ(peer->outcomes.size(), 2U);
  EXPECT_EQ(outcome_text(peer->outcomes.back()), "accepted");
  peer->drop();
  run();
  EXPECT_EQ(feedback(), "");
}

TEST_F(AmqpFeedback, AnswerInTheSecondModeWaitsForTheStore) {
  const auto peer = logged_in();
  const auto link = attach_feedback(*peer, 10, ReceiverSettleMode::kSecond);
  make_feedback("m1");
  batches(*peer);
  store_.hold_commits(true);
  settle(*peer, link, DeliveryState::accepted(), false);
  EXPECT_THAT(peer->outcomes, IsEmpty());
  release();
  exchange(*peer);
  EXPECT_EQ(peer->outcomes.size(), 1U);
}

TEST_F(AmqpFeedback, OutcomeAfterTheLockEndedIsRejectedAndTheBatchComesAgain) {
  const auto peer = logged_in();
  const auto link = attach_feedback(*peer, 10, ReceiverSettleMode::kSecond);
  make_feedback("m1");
  batches(*peer);
  const uint32_t late = peer->received.back().delivery_id;
  advance(*peer, 61s);
  peer->client->settle(link, late, DeliveryState::accepted(), false);
  exchange(*peer);
  EXPECT_EQ(outcome_text(peer->outcomes.back()), "rejected com.microsoft:message-lock-lost 412002");
}

// Node accepts by itself, and its user may settle once more.
TEST_F(AmqpFeedback, SecondDispositionIsIgnored) {
  const auto peer = logged_in();
  attach_feedback(*peer, 10);
  make_feedback("m1");
  batches(*peer);
  for (const auto& state : {DeliveryState::accepted(), DeliveryState::released()}) {
    peer->handler->on_bytes(
        amqp::test::amqp_frame(0, amqp::Disposition{Role::kReceiver, 0, 0, true, state, false}));
    run();
  }
  EXPECT_EQ(batches(*peer), "");
  EXPECT_EQ(feedback(), "");
}

TEST_F(AmqpFeedback, LostLinkAndLostConnectionGiveTheBatchBack) {
  const auto first = logged_in();
  const auto link = attach_feedback(*first, 1);
  make_feedback("m1");
  EXPECT_EQ(batches(*first), "m1:Success");
  first->client->detach(link, true, std::nullopt);
  exchange(*first);
  const auto second = logged_in();
  attach_feedback(*second, 1);
  EXPECT_EQ(batches(*second), "m1:Success");
  second->drop();
  run();
  EXPECT_EQ(feedback(), "m1:Success");
}

TEST_F(AmqpFeedback, ReceiversCompeteForEachBatch) {
  const auto first = logged_in();
  const auto second = logged_in();
  const auto link = attach_feedback(*first, 1);
  attach_feedback(*second, 1);
  make_feedback("m1");
  make_feedback("m2");
  std::vector<std::string> got = {batches(*first), batches(*second)};
  std::ranges::sort(got);
  EXPECT_THAT(got, ElementsAre("m1:Success", "m2:Success"));
  make_feedback("m3");
  EXPECT_EQ(batches(*first) + batches(*second), "");  // Nobody has credit.
  first->client->grant_credit(link, 1);
  EXPECT_EQ(batches(*first), "m3:Success");
}

TEST_F(AmqpFeedback, SettledModeGivesABatchOnce) {
  const auto peer = logged_in();
  const auto link =
      attach(*peer, Role::kReceiver, "/messages/servicebound/feedback", [](amqp::Attach& body) {
        body.snd_settle_mode = amqp::SenderSettleMode::kSettled;
      }).link;
  peer->client->grant_credit(link, 10);
  make_feedback("m1");
  EXPECT_EQ(batches(*peer), "m1:Success");
  EXPECT_TRUE(peer->received.back().settled);
  peer->drop();
  run();
  EXPECT_EQ(feedback(), "");
}

TEST_F(AmqpFeedback, DrainReturnsTheCreditAtOnce) {
  const auto peer = logged_in();
  const auto link = attach_feedback(*peer, 0);
  peer->client->grant_credit(link, 10, true);
  EXPECT_THAT(exchange(*peer), ElementsAre("drained"));
  make_feedback("m1");
  EXPECT_EQ(batches(*peer), "");
  peer->client->grant_credit(link, 1);
  EXPECT_EQ(batches(*peer), "m1:Success");
}

TEST_F(AmqpFeedback, DrainFirstGivesWhatThereIs) {
  make_feedback("m1");
  const auto peer = logged_in();
  const auto link = attach_feedback(*peer, 0);
  peer->client->grant_credit(link, 10, true);
  EXPECT_THAT(exchange(*peer), ElementsAre("message", "drained"));
  peer->drop();
  run();
  EXPECT_EQ(feedback(), "m1:Success");
}

TEST_F(AmqpFeedback, CreditMayComeWithTheAttach) {
  make_feedback("m1");
  const auto peer = logged_in();
  Bytes eager = amqp::test::amqp_frame(0, [] {
    auto body = amqp::test::Peer::attach_body("eager", 0, Role::kReceiver);
    body.source->address = "/messages/servicebound/feedback";
    return body;
  }());
  eager += amqp::test::amqp_frame(0, amqp::test::Peer::link_flow(0, 0, 5));
  peer->handler->on_bytes(eager);
  run();
  EXPECT_THAT(amqp::test::output_lines(peer->stream.sent),
              ElementsAre("0 attach eager handle=0 sender",
                          testing::StartsWith("0 transfer handle=0 id=0")));
}

}  // namespace
}  // namespace linarite::gateway
