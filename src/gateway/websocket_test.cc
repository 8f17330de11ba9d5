#include <string>

#include "gateway/http_gateway_fixture.h"
#include "gateway/websocket_handshake.h"
#include "mqtt/connection.h"

namespace linarite::gateway {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using std::string_literals::operator""s;

// The protocol inside: tells the test what comes, and sends what the test says.
struct Inside {
  net::Stream* stream = nullptr;
  std::string received;
  std::optional<net::CloseReason> closed;
};

class InsideHandler final : public net::StreamHandler {
 public:
  InsideHandler(Inside& inside, net::Stream& stream) : inside_(inside) { inside_.stream = &stream; }
  void on_bytes(ByteView bytes) override { inside_.received += bytes; }
  void on_closed(net::CloseReason reason) override {
    inside_.closed = reason;
    inside_.stream = nullptr;
  }

 private:
  Inside& inside_;
};

// A masked binary frame; the mask is zero.
std::string frame(const std::string& payload, char first = '\x82') {
  return first + std::string(1, static_cast<char>(0x80 | payload.size())) + "\0\0\0\0"s + payload;
}

class WebSocketGatewayTest : public HttpGatewayFixture {
 protected:
  WebSocketGatewayTest() {
    const auto acceptor = [](Inside& inside) {
      return [&inside](net::Stream& stream) -> std::unique_ptr<net::StreamHandler> {
        return std::make_unique<InsideHandler>(inside, stream);
      };
    };
    sockets_ = std::make_unique<HttpGateway>(
        HttpGateway::Parts{.hub = *hub_,
                           .log = log_,
                           .metrics = *registry_,
                           .websockets = {.mqtt = acceptor(mqtt_), .amqp = acceptor(amqp_)}});
    stream_->set_handler(sockets_->accept(*stream_));
  }

  std::string upgrade(const std::string& path, const std::string& protocols,
                      const std::string& more = "Sec-WebSocket-Version: 13\r\n") {
    stream_->receive("GET " + path +
                     " HTTP/1.1\r\nHost: 127.0.0.1:443\r\nUpgrade: websocket\r\n"
                     "Connection: keep-alive, Upgrade\r\n"
                     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
                     (protocols.empty() ? "" : "Sec-WebSocket-Protocol: " + protocols + "\r\n") +
                     more + "\r\n");
    return stream_->take_sent();
  }

