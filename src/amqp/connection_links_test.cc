// Sessions and links: how they begin, are refused, fail and end.
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

struct Opened : Peer {
  explicit Opened(ConnectionOptions options = {}) : Peer(std::move(options)) { open(); }
};
struct InSession : Opened {
  explicit InSession(ConnectionOptions options = {}) : Opened(std::move(options)) { begin(); }
};

TEST(Session, IsAnsweredOnTheLowestFreeChannel) {
  Opened peer;
  EXPECT_THAT(peer.send(7, Peer::begin_body()), ElementsAre("0 begin answers 7"));
  EXPECT_THAT(peer.send(3, Peer::begin_body()), ElementsAre("1 begin answers 3"));
  EXPECT_THAT(peer.send(7, End{}), ElementsAre("0 end"));
  EXPECT_THAT(peer.happened(), ElementsAre("session ended"));
  EXPECT_THAT(peer.send(9, Peer::begin_body()), ElementsAre("0 begin answers 9"));
}

// Azure's JavaScript and Java clients open a session per link.
TEST(Session, TwoHundredFiftySixFitOnOneConnection) {
  Opened peer;
  for (uint16_t channel = 0; channel < 256; ++channel) {
    EXPECT_THAT(peer.send(channel, Peer::begin_body()),
                ElementsAre(fmt::format("{0} begin answers {0}", channel)));
  }
}

// reliability.md 3.2: frames on thousands of channels.
TEST(Session, ChannelOverChannelMaxIsAFramingError) {
  for (const uint16_t channel : {uint16_t{256}, uint16_t{8191}, uint16_t{65535}}) {
    Opened peer;
    EXPECT_THAT(peer.send(channel, Peer::begin_body()),
                ElementsAre("close amqp:connection:framing-error"));
  }
}

TEST(Session, PeersChannelMaxIsKept) {
  Peer peer;
  peer.open({.container_id = "peer", .channel_max = 0});
  EXPECT_THAT(peer.send(0, Peer::begin_body()), ElementsAre("0 begin answers 0"));
  EXPECT_THAT(peer.send(1, Peer::begin_body()), ElementsAre("close amqp:resource-limit-exceeded"));
}

TEST(Session, BeginOnAChannelInUseAndFramesOutsideOfSessionsAreRefused) {
  InSession twice;
  EXPECT_THAT(twice.send(0, Peer::begin_body()), ElementsAre("close amqp:not-allowed"));
  Opened outside;
  EXPECT_THAT(outside.send(0, End{}), ElementsAre("close amqp:not-allowed"));
  Opened answer;
  Begin begin = Peer::begin_body();
  begin.remote_channel = 5;
  EXPECT_THAT(answer.send(0, begin), ElementsAre("close amqp:not-allowed"));
}

TEST(Session, TenThousandBeginsAndEndsLeaveNothing) {
  Opened peer;
  for (int i = 0; i < 10000; ++i) {
    ASSERT_THAT(peer.write(amqp_frame(0, Peer::begin_body()) + amqp_frame(0, End{})),
                ElementsAre("0 begin answers 0", "0 end"));
  }
}

TEST(Session, EndDetachesItsLinks) {
  InSession peer;
  peer.attach_sender();
  EXPECT_THAT(peer.send(0, End{Error{"amqp:internal-error", "", {}}}), ElementsAre("0 end"));
  EXPECT_THAT(peer.happened(),
              ElementsAre("detached amqp:internal-error", "session ended amqp:internal-error"));
}

TEST(Session, OwnersEndIsAnsweredAndItsFramesAreDroppedMeanwhile) {
  InSession peer;
  peer.attach_sender();
  peer.send(1, Peer::begin_body());
  const auto begun = events_of<SessionBegun>(peer.events);
  peer.engine->end_session(begun[0].session, Error{"amqp:resource-limit-exceeded", "", {}});
  EXPECT_THAT(peer.read(), ElementsAre("1 end amqp:resource-limit-exceeded"));
  EXPECT_THAT(peer.send(1, Peer::attach_body("late", 0, Role::kSender)), IsEmpty());
  EXPECT_THAT(peer.send(1, End{}), IsEmpty());
  EXPECT_THAT(peer.happened(), IsEmpty());
  EXPECT_THAT(peer.send(1, Peer::begin_body()), ElementsAre("1 begin answers 1"));
}

