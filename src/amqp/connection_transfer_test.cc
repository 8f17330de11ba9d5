// Messages, credit and settlement in both directions.
#include <gtest/gtest.h>

#include "amqp/test_peer.h"

namespace linarite::amqp {
namespace {

using namespace std::chrono_literals;
using test::amqp_frame;
using test::events_of;
using test::Lines;
using test::Peer;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

struct InSession : Peer {
  explicit InSession(ConnectionOptions options = {}, uint32_t peer_frame = UINT32_MAX)
      : Peer(std::move(options)) {
    open({.container_id = "peer", .max_frame_size = peer_frame});
    begin();
  }
};

TEST(Receive, MessageInOneFrameIsAViewAndIsSettledOnce) {
  InSession peer;
  const LinkId link = peer.attach_sender();
  EXPECT_THAT(peer.send(0, Peer::transfer_body(0, 0, "tag"), "hello"), IsEmpty());
  EXPECT_THAT(peer.happened(), ElementsAre("message id=0 tag=tag [hello]"));
  EXPECT_EQ(peer.engine->credit(link), 99U);
  peer.engine->settle(link, 0, DeliveryState::accepted());
  EXPECT_THAT(peer.read(), ElementsAre("0 disposition receiver 0..0 accepted settled"));
  peer.engine->settle(link, 0, DeliveryState::accepted());
  EXPECT_THAT(peer.read(), IsEmpty());
}

TEST(Receive, PreSettledNeedsNoDisposition) {
  InSession peer;
  const LinkId link = peer.attach_sender();
  Transfer transfer = Peer::transfer_body(0, 0, "t");
  transfer.settled = true;
  peer.send(0, transfer, "x");
  EXPECT_THAT(peer.happened(), ElementsAre("message id=0 tag=t settled [x]"));
  peer.engine->settle(link, 0, DeliveryState::accepted());
  EXPECT_THAT(peer.read(), IsEmpty());
}

TEST(Receive, LinkInSettledModeMakesEveryMessageSettled) {
  InSession peer;
  Attach attach = Peer::attach_body("l", 0, Role::kSender);
  attach.snd_settle_mode = SenderSettleMode::kSettled;
  peer.engine->grant_credit(peer.attach(attach), 10);
  peer.send(0, Peer::transfer_body(0, 0, "t"), "x");
  EXPECT_THAT(peer.happened(), ElementsAre("message id=0 tag=t settled [x]"));
}

TEST(Receive, NeighbouringOutcomesShareADisposition) {
  InSession peer;
  const LinkId link = peer.attach_sender();
  for (uint32_t id = 0; id < 6; ++id) peer.send(0, Peer::transfer_body(0, id, "t"), "x");
  for (const uint32_t id : {0U, 1U, 2U}) peer.engine->settle(link, id, DeliveryState::accepted());
  peer.engine->settle(link, 3, DeliveryState::rejected({"amqp:not-found", "", {}}));
  peer.engine->settle(link, 5, DeliveryState::accepted());
  peer.engine->settle(link, 4, DeliveryState::released());
  EXPECT_THAT(peer.read(),
              ElementsAre("0 disposition receiver 0..2 accepted settled",
                          "0 disposition receiver 3..3 rejected amqp:not-found settled",
                          "0 disposition receiver 5..5 accepted settled",
                          "0 disposition receiver 4..4 released settled"));
}

TEST(Receive, DispositionLeavesBeforeALaterFrame) {
  InSession peer;
  const LinkId in = peer.attach_sender(100, 0);
  const LinkId out = peer.attach_receiver(100, 1);
  peer.send(0, Peer::transfer_body(0, 0, "t"), "request");
  peer.engine->settle(in, 0, DeliveryState::accepted());
  ASSERT_TRUE(peer.engine->send(out, "r", "reply"));
  EXPECT_THAT(peer.read(), ElementsAre("0 disposition receiver 0..0 accepted settled",
                                       "0 transfer handle=1 id=0 [reply]"));
}

TEST(Receive, SecondModeWaitsForTheSender) {
  InSession peer;
  Attach attach = Peer::attach_body("l", 0, Role::kSender);
  attach.rcv_settle_mode = ReceiverSettleMode::kSecond;
  const LinkId link = peer.attach(attach);
  peer.engine->grant_credit(link, 10);
  peer.send(0, Peer::transfer_body(0, 0, "t"), "x");
  peer.engine->settle(link, 0, DeliveryState::accepted(), false);
  EXPECT_THAT(peer.read(), ElementsAre("0 disposition receiver 0..0 accepted"));
  peer.send(0, Disposition{Role::kSender, 0, 0, true, DeliveryState::accepted(), false});
  EXPECT_THAT(peer.happened(), ElementsAre("settled id=0 accepted"));
}

TEST(Receive, MessageOfManyFramesIsPutTogetherWhereverBytesAreCut) {
  const Bytes frames = amqp_frame(0, Peer::transfer_body(0, 7, "tag", true), "one ") +
                       amqp_frame(0, Peer::more_body(0, true), "two ") +
                       amqp_frame(0, Peer::more_body(0, false), "three");
  for (size_t cut = 0; cut <= frames.size(); ++cut) {
    InSession peer;
    peer.attach_sender();
    peer.write(frames.substr(0, cut));
    Lines events = peer.happened();
    peer.write(frames.substr(cut));
    for (const std::string& line : peer.happened()) events.push_back(line);
    ASSERT_THAT(events, ElementsAre("message id=7 tag=tag [one two three]"));
  }
}

TEST(Receive, FramesOfDifferentLinksMayBeMixed) {
  InSession peer;
  peer.attach_sender(10, 0);
  peer.attach_sender(10, 1);
  peer.write(amqp_frame(0, Peer::transfer_body(0, 0, "a", true), "a1") +
             amqp_frame(0, Peer::transfer_body(1, 1, "b", true), "b1") +
             amqp_frame(0, Peer::more_body(0, false), "a2") +
             amqp_frame(0, Peer::more_body(1, false), "b2"));
  EXPECT_THAT(peer.happened(),
              ElementsAre("message id=0 tag=a [a1a2]", "message id=1 tag=b [b1b2]"));
}

TEST(Receive, AbortedMessageVanishesAndGivesItsCreditBack) {
  InSession peer;
  const LinkId link = peer.attach_sender(1);
  peer.send(0, Peer::transfer_body(0, 0, "t", true), "half");
  Transfer abort = Peer::more_body(0, false);
  abort.aborted = true;
  EXPECT_THAT(peer.send(0, abort), ElementsAre("0 flow handle=0 count=1 credit=1"));
  EXPECT_THAT(peer.happened(), IsEmpty());
  EXPECT_EQ(peer.engine->credit(link), 1U);
  peer.send(0, Peer::transfer_body(0, 1, "u"), "whole");
  EXPECT_THAT(peer.happened(), ElementsAre("message id=1 tag=u [whole]"));
}

TEST(Receive, MessageAbortedInItsFirstFrameGivesItsCreditBack) {
  InSession peer;
  const LinkId link = peer.attach_sender(1);
  Transfer aborted = Peer::transfer_body(0, 0, "t");
  aborted.aborted = true;
  EXPECT_THAT(peer.send(0, aborted), ElementsAre("0 flow handle=0 count=1 credit=1"));
  EXPECT_THAT(peer.happened(), IsEmpty());
  EXPECT_EQ(peer.engine->credit(link), 1U);
}

TEST(Receive, ResumedDeliveryIsRefused) {
  InSession peer;
  peer.attach_sender();
  Transfer resumed = Peer::transfer_body(0, 0, "t");
  resumed.resume = true;
  EXPECT_THAT(peer.send(0, resumed), ElementsAre("0 detach 0 closed amqp:not-implemented"));
}

TEST(Receive, UnsettledIsCapped) {
  InSession peer({.unsettled_max = 2});
  peer.attach_sender();
  for (uint32_t id = 0; id < 2; ++id) peer.send(0, Peer::transfer_body(0, id, "t"), "x");
  EXPECT_THAT(peer.send(0, Peer::transfer_body(0, 2, "t"), "x"),
              ElementsAre("0 end amqp:resource-limit-exceeded"));
}

TEST(Receive, MalformedTransferAndDispositionAreDecodeErrors) {
  for (const Code code : {Code::kTransfer, Code::kDisposition}) {
    InSession peer;
    peer.attach_sender();
    Bytes body;
    Encoder encoder(body);
    encoder.descriptor(static_cast<uint64_t>(code));
    const auto list = encoder.open_list();
    encoder.string("neither a handle nor a role");
    encoder.close(list);
    EXPECT_THAT(peer.write(test::frame(kFrameTypeAmqp, 0, body)),
                ElementsAre("close amqp:decode-error"));
  }
}

TEST(Receive, TransferWithoutCreditDetaches) {
  InSession peer;
  peer.attach_sender(1);
  peer.send(0, Peer::transfer_body(0, 0, "a"), "x");
  EXPECT_THAT(peer.send(0, Peer::transfer_body(0, 1, "b"), "x"),
              ElementsAre("0 detach 0 closed amqp:link:transfer-limit-exceeded"));
  EXPECT_THAT(peer.happened(), ElementsAre("detached closed amqp:link:transfer-limit-exceeded"));
}

TEST(Receive, TransferBeforeTheOwnersAnswerIsRefused) {
  InSession peer;
  peer.send(0, Peer::attach_body("l", 0, Role::kSender));
  EXPECT_THAT(peer.send(0, Peer::transfer_body(0, 0, "a"), "x"),
              ElementsAre("0 attach l handle=0 receiver refused",
                          "0 detach 0 closed amqp:link:transfer-limit-exceeded"));
}

TEST(Receive, FirstFrameNeedsIdAndShortTag) {
  InSession no_id;
  no_id.attach_sender();
  EXPECT_THAT(no_id.send(0, Peer::more_body(0, false), "x"),
              ElementsAre("0 detach 0 closed amqp:invalid-field"));
  InSession long_tag;
  long_tag.attach_sender();
  EXPECT_THAT(long_tag.send(0, Peer::transfer_body(0, 0, std::string(33, 't')), "x"),
              ElementsAre("0 detach 0 closed amqp:invalid-field"));
  InSession fits;
  fits.attach_sender();
  fits.send(0, Peer::transfer_body(0, 0, std::string(32, 't')), "x");
  EXPECT_THAT(fits.happened(), SizeIs(1));
}

TEST(Receive, MessageInsideAMessageIsRefused) {
  InSession peer;
  peer.attach_sender();
  peer.send(0, Peer::transfer_body(0, 0, "a", true), "x");
  EXPECT_THAT(peer.send(0, Peer::transfer_body(0, 1, "b"), "y"),
              ElementsAre("0 detach 0 closed amqp:invalid-field"));
}

TEST(Receive, DeliveryIdsMayLeaveGapsButNotRepeatOrGoBack) {
  InSession peer;
  peer.attach_sender();
  peer.send(0, Peer::transfer_body(0, 5, "a"), "x");
  peer.send(0, Peer::transfer_body(0, 9, "b"), "x");
  EXPECT_THAT(peer.happened(), SizeIs(1));
  EXPECT_THAT(peer.send(0, Peer::transfer_body(0, 9, "c"), "x"),
              ElementsAre("0 end amqp:invalid-field"));
}

TEST(Receive, IdsRunOverTheEndOfTheNumberSpace) {
  InSession peer;
  const LinkId link = peer.attach_sender();
  for (const uint32_t id : {0xFFFFFFFEU, 0xFFFFFFFFU, 0U, 1U}) {
    peer.send(0, Peer::transfer_body(0, id, "t"), "x");
    ASSERT_THAT(peer.happened(), ElementsAre(fmt::format("message id={} tag=t [x]", id)));
  }
  for (const uint32_t id : {0xFFFFFFFEU, 0xFFFFFFFFU, 0U, 1U}) {
    peer.engine->settle(link, id, DeliveryState::accepted());
  }
  EXPECT_THAT(peer.read(), ElementsAre("0 disposition receiver 4294967294..1 accepted settled"));
}

// reliability.md 3.2: more=true for ever.
TEST(Receive, MessageOverTheSizeCapDetaches) {
  InSession peer({.message_size_max = 1000});
  peer.attach_sender();
  EXPECT_THAT(peer.send(0, Peer::transfer_body(0, 0, "t"), Bytes(1001, 'x')),
              ElementsAre("0 detach 0 closed amqp:link:message-size-exceeded"));
  InSession slowly({.message_size_max = 1000});
  slowly.attach_sender();
  slowly.send(0, Peer::transfer_body(0, 0, "t", true), Bytes(1000, 'x'));
  EXPECT_THAT(slowly.send(0, Peer::more_body(0, true), "x"),
              ElementsAre("0 detach 0 closed amqp:link:message-size-exceeded"));
}

TEST(Receive, UnfinishedMessagesOfAllLinksShareACap) {
  InSession peer({.assembly_bytes_max = 100});
  peer.attach_sender(10, 0);
  peer.attach_sender(10, 1);
  peer.send(0, Peer::transfer_body(0, 0, "a", true), Bytes(60, 'x'));
  EXPECT_THAT(peer.send(0, Peer::transfer_body(1, 1, "b", true), Bytes(60, 'x')),
              ElementsAre("0 detach 1 closed amqp:resource-limit-exceeded"));
  peer.send(0, Peer::more_body(0, true), Bytes(40, 'x'));
  EXPECT_THAT(peer.happened(), IsEmpty());
}

TEST(Receive, UnfinishedMessageHasADeadline) {
  InSession peer;
  peer.attach_sender();
  peer.send(0, Peer::transfer_body(0, 0, "t", true), "x");
  EXPECT_EQ(peer.engine->deadline(), peer.now + 60s);
  EXPECT_THAT(peer.advance(60s), ElementsAre("0 detach 0 closed amqp:resource-limit-exceeded"));
}

TEST(Receive, TransferBeyondTheSessionWindowEndsTheSession) {
  // The engine widens its window in time, so a peer only meets it by a window of nothing.
  InSession peer({.incoming_window = 0});
  peer.attach_sender();
  EXPECT_THAT(peer.send(0, Peer::transfer_body(0, 0, "t"), "x"),
              ElementsAre("0 end amqp:session:window-violation"));
}

TEST(Receive, SessionWindowIsWidenedAtItsHalf) {
  InSession peer({.incoming_window = 4});
  peer.attach_sender();
  for (uint32_t id = 0; id < 2; ++id) {
    EXPECT_THAT(peer.send(0, Peer::transfer_body(0, id, "t"), "x"), IsEmpty());
  }
  EXPECT_THAT(peer.send(0, Peer::transfer_body(0, 2, "t"), "x"), ElementsAre("0 flow window=4"));
}

TEST(Receive, TransferAgainstTheLinksDirectionDetaches) {
  InSession peer;
  peer.attach_receiver();
  EXPECT_THAT(peer.send(0, Peer::transfer_body(0, 0, "t"), "x"),
              ElementsAre("0 detach 0 closed amqp:not-allowed"));
}

TEST(Receive, DrainEndsWhenTheSenderHasUsedItsCredit) {
  InSession peer;
  const LinkId link = peer.attach_sender(0);
  peer.engine->grant_credit(link, 5, true);
  EXPECT_THAT(peer.read(), ElementsAre("0 flow handle=0 count=0 credit=5 drain"));
  peer.send(0, Peer::transfer_body(0, 0, "t"), "x");
  peer.send(0, Peer::link_flow(0, 5, 0, true));
  EXPECT_THAT(peer.happened(), ElementsAre("drained"));
  EXPECT_EQ(peer.engine->credit(link), 0U);
}

TEST(Receive, SendersCountThatJumpsFarOrBackTakesNoMoreThanTheCredit) {
  InSession peer;
  const LinkId link = peer.attach_sender(10);
  peer.send(0, Peer::link_flow(0, UINT32_MAX, 0));
  EXPECT_EQ(peer.engine->credit(link), 10U);
  peer.send(0, Peer::link_flow(0, 0x7FFFFFFF, 0));
  EXPECT_EQ(peer.engine->credit(link), 0U);
}

TEST(Send, NeedsCreditAndCountsIt) {
  InSession peer;
  const LinkId link = peer.attach_receiver(1);
  EXPECT_THAT(peer.happened(), ElementsAre("credit 1"));
  EXPECT_EQ(peer.engine->send(link, "t", "x"), 0U);
  EXPECT_THAT(peer.read(), ElementsAre("0 transfer handle=0 id=0 [x]"));
  EXPECT_EQ(peer.engine->send(link, "t", "x").error().code, ErrorCode::kLimitExceeded);
  peer.send(0, Peer::link_flow(0, 1, 2));
  EXPECT_THAT(peer.happened(), ElementsAre("credit 2"));
}

TEST(Send, OutcomeSettlesInTheFirstMode) {
  InSession peer;
  const LinkId link = peer.attach_receiver();
  peer.engine->send(link, "t", "x").value();
  peer.send(0, Disposition{Role::kReceiver, 0, 0, true, DeliveryState::accepted(), false});
  EXPECT_THAT(peer.happened(), ElementsAre("updated id=0 accepted settled"));
  peer.send(0, Disposition{Role::kReceiver, 0, 0, true, DeliveryState::released(), false});
  EXPECT_THAT(peer.happened(), IsEmpty());  // A second disposition comes too late.
}

TEST(Send, OutcomeIsEchoedSettledInTheSecondMode) {
  InSession peer;
  const LinkId link = peer.attach_receiver();
  peer.engine->send(link, "t", "x").value();
  peer.send(0, Disposition{Role::kReceiver, 0, 0, false, DeliveryState::released(), false});
  EXPECT_THAT(peer.happened(), ElementsAre("updated id=0 released"));
  peer.read();
  peer.engine->settle(link, 0, DeliveryState::accepted());
  EXPECT_THAT(peer.read(), ElementsAre("0 disposition sender 0..0 accepted settled"));
}

TEST(Send, UnsettledStateIsToldOnceThenItsSettlement) {
  InSession peer;
  peer.engine->send(peer.attach_receiver(), "t", "x").value();
  const Disposition stated{
      Role::kReceiver, 0, 0, false, DeliveryState::modified(true, false), false};
  peer.send(0, stated);
  EXPECT_THAT(peer.happened(), ElementsAre("updated id=0 modified"));
  peer.send(0, stated);
  EXPECT_THAT(peer.happened(), IsEmpty());
  peer.send(0, Disposition{Role::kReceiver, 0, 0, true, {}, false});
  EXPECT_THAT(peer.happened(), ElementsAre("updated id=0 modified settled"));
}

// reliability.md 3.2 and Qpid CVE-2015-0203: ranges of everything cost what is unsettled.
TEST(Send, DispositionOfTheWholeNumberSpaceMeetsOnlyWhatIsUnsettled) {
  InSession peer;
  const LinkId link = peer.attach_receiver();
  for (int i = 0; i < 3; ++i) peer.engine->send(link, "t", "x").value();
  peer.send(0, Disposition{Role::kReceiver, 0, UINT32_MAX, true, DeliveryState::accepted(), false});
  EXPECT_THAT(peer.happened(),
              ElementsAre("updated id=0 accepted settled", "updated id=1 accepted settled",
                          "updated id=2 accepted settled"));
  for (int i = 0; i < 10000; ++i) {
    peer.send(0,
              Disposition{Role::kReceiver, 0, UINT32_MAX, true, DeliveryState::accepted(), false});
    ASSERT_THAT(peer.happened(), IsEmpty());
  }
}

TEST(Send, BackwardRangeAndUnknownIdsMeetNothing) {
  InSession peer;
  const LinkId link = peer.attach_receiver();
  for (int i = 0; i < 3; ++i) peer.engine->send(link, "t", "x").value();
  for (const auto& [first, last] : {std::pair{5U, 4000000000U}, {3U, UINT32_MAX}, {100U, 100U}}) {
    peer.send(0, Disposition{Role::kReceiver, first, last, true, DeliveryState::accepted(), false});
    EXPECT_THAT(peer.happened(), IsEmpty());
  }
}

TEST(Send, PeerCannotSettleWhatItSentItself) {
  InSession peer;
  const LinkId in = peer.attach_sender(10, 0);
  peer.send(0, Peer::transfer_body(0, 0, "t"), "x");
  peer.send(0, Disposition{Role::kReceiver, 0, 0, true, DeliveryState::accepted(), false});
  EXPECT_THAT(peer.happened(), IsEmpty());
  peer.engine->settle(in, 0, DeliveryState::accepted());
  EXPECT_THAT(peer.read(), ElementsAre("0 disposition receiver 0..0 accepted settled"));
}

TEST(Send, DeliveriesAndCountsRunOverTheEndOfTheNumberSpace) {
  InSession peer({.first_serial = 0xFFFFFFFE});
  const LinkId link = peer.attach(Peer::attach_body("l", 0, Role::kReceiver));
  Flow flow = Peer::link_flow(0, 0xFFFFFFFE, 4);
  flow.next_incoming_id = 0xFFFFFFFF;
  peer.send(0, flow);
  EXPECT_THAT(peer.happened(), ElementsAre("credit 4"));
  for (const uint32_t id : {0xFFFFFFFEU, 0xFFFFFFFFU, 0U}) {
    EXPECT_EQ(peer.engine->send(link, "t", "x"), id);
  }
  EXPECT_EQ(peer.engine->credit(link), 1U);
  flow = Peer::link_flow(0, 0xFFFFFFFF, 4);  // Has seen one of three.
  flow.next_incoming_id = 0;
  peer.send(0, flow);
  EXPECT_EQ(peer.engine->credit(link), 2U);
  peer.send(0, Disposition{Role::kReceiver, 0xFFFFFFFF, 0, true, DeliveryState::accepted(), false});
  EXPECT_THAT(peer.happened(), ElementsAre("updated id=4294967295 accepted settled",
                                           "updated id=0 accepted settled"));
}

// reliability.md 3.2: negative credit wrap.
TEST(Send, CreditNeverWraps) {
  InSession peer;
  const LinkId link = peer.attach_receiver(10);
  for (int i = 0; i < 10; ++i) peer.engine->send(link, "t", "x").value();
  peer.send(0, Peer::link_flow(0, 0, 5));  // Takes back what is under way.
  EXPECT_EQ(peer.engine->credit(link), 0U);
  peer.send(0, Peer::link_flow(0, 20, 5));  // Claims to have seen more than was sent.
  EXPECT_EQ(peer.engine->credit(link), 5U);
}

TEST(Send, LargeMessageIsSplitToThePeersFrameSize) {
  InSession peer({}, 512);
  const LinkId link = peer.attach_receiver();
  Bytes payload;
  for (int i = 0; i < 2000; ++i) payload.push_back(static_cast<char>('a' + i % 26));
  peer.engine->send(link, "t", payload).value();
  EXPECT_EQ(peer.engine->output().size() % 512, 54U + 25U);  // Four full frames and a rest.
  EXPECT_THAT(
      peer.read(),
      ElementsAre("0 transfer handle=0 id=0 more [485 bytes]",
                  "0 transfer handle=0 more [487 bytes]", "0 transfer handle=0 more [487 bytes]",
                  "0 transfer handle=0 more [487 bytes]", "0 transfer handle=0 [54 bytes]"));
}

TEST(Send, FramesWaitForThePeersSessionWindow) {
  InSession peer({}, 512);
  const LinkId link = peer.attach(Peer::attach_body("l", 0, Role::kReceiver));
  Flow flow = Peer::link_flow(0, 0, 10);
  flow.incoming_window = 1;
  peer.send(0, flow);
  EXPECT_TRUE(peer.engine->send(link, "t", Bytes(900, 'x')));
  EXPECT_TRUE(peer.engine->send(link, "u", "second"));
  EXPECT_THAT(peer.read(), ElementsAre("0 transfer handle=0 id=0 more [485 bytes]"));
  EXPECT_EQ(peer.engine->waiting_bytes(), 906U);
  flow.next_incoming_id = 2;
  flow.incoming_window = 5;
  flow.delivery_count = 0;
  EXPECT_THAT(peer.send(0, flow),
              ElementsAre("0 transfer handle=0 [415 bytes]", "0 transfer handle=0 id=1 [second]"));
  EXPECT_EQ(peer.engine->waiting_bytes(), 0U);
  EXPECT_THAT(peer.happened(), ElementsAre("credit 8"));
}

TEST(Send, CanBeAskedBefore) {
  InSession peer({.unsettled_max = 2});
  const LinkId link = peer.attach_receiver(3);
  EXPECT_TRUE(peer.engine->can_send(link));
  Flow shut = Peer::link_flow(0, 0, 3);
  shut.incoming_window = 0;
  peer.send(0, shut);
  EXPECT_FALSE(peer.engine->can_send(link)) << "the session has no room";
  peer.send(0, Peer::link_flow(0, 0, 3));
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(peer.engine->send(link, "t", "x"));
  EXPECT_FALSE(peer.engine->can_send(link)) << "as many are unsettled as may be";
  peer.engine->detach(link, true, std::nullopt);
  EXPECT_FALSE(peer.engine->can_send(link));
}

TEST(Send, DetachDropsWhatWaitsForThePeersWindow) {
  InSession peer;
  const LinkId link = peer.attach_receiver(10);
  Flow shut = Peer::link_flow(0, 0, 10);
  shut.incoming_window = 0;
  peer.send(0, shut);
  ASSERT_TRUE(peer.engine->send(link, "t", "waits"));
  EXPECT_EQ(peer.engine->waiting_bytes(), 5U);
  EXPECT_THAT(peer.send(0, Detach{.handle = 0, .closed = true}), ElementsAre("0 detach 0 closed"));
  EXPECT_EQ(peer.engine->waiting_bytes(), 0U);
  EXPECT_THAT(peer.send(0, Flow{.next_incoming_id = 1, .incoming_window = 10}), IsEmpty());
}

TEST(Send, WaitingBytesAreCapped) {
  InSession peer({.waiting_bytes_max = 100});
  const LinkId link = peer.attach(Peer::attach_body("l", 0, Role::kReceiver));
  Flow flow = Peer::link_flow(0, 0, 1000);
  flow.incoming_window = 0;
  peer.send(0, flow);
  EXPECT_TRUE(peer.engine->send(link, "t", Bytes(60, 'x')));
  EXPECT_EQ(peer.engine->send(link, "t", Bytes(60, 'x')).error().code, ErrorCode::kLimitExceeded);
}

TEST(Send, UnsettledIsCapped) {
  InSession peer({.unsettled_max = 2});
  const LinkId link = peer.attach_receiver();
  EXPECT_TRUE(peer.engine->send(link, "t", "x"));
  EXPECT_TRUE(peer.engine->send(link, "t", "x"));
  EXPECT_EQ(peer.engine->send(link, "t", "x").error().code, ErrorCode::kLimitExceeded);
}

TEST(Send, PeersMessageSizeAndTheTagLengthAreKept) {
  InSession peer;
  Attach attach = Peer::attach_body("l", 0, Role::kReceiver);
  attach.max_message_size = 10;
  const LinkId link = peer.attach(attach);
  peer.send(0, Peer::link_flow(0, 0, 10));
  EXPECT_EQ(peer.engine->send(link, "t", Bytes(11, 'x')).error().code, ErrorCode::kMessageTooLarge);
  EXPECT_EQ(peer.engine->send(link, Bytes(33, 't'), "x").error().code, ErrorCode::kMalformed);
  EXPECT_TRUE(peer.engine->send(link, "t", Bytes(10, 'x')));
}

TEST(Send, LinkModesDecideWhetherMessagesAreSettled) {
  InSession peer;
  Attach attach = Peer::attach_body("l", 0, Role::kReceiver);
  attach.snd_settle_mode = SenderSettleMode::kSettled;
  const LinkId link = peer.attach(attach);
  peer.send(0, Peer::link_flow(0, 0, 10));
  peer.engine->send(link, "t", "x", false).value();
  EXPECT_THAT(peer.read(), ElementsAre("0 transfer handle=0 id=0 settled [x]"));
}

TEST(Send, DrainGivesTheCreditBack) {
  InSession peer;
  const LinkId link = peer.attach_receiver(0);
  peer.send(0, Peer::link_flow(0, 0, 5, true));
  EXPECT_THAT(peer.happened(), ElementsAre("credit 5 drain"));
  peer.engine->send(link, "t", "x").value();
  peer.engine->drained(link);
  EXPECT_THAT(peer.read(), ElementsAre("0 transfer handle=0 id=0 [x]",
                                       "0 flow handle=0 count=5 credit=0 drain"));
}

TEST(Flow, EchoIsAnsweredForLinkAndSession) {
  InSession peer;
  peer.attach_receiver(3);
  Flow link = Peer::link_flow(0, 0, 3);
  link.echo = true;
  EXPECT_THAT(peer.send(0, link), ElementsAre("0 flow handle=0 count=0 credit=3"));
  Flow session = link;
  session.handle.reset();
  session.delivery_count.reset();
  session.link_credit.reset();
  EXPECT_THAT(peer.send(0, session), ElementsAre("0 flow window=5000"));
}

TEST(Flow, CreditMayComeBeforeTheOwnersAnswer) {
  InSession peer;
  peer.send(0, Peer::attach_body("l", 0, Role::kReceiver));
  const LinkId link = events_of<LinkRequested>(peer.events)[0].link;
  peer.send(0, Peer::link_flow(0, 0, 7));
  EXPECT_EQ(peer.engine->credit(link), 0U);
  peer.engine->accept_link(link, {.source = Source{}, .target = Target{}});
  EXPECT_EQ(peer.engine->credit(link), 7U);
}

TEST(DeliveryMap, HolesInTheMiddleAreCleanedUp) {
  InSession peer;
  const LinkId link = peer.attach_sender(5000);
  for (uint32_t id = 0; id < 1000; ++id) peer.send(0, Peer::transfer_body(0, id, "t"), "x");
  for (uint32_t id = 999; id > 0; --id) peer.engine->settle(link, id, DeliveryState::accepted());
  peer.read();
  peer.engine->settle(link, 0, DeliveryState::accepted());
  EXPECT_THAT(peer.read(), ElementsAre("0 disposition receiver 0..0 accepted settled"));
}

// Two engines back to back, bytes handed over one at a time or all at once.
struct Pair {
  explicit Pair(size_t piece) : piece_size(piece) {
    auto server_options = std::make_shared<ConnectionOptions>();
    server_options->container_id = "hub";
    auto client_options = std::make_shared<ConnectionOptions>();
    client_options->server = false;
    client_options->container_id = "app";
    client_options->sasl_mechanism = "ANONYMOUS";
    client_options->max_frame_size = 600;
    server.emplace(server_options, now);
    client.emplace(client_options, now);
  }
  static bool move(Connection& from, Connection& to, size_t piece, Instant now, Events& events) {
    const Bytes bytes(from.output());
    from.clear_output();
    for (size_t at = 0; at < bytes.size(); at += piece) {
      to.receive(ByteView(bytes).substr(at, piece), now, events);
      for (const Event& event : events) {
        if (const auto* message = std::get_if<MessageReceived>(&event)) {
          EXPECT_EQ(message->payload, Bytes(3000, 'm'));
        }
      }
    }
    return !bytes.empty();
  }
  void run() {
    bool moved = true;
    while (moved) {
      moved = move(*client, *server, piece_size, now, server_events);
      moved = move(*server, *client, piece_size, now, client_events) || moved;
      for (const auto& sasl : test::events_of<SaslReceived>(server_events)) {
        server->sasl_outcome(sasl.mechanism == "ANONYMOUS" ? SaslCode::kOk : SaslCode::kAuth, now);
      }
      for (const auto& requested : test::events_of<LinkRequested>(server_events)) {
        server->accept_link(requested.link, {.source = requested.attach->source,
                                             .target = requested.attach->target});
        server->grant_credit(requested.link, 10);
      }
      for (const auto& message : test::events_of<MessageReceived>(server_events)) {
        server->settle(message.link, message.delivery_id, DeliveryState::accepted());
      }
      happened.insert(happened.end(), server_events.begin(), server_events.end());
      server_events.clear();
    }
  }
  size_t piece_size;
  Instant now{};
  std::optional<Connection> server;
  std::optional<Connection> client;
  Events server_events;
  Events client_events;
  Events happened;
};

TEST(Pair, ClientAndServerUnderstandEachOther) {
  for (const size_t piece : {1UL, 7UL, 100000UL}) {
    Pair pair(piece);
    pair.run();
    const auto session = pair.client->begin_session();
    ASSERT_TRUE(session);
    pair.run();
    const auto link = pair.client->attach(*session, Peer::attach_body("l", 0, Role::kSender));
    pair.run();
    ASSERT_EQ(pair.client->credit(*link), 10U);
    EXPECT_TRUE(pair.client->send(*link, "t", Bytes(3000, 'm')));
    EXPECT_TRUE(pair.client->send(*link, "u", Bytes(3000, 'm')));
    pair.client_events.clear();
    pair.run();
    EXPECT_THAT(test::event_lines(pair.client_events),
                ElementsAre("updated id=0 accepted settled", "updated id=1 accepted settled"));
    pair.client->close(std::nullopt, pair.now);
    pair.run();
    EXPECT_TRUE(pair.client->closed());
    EXPECT_TRUE(pair.server->closed());
  }
}

}  // namespace
}  // namespace linarite::amqp
