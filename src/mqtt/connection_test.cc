// Transcripts of connections. A server is tested with the bytes of a client, a client with the
// bytes of a server, and both with each other.
#include "mqtt/connection.h"

#include <gtest/gtest.h>

#include "mqtt/transcript.h"

namespace linarite::mqtt {
namespace {

using namespace std::string_literals;
using std::chrono::seconds;

template <class P>
Bytes bytes_of(const P& packet) {
  Bytes out;
  encode(packet, out);
  return out;
}

Connect connect_as(ByteView id, uint16_t keep_alive = 60) {
  Connect connect;
  connect.client_id = id;
  connect.user_name = "hub/dev1";
  connect.password = "token";
  connect.keep_alive_seconds = keep_alive;
  return connect;
}

const std::string kConnectLine = "CONNECT dev1 user=hub/dev1 password=token clean=0 ka=60\n";

// One engine with its time and the transcript of its events.
class Peer {
 public:
  explicit Peer(Connection::Role role, const Connection::Options& options = {})
      : connection(role, options, now) {}

  std::string receive(ByteView bytes) {
    connection.receive(bytes, now, events);
    return events.take();
  }
  template <class P>
    requires(!std::convertible_to<P, ByteView>)
  std::string receive(const P& packet) {
    return receive(bytes_of(packet));
  }
  std::string pass(Duration by) {
    now += by;
    connection.tick(now, events);
    return events.take();
  }
  Bytes sent() {
    Bytes out(connection.output());
    connection.clear_output();
    return out;
  }

  Instant now{};
  Connection connection;
  Transcript events;
};

class Server : public Peer {
 public:
  explicit Server(const Connection::Options& options = {})
      : Peer(Connection::Role::kServer, options) {}

  // A server with an accepted client.
  Server& with_client(uint16_t keep_alive = 60) {
    receive(connect_as("dev1", keep_alive));
    connection.accept(false, now);
    EXPECT_EQ(sent(), "\x20\2\0\0"s);
    return *this;
  }
};

class Client : public Peer {
 public:
  explicit Client(const Connection::Options& options = {})
      : Peer(Connection::Role::kClient, options) {}