TEST(Link, AcceptMirrorsTheAttach) {
  InSession peer;
  EXPECT_THAT(peer.send(0, Peer::attach_body("l", 4, Role::kSender)), IsEmpty());
  EXPECT_THAT(peer.happened(), ElementsAre("requested l"));
  const LinkId link = events_of<LinkRequested>(peer.events)[0].link;
  peer.engine->accept_link(link,
                           {.source = Source{.address = "s"}, .target = Target{.address = "t"}});
  peer.engine->grant_credit(link, 100);
  EXPECT_THAT(peer.read(),
              ElementsAre("0 attach l handle=0 receiver", "0 flow handle=0 count=0 credit=100"));
}

TEST(Link, OurAttachAsSenderHasAnInitialDeliveryCountAndANonZeroMaxMessageSize) {
  InSession peer;
  peer.send(0, Peer::attach_body("l", 0, Role::kReceiver));
  peer.engine->accept_link(events_of<LinkRequested>(peer.events)[0].link,
                           {.source = Source{}, .target = Target{}});
  ByteView body = peer.engine->output().substr(kFrameHeaderSize);
  ValueView descriptor;
  ValueView list;
  Attach attach;
  ASSERT_TRUE(read_described(body, descriptor, list) && decode(list, attach));
  EXPECT_EQ(attach.initial_delivery_count, 0U);
  EXPECT_EQ(attach.max_message_size, kMessageSizeMax);
  EXPECT_EQ(attach.snd_settle_mode, SenderSettleMode::kMixed);
}

TEST(Link, MayBeAcceptedWithASmallerMessageSize) {
  Peer peer;
  peer.open();
  peer.begin();
  peer.send(0, Peer::attach_body("l", 0, Role::kSender));
  const LinkId link = events_of<LinkRequested>(peer.events).at(0).link;
  peer.engine->accept_link(link, {.source = Source{}, .target = Target{}, .max_message_size = 4});
  peer.engine->grant_credit(link, 1);
  peer.read();
  EXPECT_THAT(peer.send(0, Peer::transfer_body(0, 0, "t"), "12345"),
              ElementsAre("0 detach 0 closed amqp:link:message-size-exceeded"));
}

TEST(Link, RefusalIsAttachWithNullTerminiAndDetach) {
  InSession peer;
  peer.send(0, Peer::attach_body("l", 0, Role::kSender));
  peer.engine->refuse_link(events_of<LinkRequested>(peer.events)[0].link,
                           {"amqp:not-found", "no such node", {}});
  EXPECT_THAT(peer.read(), ElementsAre("0 attach l handle=0 receiver refused",
                                       "0 detach 0 closed amqp:not-found"));
  EXPECT_THAT(peer.send(0, Detach{0, true, std::nullopt}), IsEmpty());
  EXPECT_THAT(peer.happened(), IsEmpty());
}

TEST(Link, NameAndHandleAreFreeAfterDetach) {
  InSession peer;
  for (int i = 0; i < 1000; ++i) {
    peer.attach(Peer::attach_body("same", 0, Role::kSender));
    ASSERT_THAT(peer.send(0, Detach{0, true, std::nullopt}), ElementsAre("0 detach 0 closed"));
    ASSERT_THAT(peer.happened(), ElementsAre("detached closed"));
  }
}

TEST(Link, SameNameIsAnotherLinkInTheOtherDirectionOrAnotherSession) {
  InSession peer;
  peer.begin(1);
  peer.attach(Peer::attach_body("same", 0, Role::kSender));
  peer.attach(Peer::attach_body("same", 1, Role::kReceiver));
  peer.attach(Peer::attach_body("same", 0, Role::kSender), 1);
}

TEST(Link, AttachingANameAgainStealsIt) {
  InSession peer;
  peer.attach(Peer::attach_body("same", 0, Role::kSender));
  EXPECT_THAT(peer.send(0, Peer::attach_body("same", 1, Role::kSender)),
              ElementsAre("0 detach 0 closed amqp:link:stolen"));
  EXPECT_THAT(peer.happened(), ElementsAre("detached closed amqp:link:stolen", "requested same"));
}

TEST(Link, HandleInUseEndsTheSession) {
  InSession peer;
  peer.attach(Peer::attach_body("a", 0, Role::kSender));
  EXPECT_THAT(peer.send(0, Peer::attach_body("b", 0, Role::kSender)),
              ElementsAre("0 end amqp:session:handle-in-use"));
  EXPECT_THAT(peer.happened(), ElementsAre("detached amqp:session:handle-in-use",
                                           "session ended amqp:session:handle-in-use"));
}

