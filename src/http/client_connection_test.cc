#include "http/client_connection.h"

#include <gtest/gtest.h>

#include "http/server_connection.h"

namespace linarite::http {
namespace {

using std::chrono::seconds;

// A client that takes bodies of up to 100 bytes. '|' stands for CRLF.
class ClientTest : public testing::Test {
 protected:
  static std::string wire(std::string_view text) {
    std::string out;
    for (const char c : text) out += c == '|' ? "\r\n" : std::string(1, c);
    return out;
  }
  std::string send(Request request) {
    request.headers.add("Host", "hub");
    auto bytes = connection_.send(request, now_);
    return bytes ? *bytes : "refused";
  }
  std::string get() { return send({.method = "GET", .target = "/a"}); }
  void receive(std::string_view text) {
    events_ = {};
    connection_.receive(wire(text), events_);
  }
  // "status body" of the response that came out, else the code of the error, else "nothing".
  std::string outcome() const {
    if (events_.response) {
      return std::to_string(events_.response->status) + " " + events_.response->body;
    }
    return events_.error ? "error " + std::to_string(static_cast<int>(events_.error->code))
                         : "nothing";
  }
  void expect_error(std::string_view text, ErrorCode code) {
    connection_ = ClientConnection({.body_max = 100});
    get();
    receive(text);
    EXPECT_EQ(outcome(), "error " + std::to_string(static_cast<int>(code))) << text;
    EXPECT_TRUE(events_.close) << text;
    EXPECT_EQ(get(), "refused") << text;
  }

