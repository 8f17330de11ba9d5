#include "http/websocket.h"

#include <gmock/gmock.h>

#include <string>

namespace linarite::http {
namespace {

using std::string_literals::operator""s;

constexpr std::string_view kMask = "\x11\x22\x33\x44";

// A masked frame; `first` is the byte with FIN, reserved bits and opcode.
std::string frame(int first, const std::string& payload) {
  std::string out(1, static_cast<char>(first));
  if (payload.size() < 126) {
    out += static_cast<char>(0x80 | payload.size());
  } else if (payload.size() <= 0xFFFF) {
    out += '\xFE';
    out += static_cast<char>(payload.size() >> 8U);
    out += static_cast<char>(payload.size());
  } else {
    out += "\xFF\0\0\0\0"s;
    for (int i = 3; i >= 0; --i) out += static_cast<char>(payload.size() >> (8 * i));
  }
  out += kMask;
  for (size_t i = 0; i < payload.size(); ++i) {
    out += static_cast<char>(payload[i] ^ kMask[i % kMask.size()]);
  }
  return out;
}
std::string binary(const std::string& payload) { return frame(0x82, payload); }

WebSocketEvents received(const std::string& bytes, size_t piece = std::string::npos) {
  WebSocket socket = WebSocket::server();
  WebSocketEvents out;
  for (size_t at = 0; at < bytes.size(); at += std::min(piece, bytes.size())) {
    socket.receive(ByteView(bytes).substr(at, piece), out);
  }
  return out;
}

// How the connection ends after these bytes, as the close frame that is sent.
std::string refusal(const std::string& bytes) {
  const WebSocketEvents out = received(bytes);
  EXPECT_TRUE(out.close);
  EXPECT_FALSE(out.peer_closed);
  return out.output;
}
const std::string k1002 = "\x88\x02\x03\xEA"s;
const std::string k1003 = "\x88\x02\x03\xEB"s;
const std::string k1009 = "\x88\x02\x03\xF1"s;

TEST(WebSocketTest, PayloadIsAStreamHoweverItIsCutIntoFramesAndReads) {
  const std::string bytes = binary("one") + frame(0x02, "tw") + frame(0x89, "") + frame(0x00, "") +
                            frame(0x80, "o") + binary("") + binary("three");
  for (const size_t piece : {size_t{1}, size_t{3}, size_t{7}, bytes.size()}) {
    const WebSocketEvents out = received(bytes, piece);
    EXPECT_EQ(out.payload, "onetwothree") << piece;
    EXPECT_EQ(out.output, "\x8A\0"s);
    EXPECT_FALSE(out.close);
  }
}

TEST(WebSocketTest, LongPayloadsUseTheLongerLengths) {
  for (const size_t size : {125U, 126U, 65'535U, 65'536U, 330'000U, 1U << 20U}) {
    const std::string payload(size, 'x');
    EXPECT_EQ(received(binary(payload)).payload, payload) << size;
  }
  EXPECT_EQ(refusal(binary(std::string((1U << 20U) + 1, 'x'))), k1009);
}

TEST(WebSocketTest, WhatIsSentIsNotMasked) {
  Bytes out;
  WebSocket::server().append_binary("", out);
  EXPECT_EQ(out, "");
  WebSocket::server().append_binary("hi", out);
  EXPECT_EQ(out, "\x82\x02hi"s);
  out.clear();
  WebSocket::server().append_binary(std::string(126, 'x'), out);
  EXPECT_EQ(out.substr(0, 4), "\x82\x7E\x00\x7E"s);
  out.clear();
  WebSocket::server().append_binary(std::string(65'536, 'x'), out);
  EXPECT_EQ(out.substr(0, 10), "\x82\x7F\0\0\0\0\0\x01\0\0"s);
}

TEST(WebSocketTest, APingIsAnsweredWithItsPayloadAndAPongIsNot) {
  EXPECT_EQ(received(frame(0x89, "are you there")).output,
            "\x8A\x0D"
            "are you there");
  EXPECT_EQ(received(frame(0x8A, "unasked")).output, "");
}

TEST(WebSocketTest, AGoodbyeIsAnsweredWithItsStatus) {
  for (const std::string& status : {""s, "\x03\xE8"s, "\x03\xE9"s, "\x0F\xA0"s}) {
    const WebSocketEvents out = received(binary("last") + frame(0x88, status) + binary("too late"));
    EXPECT_EQ(out.payload, "last");
    EXPECT_EQ(out.output, "\x88"s + static_cast<char>(status.size()) + status);
    EXPECT_TRUE(out.close);
    EXPECT_TRUE(out.peer_closed);
  }
  EXPECT_EQ(received(frame(0x88, "\x03\xE8reason")).output, "\x88\x02\x03\xE8"s);
}

TEST(WebSocketTest, WhatBreaksTheProtocolEndsTheConnection) {
  EXPECT_EQ(refusal("\x82\x02hi"), k1002) << "not masked";
  EXPECT_EQ(refusal(frame(0xC2, "x")), k1002) << "a reserved bit: no extension was agreed";
  EXPECT_EQ(refusal(frame(0x83, "x")), k1002) << "a reserved opcode";
  EXPECT_EQ(refusal(frame(0x8B, "x")), k1002) << "a reserved control opcode";
  EXPECT_EQ(refusal(frame(0x80, "x")), k1002) << "a continuation of nothing";
  EXPECT_EQ(refusal(frame(0x02, "x") + binary("y")), k1002) << "a message inside of another";
  EXPECT_EQ(refusal(frame(0x09, "x")), k1002) << "a fragmented ping";
  EXPECT_EQ(refusal(frame(0x89, std::string(126, 'x'))), k1002) << "a long ping";
  EXPECT_EQ(refusal("\x82\xFE\x00\x05\x11\x22\x33\x44"s), k1002) << "a length wider than needed";
  EXPECT_EQ(refusal("\x82\xFF\x80\0\0\0\0\0\0\0\x11\x22\x33\x44"s), k1002) << "the top bit";
  EXPECT_EQ(refusal(frame(0x88, "x")), k1002) << "half a status";
  EXPECT_EQ(refusal(frame(0x88, "\x03\xED")), k1002) << "1005, which is never sent";
}

TEST(WebSocketTest, TextIsNotTaken) {
  EXPECT_EQ(refusal(frame(0x81, "text")), k1003);
  EXPECT_EQ(refusal(frame(0x01, "text")), k1003);
}

TEST(WebSocketTest, ATooLongFrameIsRefusedByItsHeadAlone) {
  EXPECT_EQ(refusal("\x82\xFF\0\0\0\0\x7F\xFF\xFF\xFF\x11\x22\x33\x44"s), k1009);
}

// 10^6 empty fragments and pings keep nothing.
TEST(WebSocketTest, EmptyFragmentsCostNoMemory) {
  WebSocket socket = WebSocket::server();
  const std::string fragment = frame(0x00, "");
  WebSocketEvents out;
  socket.receive(frame(0x02, ""), out);
  for (int i = 0; i < 1'000'000; ++i) socket.receive(fragment, out);
  EXPECT_FALSE(out.close);
  EXPECT_EQ(out.payload.size() + out.output.size(), 0U);
}

}  // namespace
}  // namespace linarite::http
