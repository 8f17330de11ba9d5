#include "net/socket_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <future>

#include "net/loop_group.h"
#include "net/test_peers.h"

namespace linarite::net {
namespace {

using std::chrono::seconds;
using testing::client_options;
using ::testing::HasSubstr;
using testing::open_peer;
using testing::Peer;
using testing::server_options;
using testing::StreamTest;
using testing::TestCertificates;

std::string megabytes(size_t count) {
  std::string out(count << 20U, '\0');
  for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<char>(i * 31 + (i >> 12U));
  return out;
}

// The same conversations over plain TCP and over both TLS versions.
enum class Kind { kPlain, kTls12, kTls13, kTls13OfOpenSsl };

class EveryTransportTest : public StreamTest, public ::testing::WithParamInterface<Kind> {
 protected:
  void SetUp() override {
    if (GetParam() == Kind::kPlain) {
      connect_plain();
      return;
    }
    TlsClientOptions client = client_options();
    if (GetParam() == Kind::kTls12) client.version_max = TLS1_2_VERSION;
    TlsServerOptions server = server_options();
    server.own_records = GetParam() != Kind::kTls13OfOpenSsl;
    connect(server, client);
    ASSERT_TRUE(client_.opened) << client_.failure;
  }
};

INSTANTIATE_TEST_SUITE_P(Transports, EveryTransportTest,
                         ::testing::Values(Kind::kPlain, Kind::kTls12, Kind::kTls13,
                                           Kind::kTls13OfOpenSsl),
                         [](const auto& tested) {
                           return tested.param == Kind::kPlain   ? "Plain"
                                  : tested.param == Kind::kTls12 ? "Tls12"
                                  : tested.param == Kind::kTls13 ? "Tls13"
                                                                 : "Tls13OfOpenSsl";
                         });

TEST_P(EveryTransportTest, BytesGoBothWays) {
  on_loop([&] {
    client_.stream->send("hel");
    client_.stream->send("lo");
  });
  until([&] { return server_.received == "hello"; });
  on_loop([&] { server_.stream->send("welcome"); });
  until([&] { return client_.received == "welcome"; });
}

TEST_P(EveryTransportTest, CloseSendsWhatIsUnsentAndThenTellsBoth) {
  const std::string much = megabytes(3);
  on_loop([&] {
    client_.stream->send(much);
    client_.stream->close();
    client_.stream->send("ignored");
  });
  until([&] { return client_.closed && server_.closed; });
  EXPECT_TRUE(server_.received == much);
  EXPECT_EQ(client_.reason, CloseReason::kClosedHere);
  EXPECT_EQ(server_.reason, CloseReason::kPeerClosed);
}

TEST_P(EveryTransportTest, AnAnswerStillReachesAPeerThatHasEndedItsSide) {
  server_.on_bytes = [&](ByteView) { server_.stream->send("answer"); };
  on_loop([&] {
    client_.stream->send("last question");
    client_.stream->close();
  });
  until([&] { return client_.closed && server_.closed; });
  EXPECT_EQ(server_.received, "last question");
}

TEST_P(EveryTransportTest, APausedStreamClosesAsSoonAsThePeerDoes) {
  on_loop([&] {
    server_.stream->pause_reading();
    server_.stream->send("goodbye");
    server_.stream->close();
  });
  until([&] { return client_.closed && server_.closed; });
  EXPECT_EQ(client_.received, "goodbye");
  EXPECT_EQ(server_.reason, CloseReason::kClosedHere);
}

TEST_P(EveryTransportTest, AbortDropsWhatIsUnsent) {
  on_loop([&] {
    client_.stream->send("never");
    client_.stream->abort();
  });
  until([&] { return client_.closed && server_.closed; });
  EXPECT_EQ(client_.reason, CloseReason::kClosedHere);
  EXPECT_EQ(server_.received, "");
}

TEST_P(EveryTransportTest, APausedStreamHandsOverNothingAndHoldsThePeerBack) {
  const std::string much = megabytes(8);
  on_loop([&] {
    server_.stream->pause_reading();
    client_.stream->send(much);
  });
  settle();
  EXPECT_EQ(server_.received, "");
  EXPECT_GT(client_.stream->unsent(), Stream::kUnsentHigh);
  EXPECT_EQ(client_.writable, 0);
  on_loop([&] { server_.stream->resume_reading(); });
  until([&] { return server_.received.size() == much.size(); });
  EXPECT_TRUE(server_.received == much);
  EXPECT_EQ(client_.writable, 1);
  EXPECT_EQ(client_.stream->unsent(), 0U);
}

TEST_P(EveryTransportTest, PausingInsideOnBytesLosesNothing) {
  const std::string much = megabytes(2);
  int pauses = 0;
  server_.on_bytes = [&](ByteView) {
    server_.stream->pause_reading();
    ++pauses;
    loop_.post([&] { server_.stream->resume_reading(); });
  };
  on_loop([&] { client_.stream->send(much); });
  until([&] { return server_.received.size() == much.size(); });
  EXPECT_TRUE(server_.received == much);
  EXPECT_GT(pauses, 10);
}

TEST_P(EveryTransportTest, OnePeerGetsABoundedShareOfATurn) {
  size_t largest = 0;
  server_.on_bytes = [&](ByteView bytes) { largest = std::max(largest, bytes.size()); };
  on_loop([&] { client_.stream->send(megabytes(4)); });
  until([&] { return server_.received.size() == 4U << 20U; });
  EXPECT_LE(largest, SocketStream::kReadPerTurn);
}

TEST_P(EveryTransportTest, APeerThatTakesNothingIsCutOffInTime) {
  on_loop([&] {
    server_.stream->pause_reading();
    client_.stream->send(megabytes(8));
  });
  settle();
  advance(seconds(59));
  EXPECT_FALSE(client_.closed);
  advance(seconds(1));
  until([&] { return client_.closed; });
  EXPECT_EQ(client_.reason, CloseReason::kReset);
}

TEST_P(EveryTransportTest, CloseDoesNotWaitLongerThanItsDeadline) {
  on_loop([&] {
    server_.stream->pause_reading();
    client_.stream->send(megabytes(8));
    client_.stream->close();
  });
  settle();
  EXPECT_FALSE(client_.closed);
  advance(seconds(5));
  until([&] { return client_.closed; });
  EXPECT_EQ(client_.reason, CloseReason::kClosedHere);
}

TEST_P(EveryTransportTest, APausedStreamThatIsClosedEndsWithThePeer) {
  on_loop([&] {
    server_.stream->pause_reading();
    server_.stream->send("refused");
    server_.stream->close();
  });
  // No time passes: the goodbye of the peer is enough.
  until([&] { return client_.closed && server_.closed; });
  EXPECT_EQ(client_.received, "refused");
  EXPECT_EQ(server_.reason, CloseReason::kClosedHere);
}

TEST_P(EveryTransportTest, AHandlerThatNeverStopsSendingLosesItsConnection) {
  on_loop([&] {
    server_.stream->pause_reading();
    const std::string part = megabytes(1);
    for (int i = 0; i < 65; ++i) client_.stream->send(part);
  });
  until([&] { return client_.closed; });
  EXPECT_EQ(client_.reason, CloseReason::kReset);
}

TEST_P(EveryTransportTest, ShuttingDownTellsTheReason) {
  on_loop([&] { loop_.shut_down_residents(); });
  until([&] { return client_.closed && server_.closed; });
  EXPECT_EQ(server_.reason, CloseReason::kShutdown);
}

// The connection moves between two loops while the other end keeps sending: nothing is lost,
// doubled or told on the wrong loop. The handler moves from inside on_bytes, as the MQTT gateway
// does.
TEST_P(EveryTransportTest, MovesBetweenLoopsUnderTrafficWithoutLosingAByte) {
  LoopGroup others(2, clock_, TimerDrive::kWhenTold);
  others.start();
  const std::string much = megabytes(4);
  std::promise<void> all_received;
  std::atomic<int> moves{0};
  std::atomic<int> wrong_loop{0};
  size_t next_move = 0;
  std::string seen;
  bool moving = false;
  server_.on_bytes = [&](ByteView bytes) {
    if (moving || !server_.stream->loop().in_loop()) ++wrong_loop;
    seen += bytes;
    server_.stream->send(bytes);  // Unsent bytes travel along.
    if (seen.size() >= next_move && seen.size() < much.size()) {
      next_move = seen.size() + 100'000;
      moving = true;
      server_.stream->move_to(others.loop(static_cast<size_t>(moves++) % 2), [&] {
        moving = false;
        if (!server_.stream->loop().in_loop()) ++wrong_loop;
      });
    }
    if (seen.size() == much.size()) all_received.set_value();
  };
  on_loop([&] { client_.stream->send(much); });
  until([&] { return client_.received.size() == much.size(); });
  all_received.get_future().wait();
  EXPECT_TRUE(seen == much);
  EXPECT_TRUE(client_.received == much);
  EXPECT_EQ(wrong_loop, 0);
  EXPECT_GT(moves, 10);
  others.stop();
}

TEST_P(EveryTransportTest, APeerThatLeavesDuringTheMoveIsReportedOnTheNewLoop) {
  LoopGroup other(1, clock_, TimerDrive::kWhenTold);
  other.start();
  std::promise<bool> then_on_target;
  bool told = false;
  server_.on_bytes = [&](ByteView) {
    server_.stream->move_to(other.loop(0),
                            [&] { then_on_target.set_value(other.loop(0).in_loop()); });
  };
  on_loop([&] {
    client_.stream->send("bye");
    client_.stream->close();
  });
  until([&] { return client_.closed; });
  EXPECT_TRUE(then_on_target.get_future().get());
  EXPECT_TRUE(other.drain(seconds(20)));
  std::promise<void> looked;
  other.loop(0).post([&] {
    told = server_.closed;
    looked.set_value();
  });
  looked.get_future().wait();
  EXPECT_TRUE(told);
  other.stop();
}

TEST_P(EveryTransportTest, MovingToTheSameLoopIsACall) {
  on_loop([&] {
    bool called = false;
    server_.stream->move_to(loop_, [&] { called = true; });
    EXPECT_TRUE(called);
  });
}

// TLS.

class TlsTest : public StreamTest {};

TEST_F(TlsTest, SpeaksVersion13WithTheP256Certificate) {
  connect(server_options(), client_options());
  EXPECT_EQ(client_.info.tls_version, "TLSv1.3");
  EXPECT_EQ(server_.info.tls_version, "TLSv1.3");
  EXPECT_TRUE(server_.info.tls);
  const X509Ptr shown = certificate_from_pem(TestCertificates::get().p256.chain_pem);
  EXPECT_EQ(client_.info.client_certificate.size(),
            static_cast<size_t>(i2d_X509(shown.get(), nullptr)));
}

TEST_F(TlsTest, SpeaksVersion12) {
  TlsClientOptions client = client_options();
  client.version_max = TLS1_2_VERSION;
  connect(server_options(), client);
  EXPECT_EQ(server_.info.tls_version, "TLSv1.2");
}

TEST_F(TlsTest, RefusesVersion11) {
  TlsClientOptions client = client_options();
  client.version_min = TLS1_1_VERSION;
  client.version_max = TLS1_1_VERSION;
  client.ciphers = "DEFAULT@SECLEVEL=0";
  connect(server_options(), client);
  EXPECT_FALSE(server_.opened);
  EXPECT_NE(server_.failure, "");
}

TEST_F(TlsTest, ShowsTheRsaCertificateToAClientThatKnowsOnlyRsa) {
  TlsClientOptions client = client_options();
  client.version_max = TLS1_2_VERSION;
  client.ciphers = "ECDHE-RSA-AES128-GCM-SHA256";
  connect(server_options(), client);
  EXPECT_TRUE(server_.opened) << server_.failure;
}

TEST_F(TlsTest, CbcCiphersAreOffUntilAllowed) {
  TlsClientOptions client = client_options();
  client.version_max = TLS1_2_VERSION;
  client.ciphers = "ECDHE-RSA-AES128-SHA256";
  connect(server_options(), client);
  EXPECT_FALSE(server_.opened);

  client_ = {};
  server_ = {};
  TlsServerOptions server = server_options();
  server.allow_cbc = true;
  connect(server, client);
  EXPECT_TRUE(server_.opened) << server_.failure;
}

TEST_F(TlsTest, OldCiphersAreRefused) {
  for (const char* cipher :
       {"AES128-GCM-SHA256", "ECDHE-RSA-AES128-SHA", "DHE-RSA-AES128-GCM-SHA256"}) {
    client_ = {};
    server_ = {};
    TlsClientOptions client = client_options();
    client.version_max = TLS1_2_VERSION;
    client.ciphers = cipher;
    connect(server_options(), client);
    EXPECT_FALSE(server_.opened) << cipher;
  }
}

TEST_F(TlsTest, TheClientVerifiesTheServersName) {
  connect(server_options(), client_options(), "other.test");
  EXPECT_FALSE(client_.opened);
  EXPECT_THAT(client_.failure, HasSubstr("ostname mismatch"));
  client_ = {};
  server_ = {};
  connect(server_options(), client_options(), "127.0.0.1");
  EXPECT_TRUE(client_.opened) << client_.failure;
  client_ = {};
  server_ = {};
  connect(server_options(), client_options(), "127.0.0.2");
  EXPECT_THAT(client_.failure, HasSubstr("IP address mismatch"));
}

TEST_F(TlsTest, TheClientRefusesAnUnknownCa) {
  TlsClientOptions client;
  const KeyPtr key = make_p256_key();
  const WallTime now = SystemClock().wall();
  client.roots_pem =
      to_pem(make_ca(key.get(), "another CA", {"hub.test"}, {now, now + seconds(60)})->get());
  connect(server_options(), client);
  EXPECT_FALSE(client_.opened);
  EXPECT_THAT(client_.failure, HasSubstr("certificate"));
}

TEST_F(TlsTest, AnUntrustedClientCertificateIsTakenAndHandedOver) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    client_ = {};
    server_ = {};
    const KeyPtr key = make_p256_key();
    const WallTime now = SystemClock().wall();
    const Validity expired{now - seconds(60), now - seconds(30)};
    const X509Ptr own = *make_ca(key.get(), "device1", {"device1"}, expired);
    TlsClientOptions client = client_options();
    client.version_max = version;
    client.chain_pem = to_pem(own.get());
    client.key_pem = to_pem(key.get());
    connect(server_options(), client);
    ASSERT_TRUE(server_.opened) << server_.failure;
    unsigned char* der = nullptr;
    const int size = i2d_X509(own.get(), &der);
    EXPECT_EQ(server_.info.client_certificate,
              std::string(reinterpret_cast<char*>(der), static_cast<size_t>(size)));
    OPENSSL_free(der);
  }
}

