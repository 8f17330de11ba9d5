#include "http/server_connection.h"

#include <gtest/gtest.h>

namespace linarite::http {
namespace {

using std::chrono::seconds;

// One connection whose server takes bodies of up to 100 bytes, refuses /denied with 401 at the
// head, and answers refusals with the reason as text. Lines of a head are written with '|' for
// CRLF.
class ServerTest : public testing::Test {
 protected:
  static std::string wire(std::string_view text) {
    std::string out;
    for (const char c : text) {
      if (c == '|') {
        out += "\r\n";
      } else {
        out += c;
      }
    }
    return out;
  }

  void send(std::string_view text) { receive(wire(text)); }
  void receive(ByteView bytes) {
    events_ = {};
    connection_.receive(bytes, now_, events_);
  }
  void respond(int status, std::string body = {}) {
    events_ = {};
    connection_.respond({.status = status, .headers = {}, .body = std::move(body)}, now_, events_);
  }
  void pass(Duration time) {
    now_ += time;
    events_ = {};
    connection_.tick(now_, events_);
  }

  std::string output() const { return events_.output; }
  bool closed() const { return events_.close; }
  // Method, target and body of the request that came out, or "none".
  std::string request() const {
    if (!events_.request) return "none";
    std::string text = events_.request->method + " " + events_.request->target;
    return events_.request->body.empty() ? text : text + " " + events_.request->body;
  }
  // The status answered, 0 for no output.
  int status() const {
    return events_.output.size() < 12 ? 0 : std::stoi(events_.output.substr(9, 3));
  }
  // A fresh connection gets `text`: it must answer `status`, hand out nothing, and say close.
  void expect_refused(std::string_view text, int expected, bool at_once = true) {
    connection_ = make();
    receive(text);
    EXPECT_EQ(status(), expected) << text;
    EXPECT_EQ(request(), "none") << text;
    EXPECT_NE(output().find("Connection: close\r\n"), std::string::npos) << text;
    EXPECT_EQ(closed(), at_once) << text;
    // Whatever follows is not read as a request.
    receive("GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n");
    EXPECT_EQ(request(), "none") << text;
    EXPECT_EQ(output(), "") << text;
  }
  void refused(std::string_view text, int expected = 400) { expect_refused(wire(text), expected); }

  ServerConnection make() {
    return ServerConnection({.on_head = [](const Request& head) -> std::expected<size_t, Response> {
                               if (head.target == "/denied")
                                 return std::unexpected(Response{401, {}, "no"});
                               return 100;
                             },
                             .on_refusal =
                                 [](int status, std::string_view reason) {
                                   return Response{status, {}, std::string(reason)};
                                 }},
                            now_);
  }

