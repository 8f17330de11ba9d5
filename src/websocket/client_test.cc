#include "websocket/client.h"

#include <gmock/gmock.h>

#include <functional>
#include <optional>
#include <string>

#include "base/manual_loop.h"
#include "http/websocket.h"
#include "net/pipe.h"

namespace linarite::websocket {
namespace {

using net::Pipe;
using ::testing::HasSubstr;

constexpr const char* kKeyField = "Sec-WebSocket-Key: ";

// What one end was told, and the stream it was told it of.
struct Told {
  net::Stream* stream = nullptr;
  std::string bytes;
  std::optional<net::CloseReason> closed;
  int writable = 0;
  std::function<void()> on_bytes;
};

class Listener final : public net::StreamHandler {
 public:
  Listener(Told& told, net::Stream& stream) : told_(told) { told_.stream = &stream; }
  void on_bytes(ByteView bytes) override {
    told_.bytes += bytes;
    if (told_.on_bytes) told_.on_bytes();
  }
  void on_writable() override { ++told_.writable; }
  void on_closed(net::CloseReason reason) override {
    told_.closed = reason;
    told_.stream = nullptr;
  }

 private:
  Told& told_;
};

class WebSocketClientTest : public ::testing::Test {
 protected:
  static net::StreamAcceptor listen(Told& told) {
    return [&told](net::Stream& stream) { return std::make_unique<Listener>(told, stream); };
  }

  void connect(bool wanted = true) {
    auto outcomes = through_websocket(
        {.offer = {.host = "hub.test", .path = "/$iothub/websocket", .protocol = "mqtt"},
         .random = std::make_shared<SeededRandom>(1),
         .limit = std::chrono::seconds(10)},
        {.opened = [this, wanted](net::Stream& stream) -> std::unique_ptr<net::StreamHandler> {
           ++opened_;
           return wanted ? std::make_unique<Listener>(inside_, stream) : nullptr;
         },
         .failed = [this](const Error& why) { failed_ = why.message; }});
    auto opened = std::make_shared<decltype(outcomes.opened)>(std::move(outcomes.opened));
    pipe_.emplace(Pipe::End{.loop = loop_,
                            .peer = {.address = "192.0.2.1", .tls = true},
                            .opened = [opened](net::Stream& stream) { return (*opened)(stream); }},
                  Pipe::End{.loop = loop_, .peer = {}, .opened = listen(server_)});
    loop_.run_until_idle();
  }
  // The server takes the WebSocket; `behind` comes with its answer.
  void accept(const std::string& behind = "") {
    const size_t at = server_.bytes.find(kKeyField) + std::string(kKeyField).size();
    const std::string key = server_.bytes.substr(at, server_.bytes.find("\r\n", at) - at);
    server_.bytes.clear();
    answer(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Protocol: mqtt\r\nSec-WebSocket-Accept: " +
        http::websocket_accept(key) + "\r\n\r\n" + behind);
  }
  void answer(const std::string& bytes) {
    server_.stream->send(bytes);
    loop_.run_until_idle();
  }
  void open() {
    connect();
    accept();
    ASSERT_EQ(opened_, 1);
  }
  // What the server has read of the WebSocket since the last time.
  http::WebSocketEvents frames() {
    loop_.run_until_idle();
    http::WebSocketEvents out;
    far_end_.receive(std::exchange(server_.bytes, {}), out);
    return out;
  }