TEST_F(TlsTest, AClientWithoutACertificateIsWelcome) {
  connect(server_options(), client_options());
  EXPECT_TRUE(server_.opened);
  EXPECT_EQ(server_.info.client_certificate, "");
}

TEST_F(TlsTest, AlpnIsChosenFromTheListAndNeverRequired) {
  TlsServerOptions server = server_options();
  server.alpn = {"http/1.1"};
  for (const std::vector<std::string>& offer :
       {std::vector<std::string>{}, {"h2", "http/1.1"}, {"h2"}, {std::string(255, 'x')}}) {
    client_ = {};
    server_ = {};
    TlsClientOptions client = client_options();
    client.alpn = offer;
    connect(server, client);
    EXPECT_TRUE(server_.opened) << server_.failure;
    EXPECT_TRUE(client_.opened) << client_.failure;
  }
}

TEST_F(TlsTest, ReloadServesNewConnectionsAndLeavesOldOnesAlone) {
  TlsServerOptions only_rsa = server_options();
  only_rsa.certificates = {TestCertificates::get().rsa};
  const auto context = *TlsServerContext::create(server_options());
  const auto client = *TlsClientContext::create(client_options());
  const auto shake = [&](Peer& here, Peer& there) {
    auto [a, b] = socket_pair();
    start(there, std::move(a), context);
    start(here, std::move(b), TlsClientContext::for_server(client, "hub.test"));
    until([&] { return here.opened && there.opened; });
  };
  shake(client_, server_);
  TlsServerOptions broken = server_options();
  broken.certificates[0].key_pem = broken.certificates[1].key_pem;
  EXPECT_FALSE(context->reload(broken));
  ASSERT_TRUE(context->reload(only_rsa));
  Peer client2, server2;
  shake(client2, server2);
  EXPECT_GT(client2.info.client_certificate.size(), client_.info.client_certificate.size());
  on_loop([&] { client_.stream->send("still here"); });
  until([&] { return server_.received == "still here"; });
}

