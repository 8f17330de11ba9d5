#include "http/websocket_handshake.h"

#include <gmock/gmock.h>

#include <string>

#include "base/base64.h"

namespace linarite::http {
namespace {

using ::testing::HasSubstr;

// The nonce of RFC 6455, 1.3.
class TheStandardsNonce final : public Random {
 public:
  void fill(char* out, size_t size) override {
    const auto nonce = *base64_decode("dGhlIHNhbXBsZSBub25jZQ==");
    EXPECT_EQ(size, nonce.size());
    nonce.copy(out, size);
  }
};

constexpr const char* kUpgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\n";
constexpr const char* kAccept = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
constexpr const char* kProtocol = "Sec-WebSocket-Protocol: mqtt\r\n";

std::string switching(const std::string& fields) {
  return "HTTP/1.1 101 Switching Protocols\r\n" + fields + "\r\n";
}
const std::string kGood = switching(std::string(kUpgrade) + kAccept + kProtocol);

ClientHandshake handshake(const std::string& path = "/$iothub/websocket") {
  TheStandardsNonce random;
  return {{.host = "hub.test", .path = path, .protocol = "mqtt"}, random};
}

// "open", "more", or the code and sentence of a failure.
std::string outcome(const std::string& response, size_t piece = std::string::npos) {
  ClientHandshake shake = handshake();
  for (size_t at = 0; at < response.size(); at += std::min(piece, response.size())) {
    ByteView input = ByteView(response).substr(at, piece);
    const auto got = shake.receive(input);
    if (!got) {
      return std::to_string(static_cast<int>(got.error().code)) + " " + got.error().message;
    }
    if (*got) return "open";
    EXPECT_EQ(input, "");
  }
  return "more";
}

TEST(ClientHandshakeTest, AsksAsTheStandardSays) {
  EXPECT_EQ(handshake().request(),
            "GET /$iothub/websocket HTTP/1.1\r\n"
            "Host: hub.test\r\n"
            "Upgrade: websocket\r\n"
            "Connection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: mqtt\r\n\r\n");
  EXPECT_FALSE(handshake("/a b").request());
}

TEST(ClientHandshakeTest, TheStandardsAnswerOpensIt) {
  for (const size_t piece : {size_t{1}, size_t{7}, kGood.size()}) {
    EXPECT_EQ(outcome(kGood, piece), "open") << piece;
  }
  EXPECT_EQ(outcome(kGood.substr(0, kGood.size() - 1)), "more");
  EXPECT_EQ(outcome("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + kGood), "open");
  EXPECT_EQ(outcome(switching("upgrade: WebSocket\r\nconnection: keep-alive, upgrade\r\n"
                              "sec-websocket-protocol: MQTT\r\n" +
                              std::string(kAccept))),
            "open");
}

TEST(ClientHandshakeTest, WhatComesBehindTheAnswerIsLeft) {
  ClientHandshake shake = handshake();
  const std::string bytes = kGood + "\x82\x01x";
  ByteView input = bytes;
  EXPECT_EQ(shake.receive(input), true);
  EXPECT_EQ(input, "\x82\x01x");
}

TEST(ClientHandshakeTest, ARefusalIsToldWithItsStatus) {
  EXPECT_EQ(outcome("HTTP/1.1 404 No such thing\r\nContent-Length: 4\r\n\r\nbody"),
            "7 the server refuses the WebSocket with HTTP status 404 (Not Found)");
  EXPECT_EQ(outcome("HTTP/1.1 200 OK\r\n\r\n<html>"),
            "7 the server refuses the WebSocket with HTTP status 200 (OK)");
  EXPECT_EQ(outcome("HTTP/1.1 503 Away\r\n\r\n"),
            "6 the server refuses the WebSocket with HTTP status 503 (Service Unavailable)");
  EXPECT_THAT(outcome("HTTP/1.1 429 Slow\r\n\r\n"), HasSubstr("6 "));
}

TEST(ClientHandshakeTest, AnAnswerThatDoesNotFitIsNotTaken) {
  const std::string upgrade = kUpgrade;
  EXPECT_THAT(outcome("SSH-2.0-OpenSSH\r\n\r\n"),
              HasSubstr("7 the server does not answer in HTTP"));
  EXPECT_THAT(outcome(switching(std::string(kAccept) + kProtocol)), HasSubstr("Upgrade"));
  EXPECT_THAT(outcome(switching(upgrade + kProtocol)), HasSubstr("Accept"));
  EXPECT_THAT(outcome(switching(upgrade + kAccept + kAccept + kProtocol)), HasSubstr("Accept"));
  EXPECT_THAT(outcome(switching(upgrade + "Sec-WebSocket-Accept: AAAA\r\n" + kProtocol)),
              HasSubstr("Accept"));
  EXPECT_THAT(outcome(switching(upgrade + kAccept)), HasSubstr("sub-protocol"));
  EXPECT_THAT(outcome(switching(upgrade + kAccept + "Sec-WebSocket-Protocol: AMQPWSB10\r\n")),
              HasSubstr("sub-protocol"));
  EXPECT_THAT(outcome(switching(upgrade + kAccept + kProtocol +
                                "Sec-WebSocket-Extensions: permessage-deflate\r\n")),
              HasSubstr("extension"));
}

TEST(ClientHandshakeTest, AnAnswerThatIsNotHttpIsNotTaken) {
  SeededRandom random(1);
  ClientHandshake handshake({.host = "hub.test", .path = "/ws", .protocol = "mqtt"}, random);
  ASSERT_TRUE(handshake.request());
  ByteView input = "\x15\x03\x01";
  const auto open = handshake.receive(input);
  ASSERT_FALSE(open);
  EXPECT_EQ(open.error().code, ErrorCode::kMalformed);
}

TEST(ClientHandshakeTest, TheAnswerIsBounded) {
  EXPECT_THAT(outcome("HTTP/1.1 101 " + std::string(kStartLineMax, 'x')), HasSubstr("too large"));
  std::string fields;
  for (size_t i = 0; i <= kHeaderCountMax; ++i) fields += "x: y\r\n";
  EXPECT_THAT(outcome(switching(fields)), HasSubstr("too large"));
  std::string interim;
  for (int i = 0; i < 9; ++i) interim += "HTTP/1.1 100 Continue\r\n\r\n";
  EXPECT_THAT(outcome(interim + kGood), HasSubstr("8 the server sent too many interim"));
}

}  // namespace
}  // namespace linarite::http