  Inside mqtt_, amqp_;
  std::unique_ptr<HttpGateway> sockets_;
};

TEST_F(WebSocketGatewayTest, TheHandshakeOfTheStandardIsAnswered) {
  const std::string answer = upgrade("/$iothub/websocket?iothub-no-client-cert=true", "mqtt");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 101 Switching Protocols\r\n"));
  EXPECT_THAT(answer, HasSubstr("\r\nUpgrade: websocket\r\n"));
  EXPECT_THAT(answer, HasSubstr("\r\nConnection: Upgrade\r\n"));
  // RFC 6455, 1.3.
  EXPECT_THAT(answer, HasSubstr("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
  EXPECT_THAT(answer, HasSubstr("\r\nSec-WebSocket-Protocol: mqtt\r\n"));
  EXPECT_THAT(answer, ::testing::Not(HasSubstr("Extensions")));
  EXPECT_NE(mqtt_.stream, nullptr);
}

TEST_F(WebSocketGatewayTest, TheFirstProtocolThatIsServedIsChosenInTheClientsSpelling) {
  EXPECT_THAT(upgrade("/%24iothub/websocket", "graphql , MQTT, AMQPWSB10"),
              HasSubstr("\r\nSec-WebSocket-Protocol: MQTT\r\n"));
  EXPECT_NE(mqtt_.stream, nullptr);
}

TEST_F(WebSocketGatewayTest, AmqpIsServedOnBothPaths) {
  EXPECT_THAT(upgrade("/$servicebus/websocket", "AMQPWSB10"), StartsWith("HTTP/1.1 101 "));
  EXPECT_NE(amqp_.stream, nullptr);
  stream_->peer_closes();
  connect_client();
  stream_->set_handler(sockets_->accept(*stream_));
  EXPECT_THAT(upgrade("/$iothub/websocket", "AMQPWSB10"), StartsWith("HTTP/1.1 101 "));
}

TEST_F(WebSocketGatewayTest, RefusalsLeaveTheConnectionToHttp) {
  EXPECT_THAT(upgrade("/$iothub/websocket", ""), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(upgrade("/$iothub/websocket", "wamp"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(upgrade("/$servicebus/websocket", "mqtt"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(upgrade("/$iothub/other", "mqtt"), StartsWith("HTTP/1.1 404 "));
  const std::string old = upgrade("/$iothub/websocket", "mqtt", "Sec-WebSocket-Version: 8\r\n");
  EXPECT_THAT(old, StartsWith("HTTP/1.1 426 "));
  EXPECT_THAT(old, HasSubstr("\r\nSec-WebSocket-Version: 13\r\n"));
  EXPECT_THAT(
      upgrade("/$iothub/websocket", "mqtt",
              "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"),
      StartsWith("HTTP/1.1 400 "));
  stream_->receive("GET /$iothub/websocket HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(stream_->take_sent(), StartsWith("HTTP/1.1 426 "));
  EXPECT_EQ(mqtt_.stream, nullptr);
  EXPECT_FALSE(stream_->closed());
  EXPECT_THAT(upgrade("/$iothub/websocket", "mqtt"), StartsWith("HTTP/1.1 101 "));
}

TEST_F(WebSocketGatewayTest, BytesGoBothWays) {
  upgrade("/$iothub/websocket", "mqtt");
  stream_->receive(frame("ab") + frame("c"));
  EXPECT_EQ(mqtt_.received, "abc");
  mqtt_.stream->send("answer");
  EXPECT_EQ(stream_->take_sent(),
            "\x82\x06"
            "answer"s);
  stream_->receive(frame("", '\x89'));
  EXPECT_EQ(stream_->take_sent(), "\x8A\0"s);
}

TEST_F(WebSocketGatewayTest, WhereFramesBeginAndEndMeansNothingToTheProtocolInside) {
  upgrade("/$iothub/websocket", "mqtt");
  for (const char c : std::string("many frames, ")) stream_->receive(frame(std::string(1, c)));
  // A message in three fragments with a ping between them.
  stream_->receive(frame("and ", '\x02') + frame("", '\x89') + frame("frag", '\0') +
                   frame("ments", '\x80'));
  EXPECT_EQ(mqtt_.received, "many frames, and fragments");
}

TEST_F(WebSocketGatewayTest, WhatComesBehindTheHandshakeIsNotLost) {
  stream_->receive(
      "GET /$iothub/websocket HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n"
      "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
      "Sec-WebSocket-Protocol: mqtt\r\nSec-WebSocket-Version: 13\r\n\r\n" +
      frame("early"));
  EXPECT_EQ(mqtt_.received, "early");
}

TEST_F(WebSocketGatewayTest, AHandshakeBehindARequestThatWaitsIsReadOn) {
  stream_->receive(bytes_of("PUT", "/devices/d1", {.body = R"({"deviceId": "d1"})"}) +
                   "GET /$iothub/websocket HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n"
                   "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                   "Sec-WebSocket-Protocol: mqtt\r\nSec-WebSocket-Version: 13\r\n\r\n");
  EXPECT_TRUE(stream_->paused());
  run();
  EXPECT_THAT(stream_->take_sent(), HasSubstr("HTTP/1.1 101 "));
  EXPECT_FALSE(stream_->paused());
  stream_->receive(frame("more"));
  EXPECT_EQ(mqtt_.received, "more");
}

TEST_F(WebSocketGatewayTest, AGoodbyeOfThePeerIsAnsweredAndEndsTheStream) {
  upgrade("/$iothub/websocket", "mqtt");
  stream_->receive(frame("last") + frame("\x03\xE8", '\x88'));
  EXPECT_EQ(mqtt_.received, "last");
  EXPECT_EQ(stream_->take_sent(), "\x88\x02\x03\xE8"s);
  EXPECT_TRUE(stream_->closed());
  run();
  EXPECT_EQ(mqtt_.closed, net::CloseReason::kPeerClosed);
}

TEST_F(WebSocketGatewayTest, TheHandlersEndSaysGoodbye) {
  upgrade("/$iothub/websocket", "mqtt");
  mqtt_.stream->send("last");
  mqtt_.stream->close();
  mqtt_.stream->send("too late");
  EXPECT_EQ(stream_->take_sent(), "\x82\x04last\x88\x02\x03\xE8"s);
  run();
  EXPECT_EQ(mqtt_.closed, net::CloseReason::kClosedHere);
}

TEST_F(WebSocketGatewayTest, ABrokenFrameEndsTheStreamWithItsStatus) {
  upgrade("/$iothub/websocket", "mqtt");
  stream_->receive("\x82\x02hi");
  EXPECT_EQ(stream_->take_sent(), "\x88\x02\x03\xEA"s);
  EXPECT_TRUE(stream_->closed());
}

TEST_F(WebSocketGatewayTest, WhoSendsPingsAndReadsNothingIsNotRead) {
  upgrade("/$iothub/websocket", "mqtt");
  stream_->stall(true);
  const std::string ping = frame(std::string(100, 'p'), '\x89');
  for (int i = 0; i < 4000; ++i) stream_->receive(ping);
  EXPECT_TRUE(stream_->paused());
  mqtt_.stream->resume_reading();
  EXPECT_TRUE(stream_->paused());
  stream_->take_sent();
  stream_->stall(false);
  EXPECT_FALSE(stream_->paused());
  mqtt_.stream->pause_reading();
  EXPECT_TRUE(stream_->paused());
}

// The deadlines of HTTP are over with the handshake.
TEST_F(WebSocketGatewayTest, ASilentWebSocketIsNotClosedByHttp) {
  upgrade("/$iothub/websocket", "mqtt");
  advance(std::chrono::hours(1));
  EXPECT_FALSE(stream_->closed());
}

}  // namespace
}  // namespace linarite::gateway