TEST_F(TlsTest, CertificatesThatCannotServeAreRefusedWithAReason) {
  TlsServerOptions none;
  EXPECT_FALSE(TlsServerContext::create(none));
  TlsServerOptions text = server_options();
  text.certificates[0].chain_pem = "no certificate";
  EXPECT_THAT(TlsServerContext::create(text).error().message, HasSubstr("not readable PEM"));
  TlsServerOptions mixed = server_options();
  mixed.certificates[0].key_pem = mixed.certificates[1].key_pem;
  EXPECT_EQ(TlsServerContext::create(mixed).error().code, ErrorCode::kArgumentInvalid);
}

// Hostile peers, written with raw sockets or a bare OpenSSL.

// Once with our record layer after the handshake and once with OpenSSL's.
class HostilePeerTest : public StreamTest, public ::testing::WithParamInterface<bool> {
 protected:
  // The test's own OpenSSL writes to sockets that the server has closed; ours must not need this.
  void SetUp() override { ::signal(SIGPIPE, SIG_IGN); }
  void TearDown() override { ::signal(SIGPIPE, SIG_DFL); }

  // A server stream; the test holds the other end of the socket.
  void listen_to_test() {
    auto [a, b] = socket_pair();
    TlsServerOptions server = server_options();
    server.own_records = GetParam();
    start(server_, std::move(a), *TlsServerContext::create(server));
    raw_ = std::move(b);
  }
  // The same with the handshake done by a bare OpenSSL on the test's end.
  void listen_to_openssl(int version) {
    listen_to_test();
    TlsClientOptions options = client_options();
    options.version_max = version;
    context_ = *TlsClientContext::create(options);
    ssl_ = context_->new_connection();
    SSL_set_fd(ssl_.get(), raw_.get());
    until([&] { return SSL_connect(ssl_.get()) == 1; });
    until([&] { return server_.opened; });
  }
  void write_raw(ByteView bytes) {
    ASSERT_EQ(::send(raw_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }

  Descriptor raw_;
  std::shared_ptr<TlsClientContext> context_;
  SslPtr ssl_;
};

INSTANTIATE_TEST_SUITE_P(Records, HostilePeerTest, ::testing::Bool(),
                         [](const auto& tested) { return tested.param ? "Own" : "OfOpenSsl"; });

TEST_P(HostilePeerTest, ASilentPeerIsDroppedAtTheHandshakeDeadline) {
  listen_to_test();
  settle();
  advance(seconds(9));
  settle();
  EXPECT_EQ(server_.failure, "");
  advance(seconds(1));
  until([&] { return server_.over(); });
  EXPECT_EQ(server_.failure, "closed in the handshake");
}

TEST_P(HostilePeerTest, AHalfClientHelloIsDroppedAtTheHandshakeDeadline) {
  listen_to_test();
  write_raw(ByteView("\x16\x03\x01\x02\x00\x01\x00", 7));
  settle();
  EXPECT_FALSE(server_.over());
  advance(seconds(10));
  until([&] { return server_.over(); });
}

TEST_P(HostilePeerTest, PeersThatSayAByteAtATimeDoNotKeepAnotherFromItsHandshake) {
  constexpr size_t kPeers = 50;
  std::vector<Peer> peers(kPeers);
  std::vector<Descriptor> ends;
  for (Peer& peer : peers) {
    auto [a, b] = socket_pair();
    start(peer, std::move(a), *TlsServerContext::create(server_options()));
    ends.push_back(std::move(b));
  }
  // How each handshake begins. The record has 512 bytes, of which 300 come.
  const Bytes hello = Bytes("\x16\x03\x01\x02\x00\x01\x00\x01\xfc", 9) + Bytes(291, 'x');
  size_t turns = 0;
  const auto dribble = [&] {
    for (const Descriptor& end : ends) {
      if (turns == hello.size()) break;
      EXPECT_EQ(::send(end.get(), &hello[turns], 1, MSG_NOSIGNAL), 1);
    }
    return ++turns;
  };
  until([&] { return dribble() > 3; });
  auto [a, b] = socket_pair();
  start(server_, std::move(a), *TlsServerContext::create(server_options()));
  start(client_, std::move(b),
        TlsClientContext::for_server(*TlsClientContext::create(client_options()), "hub.test"));
  until([&] { return server_.opened || dribble() > hello.size(); });
  EXPECT_TRUE(server_.opened);
  EXPECT_LT(turns, 30U);
  for (const Peer& peer : peers) EXPECT_FALSE(peer.over()) << peer.failure;
}

TEST_P(HostilePeerTest, PlainTextIsNoHandshake) {
  listen_to_test();
  write_raw("GET / HTTP/1.1\r\n\r\n");
  until([&] { return server_.over(); });
  EXPECT_THAT(server_.failure, HasSubstr("http request"));
}

TEST_P(HostilePeerTest, APeerThatLeavesInTheHandshakeIsForgotten) {
  listen_to_test();
  write_raw("\x16");
  settle();
  raw_ = Descriptor();
  until([&] { return server_.over(); });
  EXPECT_FALSE(server_.opened);
}

TEST_P(HostilePeerTest, AFloodOfOneByteRecordsIsDeliveredInBoundedPieces) {
  listen_to_openssl(TLS1_3_VERSION);
  size_t largest = 0;
  server_.on_bytes = [&](ByteView bytes) { largest = std::max(largest, bytes.size()); };
  size_t sent = 0;
  until([&] {
    while (sent < 16384 && SSL_write(ssl_.get(), "x", 1) == 1) ++sent;
    return server_.received.size() == 16384;
  });
  EXPECT_LE(largest, SocketStream::kRecordsPerTurn);
}

TEST_P(HostilePeerTest, AFloodOfKeyUpdatesEndsTheConnection) {
  listen_to_openssl(TLS1_3_VERSION);
  until([&] {
    SSL_key_update(ssl_.get(), SSL_KEY_UPDATE_NOT_REQUESTED);
    SSL_do_handshake(ssl_.get());
    return server_.over();
  });
  EXPECT_EQ(server_.reason, CloseReason::kReset);
}

TEST_P(HostilePeerTest, KeyUpdatesAmongDataAreFollowed) {
  listen_to_openssl(TLS1_3_VERSION);
  for (int i = 0; i < 50; ++i) {
    SSL_key_update(ssl_.get(), SSL_KEY_UPDATE_REQUESTED);
    ASSERT_EQ(SSL_write(ssl_.get(), "0123456789", 10), 10);
    until([&] { return server_.received.size() == static_cast<size_t>(i + 1) * 10; });
  }
  on_loop([&] { server_.stream->send("pong"); });
  char answer[4];
  until([&] { return SSL_read(ssl_.get(), answer, 4) == 4; });
  EXPECT_FALSE(server_.over());
}

TEST_P(HostilePeerTest, RenegotiationIsRefused) {
  listen_to_openssl(TLS1_2_VERSION);
  SSL_clear_options(ssl_.get(), SSL_OP_NO_RENEGOTIATION);
  ASSERT_EQ(SSL_renegotiate(ssl_.get()), 1);
  SSL_do_handshake(ssl_.get());
  settle();
  int result = SSL_do_handshake(ssl_.get());
  EXPECT_NE(result, 1);
}

TEST_P(HostilePeerTest, NoTicketIsGivenAndNothingCanBeResumed) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    server_ = {};
    listen_to_openssl(version);
    on_loop([&] { server_.stream->send("x"); });
    char byte = 0;
    until([&] { return SSL_read(ssl_.get(), &byte, 1) == 1; });
    const SSL_SESSION* session = SSL_get0_session(ssl_.get());
    EXPECT_FALSE(SSL_SESSION_has_ticket(session));
    EXPECT_FALSE(SSL_SESSION_is_resumable(session) && version == TLS1_3_VERSION);
  }
}