  Instant now_{seconds(1000)};
  ServerEvents events_;
  ServerConnection connection_ = make();
};

TEST_F(ServerTest, GetIsHandedOutAndAnswered) {
  send("GET /devices?top=5 HTTP/1.1|Host: hub|Accept: */*||");
  EXPECT_EQ(request(), "GET /devices?top=5");
  EXPECT_EQ(events_.request->headers.find("accept"), "*/*");
  EXPECT_FALSE(connection_.wants_input());
  respond(200, "[]");
  EXPECT_EQ(output(), wire("HTTP/1.1 200 OK|Content-Length: 2||[]"));
  EXPECT_FALSE(closed());
  EXPECT_TRUE(connection_.wants_input());
}

TEST_F(ServerTest, BytesMayComeOneByOne) {
  const std::string text = wire("PUT /a HTTP/1.1|Host: h|Content-Length: 3||abc");
  for (size_t i = 0; i + 1 < text.size(); ++i) {
    receive(text.substr(i, 1));
    EXPECT_EQ(request(), "none");
  }
  receive(text.substr(text.size() - 1));
  EXPECT_EQ(request(), "PUT /a abc");
}

TEST_F(ServerTest, ChunkedBodyIsJoined) {
  send("POST /a HTTP/1.1|Host: h|Transfer-Encoding: Chunked||3;a=b|abc|0A|0123456789|0|X: y||");
  EXPECT_EQ(request(), "POST /a abc0123456789");
  EXPECT_EQ(events_.request->headers.find("X"), std::nullopt);
}

TEST_F(ServerTest, ChunkedBodyByteByByte) {
  const std::string text =
      wire("POST /a HTTP/1.1|Host: h|Transfer-Encoding: chunked||3|abc|1|d|0||");
  for (size_t i = 0; i + 1 < text.size(); ++i) {
    receive(text.substr(i, 1));
    EXPECT_EQ(request(), "none");
  }
  receive(text.substr(text.size() - 1));
  EXPECT_EQ(request(), "POST /a abcd");
}

TEST_F(ServerTest, PipelinedRequestsAreAnsweredInOrderOneAtATime) {
  send("GET /1 HTTP/1.1|Host: h||GET /2 HTTP/1.1|Host: h||GET /3 HTTP/1.1|Ho");
  EXPECT_EQ(request(), "GET /1");
  receive("st: h\r\n");
  EXPECT_EQ(request(), "none");
  respond(200, "one");
  EXPECT_EQ(output(), wire("HTTP/1.1 200 OK|Content-Length: 3||one"));
  EXPECT_EQ(request(), "GET /2");
  respond(204);
  EXPECT_EQ(output(), wire("HTTP/1.1 204 No Content||"));
  EXPECT_EQ(request(), "none");
  send("|");
  EXPECT_EQ(request(), "GET /3");
}

TEST_F(ServerTest, WhatComesWhileARequestWaitsIsBounded) {
  send("GET /1 HTTP/1.1|Host: h||");
  receive(std::string(kUnreadMax, 'x'));
  EXPECT_FALSE(closed());
  receive("x");
  EXPECT_TRUE(closed());
  respond(200);
  EXPECT_EQ(output(), "");
}

TEST_F(ServerTest, ConnectionCloseIsHonoured) {
  send("GET / HTTP/1.1|Host: h|Connection: TE, Close||");
  respond(200, "x");
  EXPECT_EQ(output(), wire("HTTP/1.1 200 OK|Connection: close|Content-Length: 1||x"));
  EXPECT_TRUE(closed());
}

TEST_F(ServerTest, ResponseMayCloseTheConnection) {
  send("GET / HTTP/1.1|Host: h||GET /next HTTP/1.1|Host: h||");
  events_ = {};
  connection_.respond({503, {{"Connection", "close"}}, ""}, now_, events_);
  EXPECT_EQ(output(),
            wire("HTTP/1.1 503 Service Unavailable|Connection: close|Content-Length: 0||"));
  EXPECT_TRUE(closed());
  EXPECT_EQ(request(), "none");
}

TEST_F(ServerTest, AnUpgradeHandsOverWhatCameBehindTheRequest) {
  send("GET /ws HTTP/1.1|Host: h|Connection: Upgrade|Upgrade: websocket||first frame");
  EXPECT_EQ(request(), "GET /ws");
  receive(", second frame");
  events_ = {};
  const Bytes behind =
      connection_.upgrade({101, {{"Upgrade", "websocket"}}, "no body in a 101"}, events_);
  EXPECT_EQ(behind, "first frame, second frame");
  EXPECT_EQ(output(), wire("HTTP/1.1 101 Switching Protocols|Upgrade: websocket|"
                           "Connection: Upgrade||"));
  receive("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(request(), "none");
}

// RFC 9110, 15.
TEST_F(ServerTest, EachStatusHasItsReason) {
  const std::pair<int, const char*> statuses[] = {{200, "OK"},
                                                  {201, "Created"},
                                                  {202, "Accepted"},
                                                  {204, "No Content"},
                                                  {304, "Not Modified"},
                                                  {400, "Bad Request"},
                                                  {401, "Unauthorized"},
                                                  {403, "Forbidden"},
                                                  {404, "Not Found"},
                                                  {405, "Method Not Allowed"},
                                                  {408, "Request Timeout"},
                                                  {409, "Conflict"},
                                                  {411, "Length Required"},
                                                  {412, "Precondition Failed"},
                                                  {413, "Content Too Large"},
                                                  {414, "URI Too Long"},
                                                  {415, "Unsupported Media Type"},
                                                  {417, "Expectation Failed"},
                                                  {421, "Misdirected Request"},
                                                  {426, "Upgrade Required"},
                                                  {429, "Too Many Requests"},
                                                  {431, "Request Header Fields Too Large"},
                                                  {500, "Internal Server Error"},
                                                  {501, "Not Implemented"},
                                                  {503, "Service Unavailable"},
                                                  {504, "Gateway Timeout"},
                                                  {505, "HTTP Version Not Supported"},
                                                  {599, "Unknown"}};
  for (const auto& [status, reason] : statuses) {
    send("GET / HTTP/1.1|Host: h||");
    respond(status);
    const std::string line = "HTTP/1.1 " + std::to_string(status) + " " + reason + "\r\n";
    EXPECT_EQ(output().substr(0, line.size()), line);
  }
}

TEST_F(ServerTest, Http10IsAnsweredAndClosed) {
  send("GET / HTTP/1.0|Connection: keep-alive||");
  EXPECT_EQ(request(), "GET /");
  respond(200);
  EXPECT_TRUE(closed());
  EXPECT_NE(output().find("Connection: close"), std::string::npos);
}

TEST_F(ServerTest, HeadIsAnsweredWithoutABody) {
  send("HEAD / HTTP/1.1|Host: h||GET / HTTP/1.1|Host: h||");
  respond(200, "text");
  EXPECT_EQ(output(), wire("HTTP/1.1 200 OK|Content-Length: 4||"));
  respond(200, "text");
  EXPECT_EQ(output(), wire("HTTP/1.1 200 OK|Content-Length: 4||text"));
}

TEST_F(ServerTest, ExpectContinueIsAnsweredAtOnce) {
  send("PUT /a HTTP/1.1|Host: h|Expect: 100-Continue|Content-Length: 2||");
  EXPECT_EQ(output(), wire("HTTP/1.1 100 Continue||"));
  EXPECT_EQ(request(), "none");
  send("ab");
  EXPECT_EQ(request(), "PUT /a ab");
}

TEST_F(ServerTest, ExpectContinueForABodyThatIsTooLargeIsRefusedAtOnce) {
  send("PUT /a HTTP/1.1|Host: h|Expect: 100-continue|Content-Length: 101||");
  EXPECT_EQ(status(), 413);
  EXPECT_EQ(output().find("100 Continue"), std::string::npos);
}

TEST_F(ServerTest, UnknownExpectationIsRefused) {
  send("PUT /a HTTP/1.1|Host: h|Expect: magic|Content-Length: 2||");
  EXPECT_EQ(status(), 417);
}

TEST_F(ServerTest, Http10ExpectationIsIgnored) {
  send("PUT /a HTTP/1.0|Expect: 100-continue|Content-Length: 2||ab");
  EXPECT_EQ(output(), "");
  EXPECT_EQ(request(), "PUT /a ab");
}

TEST_F(ServerTest, BodyOfTheLimitPassesAndOneMoreByteDoesNot) {
  send("PUT /a HTTP/1.1|Host: h|Content-Length: 100||" + std::string(100, 'x'));
  EXPECT_EQ(events_.request->body.size(), 100U);
  expect_refused(wire("PUT /a HTTP/1.1|Host: h|Content-Length: 101||"), 413, false);
  const std::string chunked = "PUT /a HTTP/1.1|Host: h|Transfer-Encoding: chunked||";
  connection_ = make();
  send(chunked + "64|" + std::string(100, 'x') + "|0||");
  EXPECT_EQ(events_.request->body.size(), 100U);
  // Refused by the size of the chunk, before its content has come.
  expect_refused(wire(chunked + "65|"), 413, false);
  expect_refused(wire(chunked + "64|" + std::string(100, 'x') + "|1|"), 413, false);
}

TEST_F(ServerTest, RefusalAtTheHeadKeepsTheConnectionIfThereIsNoBody) {
  send("GET /denied HTTP/1.1|Host: h||GET /ok HTTP/1.1|Host: h||");
  EXPECT_EQ(output(), wire("HTTP/1.1 401 Unauthorized|Content-Length: 2||no"));
  EXPECT_EQ(request(), "GET /ok");
  EXPECT_FALSE(closed());
}

TEST_F(ServerTest, RefusalAtTheHeadDropsTheBodyThenCloses) {
  send("PUT /denied HTTP/1.1|Host: h|Content-Length: 50||" + std::string(20, 'x'));
  EXPECT_EQ(status(), 401);
  EXPECT_NE(output().find("Connection: close"), std::string::npos);
  EXPECT_FALSE(closed());
  receive(std::string(30, 'x'));
  EXPECT_EQ(output(), "");
  pass(kDrainTime - std::chrono::milliseconds(1));
  EXPECT_FALSE(closed());
  pass(std::chrono::milliseconds(1));
  EXPECT_TRUE(closed());
  EXPECT_EQ(output(), "");
}

TEST_F(ServerTest, DrainIsBoundedInBytes) {
  send("PUT /denied HTTP/1.1|Host: h|Content-Length: 50||");
  receive(std::string(kDrainMax, 'x'));
  EXPECT_FALSE(closed());
  receive("x");
  EXPECT_TRUE(closed());
}

// reliability.md 3.3, smuggling: any doubt about framing is 400 and close.

TEST_F(ServerTest, BothLengthsAreRefused) {
  refused("POST / HTTP/1.1|Host: h|Content-Length: 3|Transfer-Encoding: chunked||0||");
  refused("POST / HTTP/1.1|Host: h|Transfer-Encoding: chunked|Content-Length: 3||0||");
}

TEST_F(ServerTest, DuplicateContentLengthIsRefused) {
  refused("POST / HTTP/1.1|Host: h|Content-Length: 3|Content-Length: 4||abc");
  refused("POST / HTTP/1.1|Host: h|Content-Length: 3|Content-Length: 3||abc");
  refused("POST / HTTP/1.1|Host: h|Content-Length: 3, 3||abc");
}

TEST_F(ServerTest, UnusualContentLengthIsRefused) {
  for (const char* value : {"+3", "-3", "", "3 4", "0x3", "3.", "three", "18446744073709551616",
                            "99999999999999999999999999"}) {
    refused(std::string("POST / HTTP/1.1|Host: h|Content-Length: ") + value + "||abc");
  }
}

TEST_F(ServerTest, LargestContentLengthIsOnlyTooLarge) {
  expect_refused(wire("POST / HTTP/1.1|Host: h|Content-Length: 18446744073709551615||"), 413,
                 false);
}

TEST_F(ServerTest, TransferCodingsOtherThanOneChunkedAreRefused) {
  for (const char* value : {"chunked, chunked", "gzip, chunked", "chunked, gzip", "identity",
                            "gzip", "", "xchunked", "chunked;q=1", "\"chunked\""}) {
    refused(std::string("POST / HTTP/1.1|Host: h|Transfer-Encoding: ") + value + "||0||");
  }
  refused("POST / HTTP/1.1|Host: h|Transfer-Encoding: chunked|Transfer-Encoding: chunked||0||");
  refused("POST / HTTP/1.0|Host: h|Transfer-Encoding: chunked||0||");
}

TEST_F(ServerTest, FoldedHeaderIsRefused) {
  refused("GET / HTTP/1.1|Host: h|X: a| b||");
  refused("GET / HTTP/1.1|Host: h|X: a|\tb||");
  refused("GET / HTTP/1.1| Host: h||");
}

TEST_F(ServerTest, BareLineFeedAndBareReturnAreRefused) {
  refused("GET / HTTP/1.1\nHost: h\n\n");
  refused("GET / HTTP/1.1|Host: h\nX: y||");
  refused("GET / HTTP/1.1|Host: h\rX: y||");
}

TEST_F(ServerTest, SpaceAroundTheFieldNameIsRefused) {
  refused("GET / HTTP/1.1|Host : h||");
  refused("POST / HTTP/1.1|Host: h|Content-Length : 3||abc");
  refused("POST / HTTP/1.1|Host: h|Transfer-Encoding\t: chunked||0||");
  refused("GET / HTTP/1.1|Host: h|: value||");
  refused("GET / HTTP/1.1|Host: h|no colon||");
}

TEST_F(ServerTest, ControlCharactersInTheHeadAreRefused) {
  expect_refused(wire("GET / HTTP/1.1|Host: h|X: a") + std::string(1, '\0') + "b\r\n\r\n", 400);
  refused("GET / HTTP/1.1|Host: h|X: a\x7F||");
  refused("GET / HTTP/1.1|Host: h|X: \x1B[31m||");
}

TEST_F(ServerTest, TlsBytesOnAPlainPortAreRefusedAtTheFirstByte) { refused("\x16\x03\x01"); }

TEST_F(ServerTest, BrokenChunksAreRefused) {
  const std::string head = "POST / HTTP/1.1|Host: h|Transfer-Encoding: chunked||";
  for (const char* chunks : {"g|",
                             "|",
                             " 3|abc|",
                             "3 |abc|",
                             "-1|",
                             "+3|abc|",
                             "0x3|abc|",
                             "3|abcd|",
                             "3|abc0||",
                             "3\nabc|",
                             "3;a=\"\n\"|abc|",
                             "3;a\rb|abc|",
                             "3 ;a=b|abc|",
                             "100000000|",
                             "000000001|",
                             "ffffffffffffffff|",
                             "0|no colon||",
                             "0| folded: x||",
                             "0|: x||",
                             "0|X: a\nY: b||"}) {
    refused(head + chunks);
  }
}

TEST_F(ServerTest, ChunkLinesAndTrailersAreBounded) {
  const std::string head = "POST / HTTP/1.1|Host: h|Transfer-Encoding: chunked||";
  send(head + "1;" + std::string(kChunkLineMax - 2, 'e') + "|a|0||");
  EXPECT_EQ(request(), "POST / a");
  refused(head + "1;" + std::string(kChunkLineMax, 'e'));
  std::string trailers;
  for (size_t i = 0; i < kTrailerCountMax; ++i) trailers += "X: y|";
  connection_ = make();
  send(head + "0|" + trailers + "|");
  EXPECT_EQ(request(), "POST /");
  refused(head + "0|" + trailers + "X: y||");
}

TEST_F(ServerTest, HostIsRequiredOnce) {
  refused("GET / HTTP/1.1|Accept: */*||");
  refused("GET / HTTP/1.1|Host: a|Host: b||");
  refused("GET / HTTP/1.0|Host: a|Host: b||");
}

TEST_F(ServerTest, MalformedRequestLinesAreRefused) {
  for (const char* line : {"GET /", "GET  / HTTP/1.1", "GET / HTTP/1.1 ", " GET / HTTP/1.1", "",
                           "G@T / HTTP/1.1", "GET /a b HTTP/1.1", "/ HTTP/1.1"}) {
    connection_ = make();
    send(std::string(line) + "|Host: h||");
    EXPECT_GE(status(), 400) << line;
    EXPECT_TRUE(closed()) << line;
    EXPECT_EQ(request(), "none") << line;
  }
}

TEST_F(ServerTest, OtherVersionsAreRefused) {
  refused("GET / HTTP/2.0|Host: h||", 505);
  refused("GET / HTTP/1.2|Host: h||", 505);
  refused("GET / HTTP/0.9|Host: h||", 505);
  refused("PRI * HTTP/2.0||SM||", 505);
}

// reliability.md 3.3, limits.

TEST_F(ServerTest, RequestLineIsBounded) {
  const std::string fixed = "GET / HTTP/1.1";
  const std::string longest =
      "GET /" + std::string(kStartLineMax - fixed.size(), 'a') + " HTTP/1.1";
  send(longest + "|Host: h||");
  EXPECT_TRUE(events_.request);
  // Refused while it arrives, without waiting for its end.
  expect_refused("GET /" + std::string(kStartLineMax + 3, 'a'), 414, false);
}

TEST_F(ServerTest, OneHeaderIsBounded) {
  const std::string fixed = "X: ";
  send("GET / HTTP/1.1|Host: h|X: " + std::string(kHeaderMax - fixed.size(), 'a') + "||");
  EXPECT_TRUE(events_.request);
  expect_refused(wire("GET / HTTP/1.1|Host: h|X: ") + std::string(kHeaderMax, 'a'), 431, false);
}

TEST_F(ServerTest, HeaderCountIsBounded) {
  std::string headers = "Host: h|";
  for (size_t i = 1; i < kHeaderCountMax; ++i) headers += "X: y|";
  send("GET / HTTP/1.1|" + headers + "|");
  EXPECT_EQ(events_.request->headers.size(), kHeaderCountMax);
  expect_refused(wire("GET / HTTP/1.1|" + headers + "X: y|"), 431, false);
}

TEST_F(ServerTest, HeadersTogetherAreBounded) {
  std::string headers = "Host: h|";
  while (headers.size() + 8000 < kHeadersMax) headers += "X: " + std::string(7900, 'a') + "|";
  send("GET / HTTP/1.1|" + headers + "|");
  EXPECT_TRUE(events_.request);
  expect_refused(wire("GET / HTTP/1.1|" + headers + "X: " + std::string(7900, 'a') + "|"), 431,
                 false);
}

TEST_F(ServerTest, FirstHeadIsDueTenSecondsAfterTheConnectionOpened) {
  EXPECT_EQ(connection_.next_deadline(), now_ + kHeadTime);
  pass(kHeadTime - seconds(1));
  EXPECT_FALSE(closed());
  pass(seconds(1));
  EXPECT_TRUE(closed());
  EXPECT_EQ(output(), "");
}

TEST_F(ServerTest, SlowHeadIsAnswered408) {
  send("GET / HTTP/1.1|");
  for (int i = 0; i < 9; ++i) {
    pass(seconds(1));
    send("X: y|");
  }
  EXPECT_FALSE(closed());
  pass(seconds(1));
  EXPECT_EQ(status(), 408);
  EXPECT_TRUE(closed());
}

TEST_F(ServerTest, SlowBodyIsAnswered408) {
  send("PUT / HTTP/1.1|Host: h|Content-Length: 90||");
  for (int i = 0; i < 29; ++i) {
    pass(seconds(1));
    send("x");
  }
  EXPECT_FALSE(closed());
  pass(seconds(1));
  EXPECT_EQ(status(), 408);
  EXPECT_TRUE(closed());
}

TEST_F(ServerTest, IdleConnectionIsClosedWithoutAWord) {
  send("GET / HTTP/1.1|Host: h||");
  EXPECT_EQ(connection_.next_deadline(), std::nullopt);
  pass(kIdleTime * 3);
  EXPECT_FALSE(closed());
  respond(200);
  EXPECT_TRUE(connection_.idle());
  EXPECT_EQ(connection_.next_deadline(), now_ + kIdleTime);
  pass(kIdleTime);
  EXPECT_TRUE(closed());
  EXPECT_EQ(output(), "");
}

TEST_F(ServerTest, NextHeadHasItsOwnDeadline) {
  send("GET / HTTP/1.1|Host: h||");
  respond(200);
  pass(seconds(100));
  send("G");
  EXPECT_EQ(connection_.next_deadline(), now_ + kHeadTime);
}

// Boost.Beast, Shielder's audit of 2024, finding 1: field values set by the program.

TEST_F(ServerTest, ResponseFieldsCannotEndTheirLine) {
  send("GET / HTTP/1.1|Host: h||");
  events_ = {};
  Response response{200, {}, "x"};
  response.headers.add("A", std::string("1\r\nSet-Cookie: evil\r\n\r\n") + '\0' + "2");
  response.headers.add("B\r\nC", "dropped");
  response.headers.add("Content-Length", "77");
  response.headers.add("Transfer-Encoding", "chunked");
  connection_.respond(response, now_, events_);
  EXPECT_EQ(output(), wire("HTTP/1.1 200 OK|A: 1Set-Cookie: evil2|Content-Length: 1||x"));
}

TEST_F(ServerTest, NothingHappensAfterClose) {
  refused("bad||");
  pass(kIdleTime * 2);
  EXPECT_FALSE(closed());
  EXPECT_EQ(output(), "");
}

}  // namespace
}  // namespace linarite::http