TEST(Link, HandleOverHandleMaxIsAFramingError) {
  for (const uint32_t handle : {256U, UINT32_MAX}) {
    InSession peer;
    EXPECT_THAT(peer.send(0, Peer::attach_body("l", handle, Role::kSender)),
                ElementsAre("close amqp:connection:framing-error"));
  }
}

TEST(Link, FramesOnUnattachedHandlesEndTheSession) {
  const Lines end = {"0 end amqp:session:unattached-handle"};
  InSession detach;
  EXPECT_EQ(detach.send(0, Detach{5, true, std::nullopt}), end);
  InSession flow;
  EXPECT_EQ(flow.send(0, Peer::link_flow(5, 0, 10)), end);
  InSession transfer;
  EXPECT_EQ(transfer.send(0, Peer::transfer_body(5, 0, "t")), end);
}

// reliability.md 3.2: thousands of links; counted before allocation.
TEST(Link, LinksAreCountedOverAllSessions) {
  InSession peer({.links_max = 4});
  peer.begin(1);
  for (uint32_t i = 0; i < 4; ++i) {
    peer.attach(Peer::attach_body("l" + std::to_string(i), i, Role::kSender), i % 2 == 0 ? 0 : 1);
  }
  EXPECT_THAT(peer.send(0, Peer::attach_body("over", 9, Role::kSender)),
              ElementsAre("0 attach over handle=2 receiver refused",
                          "0 detach 2 closed amqp:resource-limit-exceeded"));
  EXPECT_THAT(peer.happened(), IsEmpty());
  // A peer that never answers the refusals loses its session.
  Lines last;
  for (uint32_t i = 10; i < 10 + kRefusedLinksMax; ++i) {
    last = peer.send(0, Peer::attach_body("over" + std::to_string(i), i, Role::kSender));
  }
  EXPECT_THAT(last, ElementsAre("0 end amqp:resource-limit-exceeded"));
}

TEST(Link, PeersDetachBeforeTheOwnersAnswerIsAnswered) {
  InSession peer;
  peer.write(amqp_frame(0, Peer::attach_body("l", 0, Role::kSender)) +
             amqp_frame(0, Detach{0, true, std::nullopt}));
  EXPECT_THAT(peer.happened(), ElementsAre("requested l", "detached closed"));
  peer.engine->accept_link(events_of<LinkRequested>(peer.events)[0].link, {});
  EXPECT_THAT(peer.read(), IsEmpty());
}

// azure-uamqp-c CVE-2024-25110 and its kin: detach during a transfer.
TEST(Link, DetachInsideAMessageDropsIt) {
  InSession peer;
  const LinkId link = peer.attach_sender();
  peer.send(0, Peer::transfer_body(0, 0, "t", true), "half");
  EXPECT_THAT(peer.send(0, Detach{0, true, std::nullopt}), ElementsAre("0 detach 0 closed"));
  peer.engine->settle(link, 0, DeliveryState::accepted());
  EXPECT_THAT(peer.read(), IsEmpty());
}

TEST(Link, OwnersDetachDropsWhatThePeerSendsMeanwhile) {
  InSession peer;
  const LinkId link = peer.attach_sender();
  peer.engine->detach(link, true, Error{"amqp:unauthorized-access", std::string(1000, 'd'), {}});
  EXPECT_THAT(peer.read(), ElementsAre("0 detach 0 closed amqp:unauthorized-access"));
  EXPECT_THAT(peer.send(0, Peer::transfer_body(0, 0, "t"), "late"), IsEmpty());
  EXPECT_THAT(peer.send(0, Detach{0, true, std::nullopt}), IsEmpty());
  EXPECT_THAT(peer.happened(), IsEmpty());
}

TEST(Link, AnswerThatDoesNotFitThePeersFrameClosesTheConnection) {
  Peer peer;
  peer.open({.container_id = "peer", .max_frame_size = 512});
  peer.begin();
  Attach attach = Peer::attach_body(std::string(600, 'n'), 0, Role::kSender);
  peer.send(0, attach);
  peer.engine->accept_link(events_of<LinkRequested>(peer.events)[0].link,
                           {.source = Source{}, .target = Target{}});
  EXPECT_THAT(peer.read(), ElementsAre("close amqp:frame-size-too-small"));
  peer.advance(0s);
  EXPECT_THAT(peer.happened(), ElementsAre("closed by protocol amqp:frame-size-too-small"));
}

TEST(Link, MalformedAttachIsADecodeError) {
  InSession peer;
  Bytes body;
  Encoder encoder(body);
  encoder.descriptor(static_cast<uint64_t>(Code::kAttach));
  const auto list = encoder.open_list();
  encoder.string("no handle, no role");
  encoder.close(list);
  EXPECT_THAT(peer.write(test::frame(kFrameTypeAmqp, 0, body)),
              ElementsAre("close amqp:decode-error"));
}