TEST_P(HostilePeerTest, ADamagedRecordEndsTheConnection) {
  listen_to_openssl(TLS1_3_VERSION);
  write_raw(
      ByteView("\x17\x03\x03\x00\x20"
               "abcdefghijklmnopqrstuvwxyz012345",
               37));
  until([&] { return server_.closed; });
  EXPECT_EQ(server_.reason, CloseReason::kReset);
}

TEST_P(HostilePeerTest, ATruncatedStreamIsNoOrderlyEnd) {
  listen_to_openssl(TLS1_3_VERSION);
  raw_ = Descriptor();
  until([&] { return server_.closed; });
  EXPECT_EQ(server_.reason, CloseReason::kReset);
}

TEST_P(HostilePeerTest, APeerThatTalksOnAfterOurGoodbyeIsCutOff) {
  auto [a, b] = socket_pair();
  start(server_, std::move(a), nullptr);
  raw_ = std::move(b);
  until([&] { return server_.opened; });
  on_loop([&] { server_.stream->close(); });
  const std::string noise(4096, 'n');
  size_t sent = 0;
  until([&] {
    while (::send(raw_.get(), noise.data(), noise.size(), MSG_NOSIGNAL) > 0) sent += noise.size();
    return server_.closed;
  });
  EXPECT_EQ(server_.received, "");
  EXPECT_GE(sent, SocketStream::kLingerBytesMax);
}

}  // namespace
}  // namespace linarite::net