  Instant now_{seconds(1)};
  ClientEvents events_;
  ClientConnection connection_{{.body_max = 100}};
};

// Two programs that disagree about a length can be played against each other.
TEST_F(ClientTest, TheLengthOfARequestIsNotTheCallersToSay) {
  EXPECT_EQ(send({.method = "POST",
                  .target = "/a",
                  .headers = {{"Content-Length", "9"}, {"transfer-encoding", "chunked"}},
                  .body = "hello"}),
            wire("POST /a HTTP/1.1|Host: hub|Content-Length: 5||hello"));
}

TEST_F(ClientTest, RequestAndResponse) {
  EXPECT_EQ(get(), wire("GET /a HTTP/1.1|Host: hub||"));
  receive("HTTP/1.1 200 OK|ETag: \"x\"|Content-Length: 3||abc");
  EXPECT_EQ(outcome(), "200 abc");
  EXPECT_EQ(events_.response->headers.find("etag"), "\"x\"");
  EXPECT_FALSE(events_.close);
  EXPECT_EQ(send({.method = "PUT", .target = "/b", .body = "hello"}),
            wire("PUT /b HTTP/1.1|Host: hub|Content-Length: 5||hello"));
}

TEST_F(ClientTest, BytesMayComeOneByOne) {
  get();
  const std::string text = "HTTP/1.1 201 Created|Transfer-Encoding: chunked||2|ab|1|c|0||";
  std::string whole = wire(text);
  for (size_t i = 0; i + 1 < whole.size(); ++i) {
    connection_.receive(whole.substr(i, 1), events_);
    EXPECT_EQ(outcome(), "nothing");
  }
  connection_.receive(whole.substr(whole.size() - 1), events_);
  EXPECT_EQ(outcome(), "201 abc");
}

TEST_F(ClientTest, ResponsesWithoutABody) {
  get();
  receive("HTTP/1.1 204 No Content||");
  EXPECT_EQ(outcome(), "204 ");
  get();
  receive("HTTP/1.1 304 Not Modified|Content-Length: 50||");
  EXPECT_EQ(outcome(), "304 ");
  send({.method = "HEAD", .target = "/"});
  receive("HTTP/1.1 200 OK|Content-Length: 50||");
  EXPECT_EQ(outcome(), "200 ");
  get();
  receive("HTTP/1.1 200 |Content-Length: 0||");
  EXPECT_EQ(outcome(), "200 ");
}

TEST_F(ClientTest, BodyUntilTheConnectionEnds) {
  get();
  receive("HTTP/1.1 200 OK||abc");
  EXPECT_EQ(outcome(), "nothing");
  events_ = {};
  connection_.end_of_stream(events_);
  EXPECT_EQ(outcome(), "200 abc");
  EXPECT_TRUE(events_.close);
}

TEST_F(ClientTest, ConnectionEndsInTheMiddle) {
  get();
  receive("HTTP/1.1 200 OK|Content-Length: 3||ab");
  connection_.end_of_stream(events_);
  EXPECT_EQ(outcome(), "error 6");
}

TEST_F(ClientTest, ConnectionEndsBetweenTwoRequests) {
  connection_.end_of_stream(events_);
  EXPECT_EQ(outcome(), "nothing");
  EXPECT_TRUE(events_.close);
  EXPECT_EQ(get(), "refused");
}

TEST_F(ClientTest, CloseOfEitherSideIsHonoured) {
  get();
  receive("HTTP/1.1 200 OK|Connection: close|Content-Length: 1||a");
  EXPECT_EQ(outcome(), "200 a");
  EXPECT_TRUE(events_.close);
  connection_ = ClientConnection();
  send({.method = "GET", .target = "/", .headers = {{"Connection", "close"}}});
  receive("HTTP/1.1 200 OK|Content-Length: 1||a");
  EXPECT_TRUE(events_.close);
}

TEST_F(ClientTest, InterimResponsesAreSkippedAndBounded) {
  get();
  receive(
      "HTTP/1.1 100 Continue||HTTP/1.1 103 Early Hints|Link: x||HTTP/1.1 200 OK|"
      "Content-Length: 0||");
  EXPECT_EQ(outcome(), "200 ");
  std::string interims;
  for (size_t i = 0; i <= kInterimResponseCountMax; ++i) interims += "HTTP/1.1 100 Continue||";
  expect_error(interims, ErrorCode::kLimitExceeded);
}

TEST_F(ClientTest, DoubtfulFramingIsRefused) {
  for (const char* text :
       {"HTTP/1.1 200 OK|Content-Length: 3|Content-Length: 3||abc",
        "HTTP/1.1 200 OK|Content-Length: 3|Transfer-Encoding: chunked||0||",
        "HTTP/1.1 200 OK|Content-Length: +3||abc", "HTTP/1.1 200 OK|Transfer-Encoding: gzip||",
        "HTTP/1.1 200 OK|Transfer-Encoding: chunked||3\nabc|", "HTTP/1.1 200 OK|X: a| b||",
        "HTTP/1.1 200 OK\nX: a\n\n", "HTTP/1.1 101 Switching Protocols||", "HTTP/2.0 200 OK||",
        "HTTP/1.1 20 OK||", "HTTP/1.1 099 OK||", "garbage||"}) {
    expect_error(text, ErrorCode::kMalformed);
  }
}

TEST_F(ClientTest, BytesNobodyAskedForEndTheConnection) {
  receive("HTTP/1.1 200 OK|Content-Length: 0||");
  EXPECT_EQ(outcome(), "error 7");
  connection_ = ClientConnection();
  get();
  receive("HTTP/1.1 200 OK|Content-Length: 0||HTTP/1.1 200 OK|Content-Length: 0||");
  EXPECT_TRUE(events_.error);
  EXPECT_TRUE(connection_.closed());
}

TEST_F(ClientTest, LargeResponsesAreRefused) {
  expect_error("HTTP/1.1 200 OK|Content-Length: 101||", ErrorCode::kLimitExceeded);
  expect_error("HTTP/1.1 200 OK|Transfer-Encoding: chunked||65|", ErrorCode::kLimitExceeded);
  expect_error("HTTP/1.1 200 OK||" + std::string(101, 'x'), ErrorCode::kLimitExceeded);
  expect_error("HTTP/1.1 200 OK|X: " + std::string(kHeaderMax, 'x'), ErrorCode::kLimitExceeded);
}

TEST_F(ClientTest, SlowServerTimesOut) {
  get();
  EXPECT_EQ(connection_.next_deadline(), now_ + seconds(60));
  connection_.tick(now_ + seconds(59), events_);
  EXPECT_EQ(outcome(), "nothing");
  connection_.tick(now_ + seconds(60), events_);
  EXPECT_EQ(outcome(), "error 500008");
  EXPECT_TRUE(connection_.closed());
}

TEST_F(ClientTest, RequestsThatAreNotValidAreNotSent) {
  EXPECT_EQ(send({.method = "GE T", .target = "/"}), "refused");
  EXPECT_EQ(send({.method = "GET", .target = "/a b"}), "refused");
  EXPECT_EQ(send({.method = "GET", .target = "/a\r\nX: y"}), "refused");
  EXPECT_EQ(send({.method = "GET", .target = ""}), "refused");
  EXPECT_EQ(send({.method = "GET", .target = "/", .headers = {{"A", "b\r\nC: d"}}}), "refused");
  EXPECT_EQ(send({.method = "GET", .target = "/", .headers = {{"A B", "c"}}}), "refused");
  EXPECT_EQ(send({.method = "GET", .target = "/", .headers = {{"Host", "second"}}}), "refused");
  EXPECT_NE(get(), "refused");
}

TEST_F(ClientTest, TalksToTheServerEngine) {
  ServerConnection server(
      {.on_head = [](const Request&) { return size_t{100}; },
       .on_refusal = [](int status, std::string_view) { return Response{status, {}, ""}; }},
      now_);
  ServerEvents at_server;
  server.receive(send({.method = "POST", .target = "/x?y=z", .body = "ping"}), now_, at_server);
  ASSERT_TRUE(at_server.request);
  EXPECT_EQ(at_server.request->body, "ping");
  server.respond({201, {{"A", "b"}}, "pong"}, now_, at_server);
  connection_.receive(at_server.output, events_);
  EXPECT_EQ(outcome(), "201 pong");
  EXPECT_EQ(events_.response->headers.find("a"), "b");
}

}  // namespace
}  // namespace linarite::http
