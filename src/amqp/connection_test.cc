// Protocol headers, SASL, open and close, time-outs: one engine against literal frames.
#include "amqp/connection.h"

#include <gtest/gtest.h>

#include "amqp/test_peer.h"

namespace linarite::amqp {
namespace {

using namespace std::chrono_literals;
using test::amqp_frame;
using test::Lines;
using test::Peer;
using test::sasl_frame;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::StartsWith;

TEST(Header, BareAmqpHeaderIsAnsweredAndOpens) {
  Peer peer;
  EXPECT_THAT(peer.write(kAmqpHeader), ElementsAre("AMQP header"));
  EXPECT_THAT(peer.send(0, Open{.container_id = "peer"}), ElementsAre("open hub"));
  EXPECT_THAT(peer.happened(), ElementsAre("opened peer"));
}

TEST(Header, SaslHeaderIsAnsweredWithMechanismsInOrder) {
  Peer peer;
  EXPECT_THAT(peer.write(kSaslHeader),
              ElementsAre("SASL header", "sasl-mechanisms MSSBCBS PLAIN ANONYMOUS EXTERNAL"));
}

TEST(Header, MechanismsAreAnArrayOfSymbolsAlsoForOne) {
  Peer peer({.sasl_mechanisms = {"PLAIN"}});
  peer.engine->receive(kSaslHeader, peer.now, peer.events);
  // Part 5, 5.3.3.1: 0xE0 array8, size 8, one element, sym8, "PLAIN".
  EXPECT_NE(peer.engine->output().find(ByteView("\xE0\x08\x01\xA3\x05PLAIN", 10)), ByteView::npos);
}

TEST(Header, UnknownVersionIsAnsweredWithOurHeaderAndClosed) {
  for (const ByteView header : {ByteView("AMQP\x02\x01\x00\x00", 8),
                                ByteView("AMQP\x00\x00\x09\x01", 8), ByteView("GET / HT", 8)}) {
    Peer peer;
    EXPECT_THAT(peer.write(header), ElementsAre("AMQP header"));
    EXPECT_THAT(peer.happened(), ElementsAre("closed by protocol"));
  }
}

TEST(Header, SaslMayBeRequired) {
  Peer peer({.allow_no_sasl = false});
  EXPECT_THAT(peer.write(kAmqpHeader), ElementsAre("SASL header"));
  EXPECT_THAT(peer.happened(), ElementsAre("closed by protocol"));
}

TEST(Header, ClientsHeaderMustBeAnsweredInKind) {
  Peer client({.server = false});
  EXPECT_THAT(client.read(), ElementsAre("AMQP header", "open hub"));
  client.write(kSaslHeader);
  EXPECT_THAT(client.happened(), ElementsAre("closed by protocol"));
}

TEST(Sasl, OutcomeLeadsToTheAmqpHeader) {
  Peer peer;
  peer.write(kSaslHeader);
  EXPECT_THAT(peer.write(sasl_frame(SaslInit{.mechanism = "PLAIN", .initial_response = "secret"})),
              IsEmpty());
  EXPECT_THAT(peer.happened(), ElementsAre("sasl PLAIN secret"));
  peer.engine->sasl_outcome(SaslCode::kOk, peer.now);
  EXPECT_THAT(peer.read(), ElementsAre("sasl-outcome 0"));
  EXPECT_THAT(peer.write(kAmqpHeader), ElementsAre("AMQP header"));
  EXPECT_THAT(peer.send(0, Open{.container_id = "peer"}), ElementsAre("open hub"));
}

TEST(Sasl, WhatIsSentAheadOfTheOutcomeIsReadAfterIt) {
  Peer peer;
  peer.write(Bytes(kSaslHeader) + sasl_frame(SaslInit{.mechanism = "MSSBCBS"}) +
             Bytes(kAmqpHeader) + amqp_frame(0, Open{.container_id = "eager"}));
  EXPECT_THAT(peer.happened(), ElementsAre("sasl MSSBCBS"));
  peer.read();
  peer.engine->sasl_outcome(SaslCode::kOk, peer.now);
  EXPECT_THAT(peer.read(), ElementsAre("sasl-outcome 0", "AMQP header", "open hub"));
  EXPECT_EQ(peer.engine->deadline(), peer.now);
  peer.advance(0s);
  EXPECT_THAT(peer.happened(), ElementsAre("opened eager"));
}

TEST(Sasl, NothingIsReadAheadWithoutLimit) {
  Peer peer;
  peer.write(Bytes(kSaslHeader) + sasl_frame(SaslInit{.mechanism = "MSSBCBS"}));
  peer.write(Bytes(kPipelinedBytesMax, 'x'));
  EXPECT_THAT(peer.happened(), IsEmpty());
  peer.write("x");
  EXPECT_THAT(peer.happened(), ElementsAre("closed by protocol amqp:resource-limit-exceeded"));
}

TEST(Sasl, FailedOutcomeEndsTheConnection) {
  Peer peer;
  peer.write(Bytes(kSaslHeader) + sasl_frame(SaslInit{.mechanism = "PLAIN"}));
  peer.engine->sasl_outcome(SaslCode::kAuth, peer.now);
  EXPECT_THAT(peer.read(), ElementsAre("sasl-outcome 1"));
  peer.advance(0s);
  EXPECT_THAT(peer.happened(), ElementsAre("closed by sasl"));
}

TEST(Sasl, MechanismThatWasNotOfferedIsRefused) {
  Peer peer;
  peer.write(kSaslHeader);
  EXPECT_THAT(peer.write(sasl_frame(SaslInit{.mechanism = "CRAM-MD5"})),
              ElementsAre("sasl-outcome 1"));
  EXPECT_THAT(peer.happened(), ElementsAre("closed by sasl"));
}

TEST(Sasl, SkippingToTheAmqpHeaderIsRefused) {
  Peer peer;
  peer.write(kSaslHeader);
  peer.write(kAmqpHeader);
  EXPECT_THAT(peer.happened(), ElementsAre(StartsWith("closed by protocol")));
}

TEST(Sasl, ForgedOutcomeAndSecondInitAreRefused) {
  Peer forged;
  forged.write(kSaslHeader);
  forged.write(sasl_frame(SaslOutcome{SaslCode::kOk, std::nullopt}));
  EXPECT_THAT(forged.happened(), ElementsAre("closed by protocol amqp:decode-error"));

  Peer twice;
  twice.write(kSaslHeader);
  twice.write(sasl_frame(SaslInit{.mechanism = "PLAIN"}));
  twice.engine->sasl_challenge("more");
  EXPECT_THAT(twice.read(), ElementsAre("sasl-challenge more"));
  twice.write(sasl_frame(SaslInit{.mechanism = "PLAIN"}));
  EXPECT_THAT(twice.happened(), ElementsAre("closed by protocol amqp:decode-error"));
}

TEST(Sasl, ChallengeAndResponseGoBackAndForth) {
  Peer peer;
  peer.write(kSaslHeader);
  peer.write(sasl_frame(SaslInit{.mechanism = "EXTERNAL"}));
  peer.engine->sasl_challenge("who?");
  peer.read();
  peer.write(sasl_frame(SaslResponse{"me"}));
  EXPECT_THAT(peer.happened(), ElementsAre("sasl EXTERNAL me"));
}

TEST(Sasl, OversizedResponseIsRefusedBeforeItIsBuffered) {
  Peer peer;
  peer.write(kSaslHeader);
  const Bytes big =
      sasl_frame(SaslInit{.mechanism = "PLAIN", .initial_response = Bytes(5000, 'x')});
  peer.write(big.substr(0, 8));
  EXPECT_THAT(peer.happened(), ElementsAre("closed by protocol amqp:connection:framing-error"));
}

TEST(Sasl, AmqpFrameInsideSaslAndSaslFrameAfterItAreFramingErrors) {
  Peer inside;
  inside.write(kSaslHeader);
  inside.send(0, Open{.container_id = "peer"});
  EXPECT_THAT(inside.happened(), ElementsAre("closed by protocol amqp:connection:framing-error"));

  Peer after;
  after.open();
  EXPECT_THAT(after.write(sasl_frame(SaslInit{.mechanism = "PLAIN"})),
              ElementsAre("close amqp:connection:framing-error"));
}

TEST(Sasl, ClientPicksItsMechanismAndOpensAfterTheOutcome) {
  Peer client({.server = false, .sasl_mechanism = "MSSBCBS"});
  EXPECT_THAT(client.read(), ElementsAre("SASL header"));
  EXPECT_THAT(client.write(Bytes(kSaslHeader) + sasl_frame(SaslMechanisms{{"PLAIN", "MSSBCBS"}})),
              ElementsAre("sasl-init MSSBCBS"));
  EXPECT_THAT(client.write(sasl_frame(SaslOutcome{})), ElementsAre("AMQP header", "open hub"));
  client.write(Bytes(kAmqpHeader) + amqp_frame(0, Open{.container_id = "server"}));
  EXPECT_THAT(client.happened(), ElementsAre("opened server"));
}

TEST(Sasl, ClientRefusesAServerWithoutItsMechanismOrWithABadOutcome) {
  Peer client({.server = false, .sasl_mechanism = "MSSBCBS"});
  client.write(Bytes(kSaslHeader) + sasl_frame(SaslMechanisms{{"PLAIN"}}));
  EXPECT_THAT(client.happened(), ElementsAre("closed by sasl"));

  Peer refused({.server = false, .sasl_mechanism = "PLAIN"});
  refused.write(Bytes(kSaslHeader) + sasl_frame(SaslMechanisms{{"PLAIN"}}));
  refused.write(sasl_frame(SaslOutcome{SaslCode::kAuth, std::nullopt}));
  EXPECT_THAT(refused.happened(), ElementsAre("closed by sasl"));
}

// reliability.md 3.2: frame size 0 to 7, over the maximum, data offset below 2 or past the end.
TEST(Framing, SizesAndOffsetsAreCheckedBeforeBuffering) {
  const Lines error = {"open hub", "close amqp:connection:framing-error"};
  for (const ByteView header :
       {ByteView("\0\0\0\0\2\0\0\0", 8), ByteView("\0\0\0\7\2\0\0\0", 8),
        ByteView("\xFF\xFF\xFF\xFF\2\0\0\0", 8), ByteView("\0\0\x10\1\2\0\0\0", 8),
        ByteView("\0\0\0\x10\1\0\0\0", 8), ByteView("\0\0\0\x10\0\0\0\0", 8),
        ByteView("\0\0\0\x10\5\0\0\0", 8), ByteView("\0\0\0\x10\xFF\0\0\0", 8)}) {
    Peer peer;
    peer.write(kAmqpHeader);
    EXPECT_EQ(peer.write(header), error);
    EXPECT_THAT(peer.happened(), ElementsAre("closed by protocol amqp:connection:framing-error"));
  }
}

TEST(Framing, OpenOf4KiBIsTakenAndLaterFramesUpToOurMaximum) {
  Peer peer;
  peer.open({.container_id = std::string(4000, 'c')});
  EXPECT_THAT(peer.happened(), ElementsAre(StartsWith("opened")));
  EXPECT_THAT(peer.write(ByteView("\0\1\0\0\2\0\0\0", 8)), IsEmpty());  // 65536, not complete.
  Peer over;
  over.open();
  EXPECT_THAT(over.write(ByteView("\0\1\0\1\2\0\0\0", 8)),
              ElementsAre("close amqp:connection:framing-error"));
}

TEST(Framing, ExtendedHeaderIsSkipped) {
  Peer peer;
  peer.write(kAmqpHeader);
  Bytes plain = amqp_frame(0, Open{.container_id = "peer"});
  Bytes extended = plain.substr(0, 8) + "more" + plain.substr(8);
  extended[3] = static_cast<char>(extended.size());
  extended[4] = 3;
  EXPECT_THAT(peer.write(extended), ElementsAre("open hub"));
}

TEST(Framing, UnknownFrameTypeIsAFramingError) {
  Peer peer;
  peer.open();
  EXPECT_THAT(peer.write(test::frame(2, 0, "")),
              ElementsAre("close amqp:connection:framing-error"));
}

TEST(Framing, UnknownPerformativeAndJunkAreDecodeErrors) {
  for (const ByteView body : {ByteView("\x00\x53\x19\x45", 4), ByteView("\x45", 1),
                              ByteView("junk", 4), ByteView("\x00\x53\x10\xC0\x01", 5)}) {
    Peer peer;
    peer.open();
    peer.write(test::frame(kFrameTypeAmqp, 0, body));
    EXPECT_THAT(peer.happened(), ElementsAre(StartsWith("closed by protocol")));
  }
}

TEST(Framing, BytesMayBeSplitAnywhere) {
  const Bytes bytes = Bytes(kSaslHeader) + sasl_frame(SaslInit{.mechanism = "PLAIN"});
  const Bytes rest = Bytes(kAmqpHeader) + amqp_frame(0, Open{.container_id = "peer"}) +
                     amqp_frame(3, Peer::begin_body()) +
                     amqp_frame(3, Peer::attach_body("l", 0, Role::kSender)) +
                     amqp_frame(0, Close{});
  for (size_t cut = 0; cut <= rest.size(); ++cut) {
    Peer peer;
    for (const char c : bytes) peer.engine->receive(ByteView(&c, 1), peer.now, peer.events);
    peer.engine->sasl_outcome(SaslCode::kOk, peer.now);
    peer.read();
    Lines lines = peer.write(rest.substr(0, cut));
    Lines events = peer.happened();
    for (const std::string& line : peer.write(rest.substr(cut))) lines.push_back(line);
    for (const std::string& line : peer.happened()) events.push_back(line);
    EXPECT_THAT(lines, ElementsAre("AMQP header", "open hub", "0 begin answers 3", "close")) << cut;
    EXPECT_THAT(events,
                ElementsAre("opened peer", "session begun", "requested l", "closed by peer"))
        << cut;
  }
}

TEST(Open, FirstFrameMustBeAnOpenOnChannelZero) {
  Peer begin;
  begin.write(kAmqpHeader);
  EXPECT_THAT(begin.send(0, Peer::begin_body()), ElementsAre("open hub", "close amqp:not-allowed"));
  Peer channel;
  channel.write(kAmqpHeader);
  EXPECT_THAT(channel.send(1, Open{.container_id = "peer"}),
              ElementsAre("open hub", "close amqp:not-allowed"));
}

TEST(Open, SecondOpenIsRefused) {
  Peer peer;
  peer.open();
  EXPECT_THAT(peer.send(0, Open{.container_id = "peer"}), ElementsAre("close amqp:not-allowed"));
}

TEST(Open, OurAnswerStatesOurLimitsWhateverThePeerAsks) {
  Peer peer;
  peer.write(kAmqpHeader);
  peer.engine->receive(
      amqp_frame(0, Open{.container_id = "peer", .max_frame_size = 512, .channel_max = 1}),
      peer.now, peer.events);
  ByteView body = peer.engine->output().substr(kFrameHeaderSize);
  ValueView descriptor;
  ValueView list;
  Open open;
  ASSERT_TRUE(read_described(body, descriptor, list) && decode(list, open));
  EXPECT_EQ(open.max_frame_size, 65536U);
  EXPECT_EQ(open.channel_max, 255);
  EXPECT_EQ(open.idle_time_out_ms, 240000U);
}

TEST(Close, PeersCloseIsAnswered) {
  Peer peer;
  peer.open();
  EXPECT_THAT(peer.send(0, Close{Error{"amqp:connection:forced", "bye", {}}}),
              ElementsAre("close"));
  EXPECT_THAT(peer.happened(), ElementsAre("closed by peer amqp:connection:forced"));
  EXPECT_EQ(peer.engine->deadline(), std::nullopt);
  EXPECT_THAT(peer.write("anything"), IsEmpty());
  EXPECT_THAT(peer.happened(), IsEmpty());
}

TEST(Close, OursWaitsForThePeersAndDropsWhatComesBefore) {
  Peer peer;
  peer.open();
  peer.engine->close(Error{"amqp:connection:forced", "", {}}, peer.now);
  EXPECT_THAT(peer.read(), ElementsAre("close amqp:connection:forced"));
  EXPECT_THAT(peer.send(0, Peer::begin_body()), IsEmpty());
  EXPECT_THAT(peer.send(0, Close{}), IsEmpty());
  EXPECT_THAT(peer.happened(), ElementsAre("closed by owner"));
}

TEST(Close, OursBeforeTheOpenIsTheEnd) {
  Peer peer;
  peer.engine->close(std::nullopt, peer.now);
  EXPECT_TRUE(peer.engine->closed());
  EXPECT_THAT(peer.advance(0ms), IsEmpty());
  EXPECT_THAT(peer.happened(), ElementsAre("closed by owner"));
}

TEST(Close, OursGivesUpAfterItsTimeOut) {
  Peer peer;
  peer.open();
  peer.engine->close(std::nullopt, peer.now);
  EXPECT_EQ(peer.engine->deadline(), peer.now + 5s);
  peer.advance(5s);
  EXPECT_THAT(peer.happened(), ElementsAre("closed by owner"));
}

TEST(TimeOut, HeartbeatsComeAtHalfOfThePeersIdleTimeOut) {
  Peer peer;
  peer.open({.container_id = "peer", .idle_time_out_ms = 60000});
  EXPECT_EQ(peer.engine->deadline(), peer.now + 30s);
  EXPECT_THAT(peer.advance(29s), IsEmpty());
  EXPECT_THAT(peer.advance(1s), ElementsAre("heartbeat"));
  EXPECT_THAT(peer.advance(29s), IsEmpty());
  EXPECT_THAT(peer.advance(1s), ElementsAre("heartbeat"));
}

// reliability.md 3.2: heartbeat abuse, idle-timeout of 1 ms.
TEST(TimeOut, TinyIdleTimeOutOfThePeerIsRaisedToAFloor) {
  Peer peer;
  peer.open({.container_id = "peer", .idle_time_out_ms = 1});
  EXPECT_EQ(peer.engine->deadline(), peer.now + 500ms);
}

TEST(TimeOut, NoHeartbeatsForAPeerThatWantsNone) {
  Peer peer({.idle_time_out = 0s});
  peer.open({.container_id = "peer", .idle_time_out_ms = 0});
  EXPECT_EQ(peer.engine->deadline(), std::nullopt);
}

TEST(TimeOut, SilentPeerIsClosedATenthAfterItsTime) {
  Peer peer;
  peer.open();
  EXPECT_THAT(peer.advance(263s), IsEmpty());
  EXPECT_THAT(peer.happened(), IsEmpty());
  EXPECT_THAT(peer.advance(1s), ElementsAre("close amqp:resource-limit-exceeded"));
  EXPECT_THAT(peer.happened(), ElementsAre("closed by time-out amqp:resource-limit-exceeded"));
}

TEST(TimeOut, AnEmptyFrameKeepsTheConnection) {
  Peer peer;
  peer.open();
  peer.advance(260s);
  peer.write(test::frame(kFrameTypeAmqp, 0, ""));
  EXPECT_THAT(peer.advance(260s), IsEmpty());
}

TEST(TimeOut, OpenMustComeInTime) {
  for (const ByteView start : {ByteView(""), ByteView("AMQ"), kAmqpHeader, kSaslHeader}) {
    Peer peer;
    peer.write(start);
    EXPECT_EQ(peer.engine->deadline(), peer.now + 10s);
    peer.advance(10s);
    EXPECT_THAT(peer.happened(), ElementsAre("closed by time-out amqp:resource-limit-exceeded"));
  }
}

}  // namespace
}  // namespace linarite::amqp