  ManualClock clock_{WallTime(std::chrono::seconds(1'700'000'000))};
  ManualLoop loop_{clock_};
  ManualLoop other_{clock_};  // To which a stream is moved.
  Told inside_, server_;
  int opened_ = 0;
  std::string failed_;
  http::WebSocket far_end_ = http::WebSocket::server();
  std::optional<Pipe> pipe_;
};

TEST_F(WebSocketClientTest, BytesGoBothWays) {
  connect();
  EXPECT_THAT(server_.bytes, HasSubstr("GET /$iothub/websocket HTTP/1.1\r\nHost: hub.test\r\n"));
  EXPECT_EQ(opened_, 0);
  accept();
  ASSERT_EQ(opened_, 1);
  EXPECT_EQ(inside_.stream->peer().address, "192.0.2.1");
  inside_.stream->send("CONNECT");
  inside_.stream->send("PUBLISH");
  EXPECT_EQ(frames().payload, "CONNECTPUBLISH");
  answer(
      "\x82\x07"
      "CONNACK");
  EXPECT_EQ(inside_.bytes, "CONNACK");
  answer("\x89\x01?");
  const auto got = frames();
  EXPECT_EQ(got.payload + got.output, "") << "a pong";
}

TEST_F(WebSocketClientTest, AStreamThatWasFullSaysWhenThereIsRoom) {
  open();
  server_.stream->pause_reading();
  while (inside_.stream->unsent() <= net::Stream::kUnsentHigh) {
    inside_.stream->send(std::string(60'000, 'x'));
    loop_.run_until_idle();
  }
  EXPECT_EQ(inside_.writable, 0);
  server_.stream->resume_reading();
  loop_.run_until_idle();
  EXPECT_EQ(inside_.writable, 1);
}

TEST_F(WebSocketClientTest, AMessageMayMoveItsStreamToAnotherLoop) {
  open();
  bool moved = false;
  inside_.on_bytes = [&] {
    if (!moved) inside_.stream->move_to(other_, [&] { moved = true; });
  };
  answer(
      "\x82\x04"
      "move");
  other_.run_until_idle();
  EXPECT_TRUE(moved);
  EXPECT_EQ(&inside_.stream->loop(), &other_);
  answer(
      "\x82\x03"
      "two");
  EXPECT_EQ(inside_.bytes, "move");
  other_.run_until_idle();
  EXPECT_EQ(inside_.bytes, "movetwo");
}

TEST_F(WebSocketClientTest, AGoodbyeBehindAMoveIsTheEndOnTheNewLoop) {
  open();
  inside_.on_bytes = [&] { inside_.stream->move_to(other_, [] {}); };
  answer(
      "\x82\x04"
      "move\x88\x02\x03\xE8");
  while (loop_.run_until_idle() + other_.run_until_idle() > 0) {
  }
  EXPECT_EQ(inside_.closed, net::CloseReason::kPeerClosed);
}

TEST_F(WebSocketClientTest, WhatComesBehindTheAnswerIsNotLost) {
  connect();
  accept(
      "\x82\x05"
      "early");
  EXPECT_EQ(inside_.bytes, "early");
}

TEST_F(WebSocketClientTest, TheHandlersEndSaysGoodbye) {
  open();
  inside_.stream->send("DISCONNECT");
  inside_.stream->close();
  inside_.stream->send("too late");
  const auto got = frames();
  EXPECT_EQ(got.payload, "DISCONNECT");
  EXPECT_TRUE(got.peer_closed);
  EXPECT_EQ(inside_.closed, net::CloseReason::kClosedHere);
  EXPECT_EQ(server_.closed, net::CloseReason::kPeerClosed);
}

TEST_F(WebSocketClientTest, TheServersGoodbyeIsAnsweredAndIsTheEnd) {
  open();
  answer("\x82\x04last\x88\x02\x03\xE8");
  EXPECT_EQ(inside_.bytes, "last");
  EXPECT_EQ(inside_.closed, net::CloseReason::kPeerClosed);
  EXPECT_TRUE(frames().peer_closed);
}

TEST_F(WebSocketClientTest, AMaskedFrameOfTheServerIsTheEnd) {
  open();
  answer(std::string("\x82\x81\x11\x22\x33\x44x"));
  EXPECT_EQ(inside_.bytes, "");
  EXPECT_EQ(inside_.closed, net::CloseReason::kClosedHere);
  EXPECT_TRUE(server_.bytes.starts_with("\x88\x82"));
}

TEST_F(WebSocketClientTest, ABrokenConnectionIsTold) {
  open();
  pipe_->reset(Pipe::Side::kClient);
  loop_.run_until_idle();
  EXPECT_EQ(inside_.closed, net::CloseReason::kReset);
}

TEST_F(WebSocketClientTest, BackPressureReachesTheConnectionBelow) {
  open();
  server_.stream->pause_reading();
  const std::string block(300'000, 'x');
  inside_.stream->send(block);
  loop_.run_until_idle();
  EXPECT_GT(inside_.stream->unsent(), 0U);
  server_.stream->resume_reading();
  EXPECT_EQ(frames().payload, block);
  inside_.stream->pause_reading();
  answer(
      "\x82\x05"
      "later");
  EXPECT_EQ(inside_.bytes, "");
  inside_.stream->resume_reading();
  loop_.run_until_idle();
  EXPECT_EQ(inside_.bytes, "later");
}

TEST_F(WebSocketClientTest, ARefusalIsToldWithItsStatus) {
  connect();
  answer("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
  EXPECT_THAT(failed_, HasSubstr("HTTP status 404"));
  EXPECT_EQ(opened_, 0);
  EXPECT_TRUE(pipe_->over(Pipe::Side::kClient));
}

TEST_F(WebSocketClientTest, AServerThatSaysNothingIsLeft) {
  connect();
  loop_.run_for(std::chrono::seconds(9));
  EXPECT_EQ(failed_, "");
  loop_.run_for(std::chrono::seconds(2));
  EXPECT_THAT(failed_, HasSubstr("in time"));
  EXPECT_TRUE(pipe_->over(Pipe::Side::kClient));
}

TEST_F(WebSocketClientTest, AServerThatClosesInTheHandshakeIsTold) {
  connect();
  server_.stream->close();
  loop_.run_until_idle();
  EXPECT_THAT(failed_, HasSubstr("closed the connection in the WebSocket handshake"));
}

TEST_F(WebSocketClientTest, WhoDoesNotWantItAnyMoreClosesIt) {
  connect(false);
  accept();
  EXPECT_EQ(opened_, 1);
  EXPECT_TRUE(pipe_->over(Pipe::Side::kClient));
  EXPECT_EQ(failed_, "");
}

}  // namespace
}  // namespace linarite::websocket