// The client role, against literal answers.
TEST(Client, BeginsAttachesAndDetaches) {
  Peer client({.server = false, .container_id = "app"});
  client.read();
  client.open({.container_id = "hub"});
  const auto session = client.engine->begin_session();
  ASSERT_TRUE(session);
  EXPECT_THAT(client.read(), ElementsAre("0 begin"));
  Begin begin = Peer::begin_body();
  begin.remote_channel = 0;
  client.send(4, begin);
  EXPECT_THAT(client.happened(), ElementsAre("session begun"));
  const auto link = client.engine->attach(*session, Peer::attach_body("l", 0, Role::kSender));
  ASSERT_TRUE(link);
  EXPECT_THAT(client.read(), ElementsAre("0 attach l handle=0 sender"));
  client.send(4, Peer::attach_body("l", 9, Role::kReceiver));
  EXPECT_THAT(client.happened(), ElementsAre("attached l"));
  client.engine->detach(*link, true, std::nullopt);
  EXPECT_THAT(client.read(), ElementsAre("0 detach 0 closed"));
  EXPECT_THAT(client.send(4, Detach{9, true, std::nullopt}), IsEmpty());
}

TEST(Client, SeesARefusalAsAttachWithoutTerminusAndDetach) {
  Peer client({.server = false});
  client.open({.container_id = "hub"});
  const auto session = client.engine->begin_session();
  Begin begin = Peer::begin_body();
  begin.remote_channel = 0;
  client.send(0, begin);
  ASSERT_TRUE(client.engine->attach(*session, Peer::attach_body("l", 0, Role::kSender)));
  Attach refusal = Peer::attach_body("l", 0, Role::kReceiver);
  refusal.target.reset();
  client.write(amqp_frame(0, refusal) +
               amqp_frame(0, Detach{0, true, Error{"amqp:not-found", "", {}}}));
  EXPECT_THAT(client.happened(),
              ElementsAre("attached l refused", "detached closed amqp:not-found"));
}

TEST(Client, EndBeforeTheAnswerStillEndsTheSession) {
  Peer client({.server = false});
  client.open({.container_id = "hub"});
  const auto session = client.engine->begin_session();
  client.engine->end_session(*session, std::nullopt);
  EXPECT_THAT(client.read(), ElementsAre("0 begin", "0 end"));
  Begin begin = Peer::begin_body();
  begin.remote_channel = 0;
  client.write(amqp_frame(0, begin) + amqp_frame(0, End{}));
  EXPECT_THAT(client.happened(), IsEmpty());
  ASSERT_TRUE(client.engine->begin_session());
  EXPECT_THAT(client.read(), ElementsAre("0 begin")) << "its channel is free";
}

TEST(Client, DetachBeforeTheAnswerStillEndsTheLink) {
  Peer client({.server = false});
  client.open({.container_id = "hub"});
  const auto session = client.engine->begin_session();
  Begin begin = Peer::begin_body();
  begin.remote_channel = 0;
  client.send(0, begin);
  const auto link = client.engine->attach(*session, Peer::attach_body("l", 0, Role::kSender));
  client.engine->detach(*link, true, std::nullopt);
  client.read();
  EXPECT_THAT(client.write(amqp_frame(0, Peer::attach_body("l", 0, Role::kReceiver)) +
                           amqp_frame(0, Detach{0, true, std::nullopt})),
              IsEmpty());
  EXPECT_THAT(client.happened(), IsEmpty());
  EXPECT_TRUE(client.engine->attach(*session, Peer::attach_body("l", 0, Role::kSender)));
}

TEST(Client, CannotBeginBeforeOpenNorAttachOverTheLimit) {
  Peer client({.server = false, .links_max = 1});
  EXPECT_EQ(client.engine->begin_session().error().code, ErrorCode::kMalformed);
  client.open({.container_id = "hub", .channel_max = 0});
  const auto session = client.engine->begin_session();
  ASSERT_TRUE(session);
  EXPECT_EQ(client.engine->begin_session().error().code, ErrorCode::kLimitExceeded);
  EXPECT_TRUE(client.engine->attach(*session, Peer::attach_body("a", 0, Role::kSender)));
  EXPECT_EQ(client.engine->attach(*session, Peer::attach_body("b", 0, Role::kSender)).error().code,
            ErrorCode::kLimitExceeded);
}

}  // namespace
}  // namespace linarite::amqp
