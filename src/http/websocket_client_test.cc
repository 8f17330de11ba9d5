#include <gmock/gmock.h>

#include <string>

#include "http/websocket.h"

namespace linarite::http {
namespace {

using std::string_literals::operator""s;

const std::string kKey = "\x11\x22\x33\x44";

// Every frame's key is the same.
class FixedKey final : public Random {
 public:
  void fill(char* out, size_t size) override { kKey.copy(out, size); }
};

WebSocket client() { return WebSocket::client(std::make_shared<FixedKey>()); }

std::string masked(std::string payload) {
  for (size_t i = 0; i < payload.size(); ++i) {
    payload[i] = static_cast<char>(payload[i] ^ kKey[i % kKey.size()]);
  }
  return payload;
}

// A frame as a server sends it.
std::string frame(int first, const std::string& payload) {
  EXPECT_LT(payload.size(), 126U);
  return std::string{static_cast<char>(first), static_cast<char>(payload.size())} + payload;
}

WebSocketEvents received(const std::string& bytes, size_t piece = std::string::npos) {
  WebSocket socket = client();
  WebSocketEvents out;
  for (size_t at = 0; at < bytes.size(); at += std::min(piece, bytes.size())) {
    socket.receive(ByteView(bytes).substr(at, piece), out);
  }
  return out;
}

std::string refusal(const std::string& bytes) {
  const WebSocketEvents out = received(bytes);
  EXPECT_TRUE(out.close);
  EXPECT_FALSE(out.peer_closed);
  return out.output;
}
std::string close_frame(const std::string& status) {
  return "\x88"s + static_cast<char>(0x80 | status.size()) + kKey + masked(status);
}

TEST(WebSocketClientTest, PayloadIsAStreamHoweverItIsCutIntoFramesAndReads) {
  const std::string bytes = frame(0x82, "one") + frame(0x02, "tw") + frame(0x89, "?") +
                            frame(0x00, "") + frame(0x80, "o") + "\x82\x7E\x00\x80"s +
                            std::string(128, 'x') + frame(0x82, "");
  for (const size_t piece : {size_t{1}, size_t{3}, size_t{7}, bytes.size()}) {
    const WebSocketEvents out = received(bytes, piece);
    EXPECT_EQ(out.payload, "onetwo" + std::string(128, 'x')) << piece;
    EXPECT_EQ(out.output, "\x8A\x81" + kKey + masked("?"));
    EXPECT_FALSE(out.close);
  }
}

TEST(WebSocketClientTest, WhatIsSentIsMasked) {
  const WebSocket socket = client();
  Bytes out;
  socket.append_binary("", out);
  EXPECT_EQ(out, "");
  socket.append_binary("hello, hub", out);
  EXPECT_EQ(out, "\x82\x8A" + kKey + masked("hello, hub"));
  out.clear();
  socket.append_binary(std::string(126, 'x'), out);
  EXPECT_EQ(out, "\x82\xFE\x00\x7E"s + kKey + masked(std::string(126, 'x')));
  out.clear();
  socket.append_binary(std::string(65'536, 'x'), out);
  EXPECT_EQ(out.substr(0, 14), "\x82\xFF\0\0\0\0\0\x01\0\0"s + kKey);
  out.clear();
  socket.append_close(WebSocketStatus::kNormal, out);
  EXPECT_EQ(out, close_frame("\x03\xE8"));
}

TEST(WebSocketClientTest, EachFrameHasAKeyOfItsOwn) {
  const WebSocket socket = WebSocket::client(std::make_shared<SeededRandom>(1));
  Bytes first, second;
  socket.append_binary("x", first);
  socket.append_binary("x", second);
  EXPECT_NE(first.substr(2, 4), second.substr(2, 4));
}

// Whatever the sizes of payloads and reads, so that masking by words and by bytes is one.
TEST(WebSocketClientTest, TheServersEndReadsWhatTheClientsEndSends) {
  const WebSocket socket = WebSocket::client(std::make_shared<SeededRandom>(7));
  Bytes sent, frames;
  for (const size_t size : {1U, 3U, 4U, 7U, 8U, 9U, 15U, 16U, 17U, 125U, 126U, 70'001U}) {
    const std::string payload = SeededRandom(size).bytes(size);
    sent += payload;
    socket.append_binary(payload, frames);
  }
  for (const size_t piece : {1U, 2U, 5U, 8U, 11U, 64U, 1'000'000U}) {
    WebSocket server = WebSocket::server();
    WebSocketEvents out;
    for (size_t at = 0; at < frames.size(); at += piece) {
      server.receive(ByteView(frames).substr(at, piece), out);
    }
    EXPECT_EQ(out.payload, sent) << piece;
    EXPECT_FALSE(out.close);
  }
}

TEST(WebSocketClientTest, AGoodbyeIsAnsweredWithItsStatus) {
  const WebSocketEvents out =
      received(frame(0x82, "last") + frame(0x88, "\x03\xE9going") + frame(0x82, "too late"));
  EXPECT_EQ(out.payload, "last");
  EXPECT_EQ(out.output, close_frame("\x03\xE9"));
  EXPECT_TRUE(out.close);
  EXPECT_TRUE(out.peer_closed);
  EXPECT_EQ(received(frame(0x88, "")).output, close_frame(""));
}

TEST(WebSocketClientTest, WhatBreaksTheProtocolEndsTheConnection) {
  EXPECT_EQ(refusal("\x82\x82" + kKey + masked("hi")), close_frame("\x03\xEA")) << "masked";
  EXPECT_EQ(refusal("\x88\x80" + kKey), close_frame("\x03\xEA")) << "a masked goodbye";
  EXPECT_EQ(refusal(frame(0xC2, "x")), close_frame("\x03\xEA")) << "a reserved bit";
  EXPECT_EQ(refusal(frame(0x80, "x")), close_frame("\x03\xEA")) << "a continuation of nothing";
  EXPECT_EQ(refusal("\x89\x7E\x00\x7E"s), close_frame("\x03\xEA")) << "a long ping";
  EXPECT_EQ(refusal("\x82\x7E\x00\x05"s), close_frame("\x03\xEA")) << "a length wider than needed";
  EXPECT_EQ(refusal(frame(0x81, "text")), close_frame("\x03\xEB"));
  EXPECT_EQ(refusal("\x82\x7F\0\0\0\0\0\x10\0\x01"s), close_frame("\x03\xF1"))
      << "1 MiB and a byte";
}

}  // namespace
}  // namespace linarite::http