  Client& with_server(uint16_t keep_alive = 60) {
    connection.connect(connect_as("dev1", keep_alive), now);
    EXPECT_EQ(sent(), bytes_of(connect_as("dev1", keep_alive)));
    EXPECT_EQ(receive(ConnAck{}), "CONNACK sp=0 rc=0\n");
    return *this;
  }
};

// ---- Server: CONNECT

TEST(MqttServer, HandsOverTheConnectAndWaitsForTheAnswer) {
  Server server;
  EXPECT_EQ(server.receive(connect_as("dev1")), kConnectLine);
  EXPECT_EQ(server.sent(), "");
  EXPECT_FALSE(server.connection.connected());
  server.connection.accept(true, server.now);
  EXPECT_EQ(server.sent(), "\x20\2\1\0"s);
  EXPECT_TRUE(server.connection.connected());
}

TEST(MqttServer, RefusesAConnectWithItsCode) {
  Server server;
  server.receive(connect_as("dev1"));
  server.connection.refuse(ConnectReturnCode::kNotAuthorized);
  EXPECT_EQ(server.sent(), "\x20\2\0\5"s);
  EXPECT_TRUE(server.connection.closed());
  EXPECT_EQ(server.receive(PingReq{}), "");
}

TEST(MqttServer, HandsOverTheWill) {
  Server server;
  Connect connect = connect_as("dev1");
  connect.will = Will{"devices/dev1/messages/events/", "gone", Qos::kAtLeastOnce, true};
  EXPECT_EQ(server.receive(connect),
            "CONNECT dev1 user=hub/dev1 password=token clean=0 ka=60"
            " will devices/dev1/messages/events/ q1 retain gone\n");
}

TEST(MqttServer, TellsAnotherProtocolApartSoThatItCanBeRefused) {
  for (const auto& [bytes, line] : {std::pair("\x10\x0E\0\6MQIsdp\3\2\0\0\0\0"s, "MQIsdp 3"),
                                    std::pair("\x10\x0C\0\4MQTT\5\2\0\0\0\0"s, "MQTT 5")}) {
    Server server;
    EXPECT_EQ(server.receive(bytes), "UNSUPPORTED "s + line + "\n");
    server.connection.refuse(ConnectReturnCode::kUnacceptableProtocolVersion);
    EXPECT_EQ(server.sent(), "\x20\2\0\1"s);
  }
}

TEST(MqttServer, KeepsWhatArrivesBehindTheConnectUntilItIsAccepted) {
  Server server;
  const Bytes early = bytes_of(Subscribe{1, {{"a/#", Qos::kAtLeastOnce}}}) + bytes_of(PingReq{});
  EXPECT_EQ(server.receive(bytes_of(connect_as("dev1")) + early.substr(0, 5)), kConnectLine);
  EXPECT_EQ(server.receive(early.substr(5)), "");
  server.connection.accept(false, server.now);
  EXPECT_EQ(server.receive(""), "SUBSCRIBE id=1 a/# q1\n");
  EXPECT_EQ(server.sent(), "\x20\2\0\0\xD0\0"s);
}

TEST(MqttServer, DropsWhatArrivedBehindARefusedConnect) {
  Server server;
  server.receive(bytes_of(connect_as("dev1")) + bytes_of(PingReq{}));
  server.connection.refuse(ConnectReturnCode::kServerUnavailable);
  EXPECT_EQ(server.receive(""), "");
  EXPECT_EQ(server.sent(), "\x20\2\0\3"s);
}

TEST(MqttServer, BoundsWhatArrivesBehindAConnect) {
  Server server;
  server.receive(connect_as("dev1"));
  EXPECT_EQ(server.receive(Bytes(kPendingBytesMax, '\xC0')), "");
  EXPECT_EQ(server.receive("x"), "ERROR too many bytes behind an unanswered CONNECT\n");
  EXPECT_TRUE(server.connection.closed());
}

TEST(MqttServer, EverySecondConnectIsAViolation) {
  Server server;
  server.with_client();
  EXPECT_EQ(server.receive(connect_as("dev1")), "ERROR second CONNECT\n");
  EXPECT_EQ(server.sent(), "");
}

TEST(MqttServer, TheFirstPacketMustBeConnectAndItsFirstByteDecides) {
  for (unsigned type = 0; type < 16; ++type) {
    if (type == 1) continue;
    Server server;
    const char first = static_cast<char>(type << 4U);
    EXPECT_EQ(server.receive(ByteView(&first, 1)), "ERROR the first packet is not CONNECT\n");
    EXPECT_EQ(server.sent(), "");
  }
}

TEST(MqttServer, RefusesAWillWithQos2) {
  Server server;
  Connect connect = connect_as("dev1");
  connect.will = Will{"devices/dev1/messages/events/", "gone", Qos::kExactlyOnce, false};
  EXPECT_EQ(server.receive(connect), "ERROR will with QoS 2\n");
}

TEST(MqttServer, ABigFirstPacketIsRefusedAtItsLength) {
  Server server;
  EXPECT_EQ(server.receive("\x10\x81\x80\x01"s), "ERROR packet is too large\n");  // 16,385
  Server other;
  EXPECT_EQ(other.receive("\x10\x80\x80\x01"s), "");  // 16,384
}

TEST(MqttServer, NoConnectInTime) {
  Server server;
  EXPECT_EQ(server.connection.next_deadline(), server.now + kConnectTimeout);
  server.receive("\x10");
  EXPECT_EQ(server.pass(seconds(59)), "");
  EXPECT_EQ(server.pass(seconds(1)), "TIMEOUT connect\n");
  EXPECT_TRUE(server.connection.closed());
  EXPECT_EQ(server.pass(seconds(60)), "");
}

TEST(MqttServer, NothingIsDueWhileTheConnectIsBeingAnswered) {
  Server server;
  server.receive(connect_as("dev1"));
  EXPECT_EQ(server.connection.next_deadline(), Instant::max());
  EXPECT_EQ(server.pass(seconds(10'000)), "");
}

// ---- Server: keep alive

TEST(MqttServer, KeepAliveIsOneAndAHalfTimesWhatTheClientSaid) {
  Server server;
  server.with_client(60);
  EXPECT_EQ(server.pass(seconds(89)), "");
  EXPECT_EQ(server.receive(PingReq{}), "");
  EXPECT_EQ(server.sent(), "\xD0\0"s);
  EXPECT_EQ(server.pass(seconds(89)), "");
  EXPECT_EQ(server.pass(seconds(1)), "TIMEOUT keep alive\n");
}

TEST(MqttServer, KeepAliveHasAMaximumAndZeroMeansIt) {
  for (const uint16_t keep_alive : {uint16_t{0}, uint16_t{1740}, uint16_t{65535}}) {
    Server server;
    server.with_client(keep_alive);
    EXPECT_EQ(server.connection.next_deadline(), server.now + kKeepAliveTimeoutMax);
    EXPECT_EQ(server.pass(seconds(1766)), "");
    EXPECT_EQ(server.pass(seconds(1)), "TIMEOUT keep alive\n");
  }
}

TEST(MqttServer, APartOfAPacketIsNoSignOfLife) {
  Server server;
  server.with_client(10);
  server.pass(seconds(14));
  server.receive("\x30\x10"s);
  EXPECT_EQ(server.pass(seconds(1)), "TIMEOUT keep alive\n");
}

// ---- Server: packets

TEST(MqttServer, TelemetryInAndAcknowledged) {
  Server server;
  server.with_client();
  EXPECT_EQ(server.receive(Publish{"a/b", "x", 0, Qos::kAtMostOnce, false, true}),
            "PUBLISH a/b q0 id=0 retain x\n");
  EXPECT_EQ(server.receive(Publish{"a/b", "y", 7, Qos::kAtLeastOnce, true, false}),
            "PUBLISH a/b q1 id=7 dup y\n");
  server.connection.puback(7);
  EXPECT_EQ(server.sent(), "\x40\2\0\7"s);
}

TEST(MqttServer, SubscribeAndUnsubscribe) {
  Server server;
  server.with_client();
  EXPECT_EQ(server.receive(Subscribe{9, {{"a", Qos::kExactlyOnce}, {"b/#", Qos::kAtMostOnce}}}),
            "SUBSCRIBE id=9 a q2 b/# q0\n");
  server.connection.suback(9, "\1\x80");
  EXPECT_EQ(server.sent(), "\x90\4\0\11\1\x80"s);
  EXPECT_EQ(server.receive(Unsubscribe{10, {"a", "c"}}), "UNSUBSCRIBE id=10 a c\n");
  server.connection.unsuback(10);
  EXPECT_EQ(server.sent(), "\xB0\2\0\12"s);
}

TEST(MqttServer, DisconnectEndsEverything) {
  Server server;
  server.with_client();
  EXPECT_EQ(server.receive(bytes_of(Disconnect{}) + bytes_of(PingReq{})), "DISCONNECT\n");
  EXPECT_EQ(server.sent(), "");
  EXPECT_EQ(server.connection.next_deadline(), Instant::max());
}

TEST(MqttServer, WhatOnlyAServerSendsIsAViolation) {
  for (const Bytes& packet : {bytes_of(ConnAck{}), bytes_of(SubAck{1, "\1"}), bytes_of(UnsubAck{1}),
                              bytes_of(PingResp{})}) {
    Server server;
    server.with_client();
    EXPECT_EQ(server.receive(packet), "ERROR packet that only a server sends\n");
    EXPECT_TRUE(server.connection.closed());
  }
}

TEST(MqttServer, Qos2IsAViolation) {
  Server publish;
  publish.with_client();
  EXPECT_EQ(publish.receive("\x34\5"s), "ERROR QoS 2 PUBLISH\n");
  for (const Bytes& packet : {bytes_of(PubRec{1}), bytes_of(PubRel{1}), bytes_of(PubComp{1})}) {
    Server server;
    server.with_client();
    EXPECT_EQ(server.receive(packet), "ERROR packet of the QoS 2 exchange\n");
  }
}

TEST(MqttServer, MalformedPacketsEndTheConnection) {
  const std::pair<Bytes, std::string> cases[] = {
      {"\x00"s, "reserved packet type"},
      {"\xF0"s, "reserved packet type"},
      {"\x42"s, "reserved flags"},
      {"\x36"s, "PUBLISH with QoS 3"},
      {"\x30\xFF\xFF\xFF\xFF"s, "remaining length has more than four bytes"},
      {"\x30\x83\x80\x00"s, "remaining length is not minimal"},
      {"\x30\x91\x92\x14"s, "packet is too large"},  // 330,001
      {"\xC0\1"s, "remaining length does not fit the packet type"},
      {"\x30\5\0\4a/b"s, "a field ends after its packet"},
      {"\x30\4\0\2a\0"s, "string is not allowed UTF-8"},
      {"\x32\5\0\1a\0\0"s, "packet id 0"},
      {"\x40\2\0\0"s, "packet id 0"},
      {"\x82\5\0\1\0\1a"s, "remaining length does not fit the packet type"},
  };
  for (const auto& [bytes, message] : cases) {
    Server server;
    server.with_client();
    EXPECT_EQ(server.receive(bytes), "ERROR " + message + "\n");
    EXPECT_TRUE(server.connection.closed());
    EXPECT_EQ(server.receive(PingReq{}), "") << "nothing is taken after an error";
    EXPECT_EQ(server.sent(), "");
  }
}

TEST(MqttServer, TakesTheLargestPacketAndNothingAbove) {
  Server server;
  server.with_client();
  const Bytes payload(kPacketSizeMax - 5, 'x');
  EXPECT_EQ(server.receive(Publish{"a/b", payload}), "PUBLISH a/b q0 id=0 " + payload + "\n");
  const Bytes larger(kPacketSizeMax - 4, 'x');
  EXPECT_EQ(server.receive(Publish{"a/b", larger}), "ERROR packet is too large\n");
}

// ---- Server: deliveries

Publish command(ByteView payload, uint16_t id = 0) {
  return {"c", payload, id, Qos::kAtLeastOnce, false, false};
}

TEST(MqttServer, DeliversWithinItsWindow) {
  Server server({.window = 2});
  server.with_client();
  EXPECT_TRUE(server.connection.publish(command("one"), 101));
  EXPECT_TRUE(server.connection.publish(command("two"), 102));
  EXPECT_EQ(server.connection.window_free(), 0U);
  EXPECT_EQ(server.connection.publish(command("three"), 103).error().code,
            ErrorCode::kLimitExceeded);
  EXPECT_EQ(server.sent(), "\x32\x08\0\1c\0\1one"s + "\x32\x08\0\1c\0\2two"s);
  // QoS 0 needs no window.
  EXPECT_TRUE(server.connection.publish({"c", "zero"}));
  EXPECT_EQ(server.sent(), "\x30\x07\0\1czero"s);

  EXPECT_EQ(server.receive(PubAck{2}), "PUBACK 102\n");
  EXPECT_TRUE(server.connection.publish(command("three"), 103));
  EXPECT_EQ(server.receive(PubAck{1}), "PUBACK 101\n");
  EXPECT_EQ(server.receive(PubAck{3}), "PUBACK 103\n");
  EXPECT_TRUE(server.connection.in_flight().empty());
}

TEST(MqttServer, AnUnknownOrRepeatedPubackIsIgnored) {
  Server server;
  server.with_client();
  EXPECT_EQ(server.receive(PubAck{99}), "");
  EXPECT_TRUE(server.connection.publish(command("one"), 101));
  EXPECT_EQ(server.receive(PubAck{1}), "PUBACK 101\n");
  EXPECT_EQ(server.receive(PubAck{1}), "");
  EXPECT_TRUE(server.connection.connected());
}

TEST(MqttServer, PacketIdsAreTheCallersWishUnlessInUseAndNever0) {
  Server server({.window = 4});
  server.with_client();
  Publish again = command("x", 65'535);
  again.dup = true;
  EXPECT_TRUE(server.connection.publish(again, 1));
  EXPECT_EQ(server.sent(), "\x3A\6\0\1c\xFF\xFFx"s);
  EXPECT_TRUE(server.connection.publish(again, 2));
  EXPECT_EQ(server.connection.in_flight()[1].packet_id, 1);
  EXPECT_TRUE(server.connection.publish(command("y", 2), 3));
  EXPECT_TRUE(server.connection.publish(command("z"), 4));
  EXPECT_EQ(server.connection.in_flight()[3].packet_id, 3) << "2 is in use";
}

TEST(MqttServer, PacketIdsWrapPast0) {
  Server server;
  server.with_client();
  for (unsigned i = 1; i <= 70'000; ++i) {
    ASSERT_TRUE(server.connection.publish(command(""), i));
    const uint16_t id = server.connection.in_flight()[0].packet_id;
    ASSERT_NE(id, 0);
    ASSERT_EQ(server.receive(PubAck{id}), "PUBACK " + std::to_string(i) + "\n");
    server.connection.clear_output();
  }
}

TEST(MqttServer, RefusesToSendWhatIsNoPublish) {
  Server server;
  EXPECT_EQ(server.connection.publish({"c", ""}).error().code, ErrorCode::kInvalidOperation);
  server.with_client();
  EXPECT_EQ(server.connection.publish({"", ""}).error().code, ErrorCode::kArgumentInvalid);
  EXPECT_EQ(server.connection.publish({"a\0b"s, ""}).error().code, ErrorCode::kArgumentInvalid);
  EXPECT_EQ(server.connection.publish({"c", "", 1, Qos::kExactlyOnce}).error().code,
            ErrorCode::kArgumentInvalid);
  EXPECT_EQ(server.sent(), "");
}

TEST(MqttServer, SendsNothingAfterClose) {
  Server server;
  server.with_client();
  server.connection.close();
  EXPECT_FALSE(server.connection.publish(command("x"), 1));
  server.connection.puback(1);
  server.connection.suback(1, "\1");
  server.connection.unsuback(1);
  EXPECT_EQ(server.sent(), "");
}

// An owner that closes the connection from inside an event, as a gateway does.
TEST(MqttServer, CloseInsideAnEventEndsTheHandling) {
  class Closing : public Transcript {
   public:
    explicit Closing(Connection& connection) : connection_(connection) {}
    void on_publish(const Publish& p) override {
      Transcript::on_publish(p);
      connection_.close();
    }

   private:
    Connection& connection_;
  };
  Server server;
  server.with_client();
  Closing events(server.connection);
  const Bytes two = bytes_of(Publish{"a", "1"}) + bytes_of(Publish{"a", "2"});
  server.connection.receive(two, server.now, events);
  EXPECT_EQ(events.take(), "PUBLISH a q0 id=0 1\n");
}

// ---- The same bytes in any pieces

TEST(MqttServer, PiecesOfTheStreamDoNotMatter) {
  const Bytes stream =
      bytes_of(connect_as("dev1")) + bytes_of(Subscribe{1, {{"a/#", Qos::kAtLeastOnce}}}) +
      bytes_of(Publish{"a/b", Bytes(200, 'x'), 5, Qos::kAtLeastOnce}) + bytes_of(PingReq{}) +
      bytes_of(PubAck{3}) + bytes_of(Unsubscribe{2, {"a/#"}}) + bytes_of(Publish{"a/b", ""}) +
      bytes_of(Disconnect{});
  const auto play = [&stream](size_t first, size_t second) {
    Server server;
    std::string lines;
    const size_t ends[] = {first, second, stream.size()};
    size_t begin = 0;
    for (const size_t end : ends) {
      lines += server.receive(ByteView(stream).substr(begin, end - begin));
      if (lines == kConnectLine) {
        server.connection.accept(false, server.now);
        lines += "accepted\n" + server.receive("");
      }
      begin = end;
    }
    return lines + server.sent();
  };
  const std::string whole = play(0, 0);
  EXPECT_TRUE(whole.ends_with("DISCONNECT\n\x20\2\0\0\xD0\0"s)) << whole;
  for (size_t first = 0; first <= stream.size(); ++first) {
    for (size_t second = first; second <= stream.size(); second += 7) {
      ASSERT_EQ(play(first, second), whole) << first << " " << second;
    }
  }
}

// ---- Client

TEST(MqttClient, ConnectsPublishesAndLeaves) {
  Client client;
  client.with_server();
  EXPECT_TRUE(client.connection.publish({"a", "x", 0, Qos::kAtLeastOnce}, 11));
  EXPECT_EQ(client.sent(), "\x32\6\0\1a\0\1x"s);
  EXPECT_EQ(client.receive(PubAck{1}), "PUBACK 11\n");
  EXPECT_EQ(client.receive(Publish{"c", "y", 4, Qos::kAtLeastOnce}), "PUBLISH c q1 id=4 y\n");
  client.connection.puback(4);
  client.connection.disconnect();
  EXPECT_EQ(client.sent(), "\x40\2\0\4\xE0\0"s);
  EXPECT_TRUE(client.connection.closed());
}

TEST(MqttClient, LearnsThatItWasRefused) {
  Client client;
  client.connection.connect(connect_as("dev1"), client.now);
  EXPECT_EQ(client.receive(ConnAck{ConnectReturnCode::kNotAuthorized}), "CONNACK sp=0 rc=5\n");
  EXPECT_TRUE(client.connection.closed());
}

TEST(MqttClient, SubscribesAndUnsubscribes) {
  Client client;
  client.with_server();
  const Subscription both[] = {{"a", Qos::kAtLeastOnce}, {"b", Qos::kAtMostOnce}};
  EXPECT_TRUE(client.connection.subscribe(both, 21));
  EXPECT_EQ(client.sent(), bytes_of(Subscribe{1, {both[0], both[1]}}));
  EXPECT_EQ(client.receive(SubAck{1, "\1\x80"}), "SUBACK 21 0x1 0x80\n");
  const ByteView filters[] = {"a"};
  EXPECT_TRUE(client.connection.unsubscribe(filters, 22));
  EXPECT_EQ(client.sent(), bytes_of(Unsubscribe{2, {"a"}}));
  EXPECT_EQ(client.receive(UnsubAck{2}), "UNSUBACK 22\n");
}

TEST(MqttClient, RefusesRequestsThatCannotBeSent) {
  Client client({.window = 1});
  const Subscription one[] = {{"a", Qos::kAtLeastOnce}};
  EXPECT_EQ(client.connection.subscribe(one, 1).error().code, ErrorCode::kInvalidOperation);
  client.with_server();
  EXPECT_EQ(client.connection.subscribe({}, 1).error().code, ErrorCode::kArgumentInvalid);
  const Subscription bad[] = {{"", Qos::kAtLeastOnce}};
  EXPECT_EQ(client.connection.subscribe(bad, 1).error().code, ErrorCode::kArgumentInvalid);
  const std::vector<Subscription> many(kFiltersPerPacketMax + 1, one[0]);
  EXPECT_EQ(client.connection.subscribe(many, 1).error().code, ErrorCode::kLimitExceeded);
  EXPECT_TRUE(client.connection.subscribe(one, 1));
  EXPECT_EQ(client.connection.subscribe(one, 2).error().code, ErrorCode::kLimitExceeded);
  const ByteView filter[] = {"a"};
  EXPECT_EQ(client.connection.unsubscribe(filter, 2).error().code, ErrorCode::kLimitExceeded);
  Client other;
  other.with_server();
  const ByteView no_filter[] = {""};
  EXPECT_EQ(other.connection.unsubscribe(no_filter, 1).error().code, ErrorCode::kArgumentInvalid);
  const Bytes large(kRemainingLengthMax, 'x');
  EXPECT_EQ(other.connection.publish({.topic = "a", .payload = large}, 1).error().code,
            ErrorCode::kLimitExceeded);
}

TEST(MqttClient, AnswersThatFitNoRequestAreViolations) {
  const Subscription one[] = {{"a", Qos::kAtLeastOnce}};
  Client unknown;
  unknown.with_server();
  EXPECT_EQ(unknown.receive(SubAck{1, "\1"}), "ERROR SUBACK that fits no SUBSCRIBE\n");
  Client count;
  count.with_server();
  EXPECT_TRUE(count.connection.subscribe(one, 1));
  EXPECT_EQ(count.receive(SubAck{1, "\1\1"}), "ERROR SUBACK that fits no SUBSCRIBE\n");
  Client unsuback;
  unsuback.with_server();
  EXPECT_TRUE(unsuback.connection.subscribe(one, 1));
  EXPECT_EQ(unsuback.receive(UnsubAck{1}), "ERROR UNSUBACK that fits no UNSUBSCRIBE\n");
  Client puback;
  puback.with_server();
  EXPECT_TRUE(puback.connection.subscribe(one, 1));
  EXPECT_EQ(puback.receive(PubAck{1}), "") << "the id belongs to the SUBSCRIBE";
}

TEST(MqttClient, PacketsOutOfOrderOrOfTheWrongSideAreViolations) {
  Client early;
  early.connection.connect(connect_as("dev1"), early.now);
  EXPECT_EQ(early.receive(PingResp{}),
            "ERROR CONNACK is not the first packet, or not the only one\n");
  Client twice;
  twice.with_server();
  EXPECT_EQ(twice.receive(ConnAck{}),
            "ERROR CONNACK is not the first packet, or not the only one\n");
  Client before;
  EXPECT_EQ(before.receive(ConnAck{}), "ERROR a packet before CONNECT was sent\n");
  for (const Bytes& packet :
       {bytes_of(PingReq{}), bytes_of(Disconnect{}), bytes_of(Unsubscribe{1, {"a"}}),
        bytes_of(Subscribe{1, {{"a", Qos::kAtMostOnce}}})}) {
    Client client;
    client.with_server();
    EXPECT_EQ(client.receive(packet), "ERROR packet that only a client sends\n");
  }
  for (const Bytes& packet : {bytes_of(PubRec{1}), bytes_of(PubRel{1}), bytes_of(PubComp{1})}) {
    Client client;
    client.with_server();
    EXPECT_EQ(client.receive(packet), "ERROR packet of the QoS 2 exchange\n");
  }
  Client connects;
  connects.with_server();
  EXPECT_EQ(connects.receive(connect_as("dev1")), "ERROR packet that only a client sends\n");
  Client qos2;
  qos2.with_server();
  EXPECT_EQ(qos2.receive(Publish{"a", "", 1, Qos::kExactlyOnce}), "ERROR QoS 2 PUBLISH\n");
}

TEST(MqttClient, PingsAndNoticesTheSilence) {
  Client client;
  client.with_server(60);
  EXPECT_EQ(client.connection.next_deadline(), client.now + seconds(60));
  EXPECT_EQ(client.pass(seconds(60)), "");
  EXPECT_EQ(client.sent(), "\xC0\0"s);
  EXPECT_EQ(client.receive(PingResp{}), "");
  EXPECT_EQ(client.pass(seconds(60)), "");
  EXPECT_EQ(client.sent(), "\xC0\0"s);
  EXPECT_EQ(client.pass(kPingTimeout), "TIMEOUT ping\n");
  EXPECT_TRUE(client.connection.closed());
}

TEST(MqttClient, WithoutKeepAliveNothingIsDue) {
  Client client;
  client.with_server(0);
  EXPECT_EQ(client.connection.next_deadline(), Instant::max());
  EXPECT_EQ(client.pass(seconds(1'000'000)), "");
  EXPECT_EQ(client.sent(), "");
}

TEST(MqttClient, NoConnackInTime) {
  Client client;
  client.connection.connect(connect_as("dev1"), client.now);
  EXPECT_EQ(client.pass(seconds(59)), "");
  EXPECT_EQ(client.pass(seconds(1)), "TIMEOUT connect\n");
}

// ---- Both with each other

TEST(MqttPair, AClientAndAServerUnderstandEachOther) {
  Client client;
  Server server;
  // Carries what was sent from one to the other, a byte at a time.
  const auto carry = [](Peer& from, Peer& to) {
    std::string lines;
    for (const char byte : from.sent()) lines += to.receive(ByteView(&byte, 1));
    return lines;
  };
  client.connection.connect(connect_as("dev1"), client.now);
  EXPECT_EQ(carry(client, server), kConnectLine);
  server.connection.accept(true, server.now);
  EXPECT_EQ(carry(server, client), "CONNACK sp=1 rc=0\n");

  const Subscription all[] = {{"c/#", Qos::kAtLeastOnce}};
  EXPECT_TRUE(client.connection.subscribe(all, 1));
  EXPECT_EQ(carry(client, server), "SUBSCRIBE id=1 c/# q1\n");
  server.connection.suback(1, "\1");
  EXPECT_EQ(carry(server, client), "SUBACK 1 0x1\n");

  EXPECT_TRUE(server.connection.publish({"c/x", "do it", 0, Qos::kAtLeastOnce}, 77));
  EXPECT_EQ(carry(server, client), "PUBLISH c/x q1 id=1 do it\n");
  client.connection.puback(1);
  EXPECT_EQ(carry(client, server), "PUBACK 77\n");

  EXPECT_TRUE(client.connection.publish({"e", "done", 0, Qos::kAtLeastOnce}, 88));
  EXPECT_EQ(carry(client, server), "PUBLISH e q1 id=2 done\n");
  server.connection.puback(2);
  EXPECT_EQ(carry(server, client), "PUBACK 88\n");

  client.pass(seconds(60));
  server.pass(seconds(60));
  EXPECT_EQ(carry(client, server), "");
  EXPECT_EQ(carry(server, client), "");
  EXPECT_EQ(client.pass(kPingTimeout), "");

  const ByteView filter[] = {"c/#"};
  EXPECT_TRUE(client.connection.unsubscribe(filter, 2));
  EXPECT_EQ(carry(client, server), "UNSUBSCRIBE id=3 c/#\n");
  server.connection.unsuback(3);
  EXPECT_EQ(carry(server, client), "UNSUBACK 2\n");
  client.connection.disconnect();
  EXPECT_EQ(carry(client, server), "DISCONNECT\n");
}

}  // namespace
}  // namespace linarite::mqtt
