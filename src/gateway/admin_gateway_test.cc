#include "gateway/admin_gateway.h"

#include <gtest/gtest.h>
#include <prometheus/counter.h>
#include <prometheus/registry.h>

#include <vector>

#include "base/clock.h"
#include "base/manual_loop.h"
#include "gateway/http_test_stream.h"
#include "http/server_connection.h"

namespace linarite::gateway {
namespace {

constexpr const char* kToken = "0123456789abcdef";
const std::string kLocal = std::string("Host: localhost\r\nAuthorization: Bearer ") + kToken;

class AdminGatewayTest : public testing::Test {
 protected:
  AdminGatewayTest() {
    prometheus::BuildCounter().Name("linarite_test_total").Register(metrics_).Add({}).Increment();
  }

  AdminGateway::Parts parts() {
    return {.metrics = metrics_,
            .ready = [this] { return ready_; },
            .health_json = [] { return std::string("{\"version\":\"1\"}"); },
            .ca_certificate = "-----BEGIN CERTIFICATE-----\n",
            .hub = nullptr,
            .token = kToken,
            .advance_clock =
                [this](Duration by, Reply<> done) {
                  advanced_.push_back(by);
                  loop_.post([done = std::move(done)]() mutable { done(); });
                }};
  }
  // The status and body of the answer to a request line and headers.
  std::string ask(const std::string& line, const std::string& headers = kLocal) {
    return ask(AdminGateway(parts()), line, headers);
  }
  std::string ask(AdminGateway gateway, const std::string& line, const std::string& headers) {
    TestStream stream(loop_);
    stream.set_handler(gateway.accept(stream));
    stream.receive(line + " HTTP/1.1\r\n" + headers + "\r\n\r\n");
    loop_.run_until_idle();
    head_ = stream.take_sent();
    const size_t end = head_.find("\r\n\r\n");
    const std::string body = head_.substr(end + 4);
    stream.peer_closes();
    return head_.substr(9, 3) + " " + body;
  }

  ManualClock clock_{WallTime{}};
  ManualLoop loop_{clock_};
  prometheus::Registry metrics_;
  bool ready_ = true;
  std::vector<Duration> advanced_;
  std::string head_;  // The last response as bytes.
};

TEST_F(AdminGatewayTest, Pages) {
  EXPECT_EQ(ask("GET /livez"), "200 ok\n");
  EXPECT_EQ(ask("GET /readyz"), "200 ready\n");
  EXPECT_EQ(ask("GET /readyz/?verbose"), "200 ready\n");
  EXPECT_EQ(ask("GET /health"), "200 {\"version\":\"1\"}");
  EXPECT_EQ(ask("GET /ca.pem"), "200 -----BEGIN CERTIFICATE-----\n");
  EXPECT_EQ(ask("HEAD /livez"), "200 ");
  EXPECT_NE(ask("GET /metrics").find("# TYPE linarite_test_total counter\nlinarite_test_total 1"),
            std::string::npos);
  EXPECT_NE(head_.find("Content-Type: text/plain; version=0.0.4"), std::string::npos);
}

TEST_F(AdminGatewayTest, NotReady) {
  ready_ = false;
  EXPECT_EQ(ask("GET /livez"), "200 ok\n");
  EXPECT_EQ(ask("GET /readyz"), "503 not ready\n");
  EXPECT_EQ(ask("GET /health"), "503 {\"version\":\"1\"}");
}

TEST_F(AdminGatewayTest, PagesThatAreNotThere) {
  EXPECT_EQ(ask("GET /"), "404 there is no such page\n");
  EXPECT_EQ(ask("GET /Livez").substr(0, 3), "404");
  EXPECT_EQ(ask("GET /livez/../health").substr(0, 3), "400");
  EXPECT_EQ(ask("POST /livez").substr(0, 3), "405");
  EXPECT_NE(head_.find("Allow: GET\r\n"), std::string::npos);
  EXPECT_EQ(ask("GET /clock/advance?by=1").substr(0, 3), "405");
  auto without = parts();
  without.ca_certificate.clear();
  EXPECT_EQ(ask(AdminGateway(without), "GET /ca.pem", "Host: localhost").substr(0, 3), "404");
}

TEST_F(AdminGatewayTest, TheClockIsAdvancedAndThenAnswered) {
  EXPECT_EQ(ask("POST /clock/advance?by=3600"), "200 {\"advancedBySeconds\":3600}\n");
  EXPECT_EQ(ask("POST /clock/advance?by=0"), "200 {\"advancedBySeconds\":0}\n");
  EXPECT_EQ(advanced_, (std::vector<Duration>{std::chrono::hours(1), Duration{0}}));
}

TEST_F(AdminGatewayTest, AdvancesThatAreRefused) {
  for (const char* query : {"", "?by=", "?by=-1", "?by=1.5", "?by=1s", "?by=31622401",
                            "?by=99999999999999999999", "?seconds=1"}) {
    EXPECT_EQ(ask(std::string("POST /clock/advance") + query).substr(0, 3), "400") << query;
  }
  EXPECT_TRUE(advanced_.empty());
}

TEST_F(AdminGatewayTest, TheMachinesClockStays) {
  auto system = parts();
  system.advance_clock = nullptr;
  EXPECT_EQ(ask(AdminGateway(system), "POST /clock/advance?by=1", kLocal).substr(0, 3), "409");
}

// DNS rebinding: a name of an attacker's that resolves to 127.0.0.1 is still not ours.
TEST_F(AdminGatewayTest, OtherHostsAreRefused) {
  for (const char* host : {"localhost", "LOCALHOST:5300", "127.0.0.1", "127.0.0.1:5300",
                           "127.255.0.3:1", "[::1]", "[::1]:5300"}) {
    EXPECT_TRUE(is_loopback_host(host)) << host;
    EXPECT_EQ(ask("GET /livez", std::string("Host: ") + host), "200 ok\n") << host;
  }
  for (const char* host :
       {"", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "127.0.0.1@evil",
        "128.0.0.1", "127.0.0", "127.0.0.256", "127.0.0.1.1", "127.0.0.1:", "127.0.0.1:x",
        "0.0.0.0", "[::2]", "::1", "[::1", "localhost:99999", "127.0.0.1:5300:1"}) {
    EXPECT_FALSE(is_loopback_host(host)) << host;
    EXPECT_EQ(ask("GET /livez", std::string("Host: ") + host).substr(0, 3), "421") << host;
  }
  EXPECT_EQ(ask("GET http://evil.example/livez").substr(0, 3), "421");
  EXPECT_EQ(ask("GET http://127.0.0.1/livez"), "200 ok\n");
}

TEST_F(AdminGatewayTest, OtherOriginsAreRefused) {
  for (const char* origin : {"http://evil.example", "null", "https://localhost.evil", "http://"}) {
    EXPECT_EQ(ask("POST /clock/advance?by=1", kLocal + "\r\nOrigin: " + origin).substr(0, 3), "403")
        << origin;
  }
  EXPECT_TRUE(advanced_.empty());
  EXPECT_EQ(ask("GET /livez", "Host: localhost\r\nOrigin: http://localhost:5300"), "200 ok\n");
}

TEST_F(AdminGatewayTest, ABodyIsIgnoredAndBounded) {
  EXPECT_EQ(ask("POST /clock/advance?by=1", kLocal + "\r\nContent-Length: 0"),
            "200 {\"advancedBySeconds\":1}\n");
  EXPECT_EQ(ask("POST /clock/advance?by=1", kLocal + "\r\nContent-Length: 2000").substr(0, 3),
            "413");
}

}  // namespace
}  // namespace linarite::gateway
