#include "server/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <fstream>
#include <sstream>

#include "net/client.h"
#include "net/socket_address.h"

namespace linarite::server {
namespace {

using ::testing::HasSubstr;

class ServerTest : public ::testing::Test {
 protected:
  ServerTest() {
    char name[] = "/tmp/linarite_server_XXXXXX";
    root_ = mkdtemp(name);
    config_.data_directory = (root_ / "data").string();
    config_.mqtt_port = config_.amqp_port = config_.https_port = config_.admin_port = 0;
    config_.log_level = "error";
  }
  ~ServerTest() override {
    server_.reset();
    std::filesystem::remove_all(root_);
  }

  void start() {
    auto started = Server::start(config_, "1.2.3");
    ASSERT_TRUE(started) << started.error().message;
    server_ = std::move(*started);
  }
  std::string refusal() {
    const auto started = Server::start(config_, "1.2.3");
    return started ? "" : started.error().message;
  }
  wire::ControlFile control() {
    std::ifstream in(root_ / "data" / wire::kControlFileName);
    std::ostringstream text;
    text << in.rdbuf();
    const auto parsed = wire::parse_control_file(text.str());
    EXPECT_TRUE(parsed);
    return parsed.value_or(wire::ControlFile{});
  }
  bool control_file_exists() {
    return std::filesystem::exists(root_ / "data" / wire::kControlFileName);
  }

  // What the admin listener answers, head and body.
  std::string admin(const std::string& request_line) {
    const net::SocketAddress at = *net::SocketAddress::parse("127.0.0.1", control().admin_port);
    const net::Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::connect(socket.get(), at.raw(), at.size), 0);
    const std::string request =
        request_line +
        " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n"
        "Authorization: Bearer " +
        control().token + "\r\n\r\n";
    EXPECT_EQ(::send(socket.get(), request.data(), request.size(), 0),
              static_cast<ssize_t>(request.size()));
    std::string out;
    char part[4096];
    for (ssize_t got = 0; (got = ::recv(socket.get(), part, sizeof(part), 0)) > 0;) {
      out.append(part, static_cast<size_t>(got));
    }
    return out;
  }

  // Connects over TLS with the CA of the data directory; what went wrong, or empty.
  std::string handshake(uint16_t port, const std::string& name) {
    struct Ignore final : net::StreamHandler {
      void on_bytes(ByteView) override {}
      void on_closed(net::CloseReason) override {}
    };
    std::ifstream in(root_ / "data" / "ca.pem");
    std::ostringstream pem;
    pem << in.rdbuf();
    SystemClock clock;
    net::AsioLoop loop(clock, net::TimerDrive::kSystem);
    std::optional<std::string> result;
    loop.post([&] {
      net::connect(
          loop,
          {.host = "127.0.0.1",
           .port = port,
           .tls = *net::TlsClientContext::create({.roots_pem = pem.str()}),
           .tls_name = name},
          [&](net::Stream&) {
            result = "";
            return std::make_unique<Ignore>();
          },
          [&](Error error) { result = error.message; });
    });
    loop.run_until([&] { return result.has_value(); });
    return *result;
  }

  std::filesystem::path root_;
  Config config_;
  std::unique_ptr<Server> server_;
};

TEST_F(ServerTest, TellsTheCommandLineWhereItListens) {
  start();
  const wire::ControlFile found = control();
  EXPECT_EQ(found.host, "127.0.0.1");
  EXPECT_NE(found.mqtt_port, 0);
  EXPECT_NE(found.amqp_port, 0);
  EXPECT_NE(found.https_port, 0);
  EXPECT_NE(found.admin_port, 0);
  EXPECT_EQ(found.token.size(), 64U);
  EXPECT_EQ(found.pid, ::getpid());
  struct stat about{};
  ASSERT_EQ(::stat((root_ / "data" / wire::kControlFileName).c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777U, 0600U);
  ASSERT_EQ(::stat((root_ / "data").c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777U, 0700U);
  EXPECT_TRUE(server_->stop());
  EXPECT_FALSE(control_file_exists());
}

TEST_F(ServerTest, EveryPortSpeaksTlsForTheHubsNames) {
  config_.hosts = {"hub.test"};
  start();
  EXPECT_EQ(control().host, "hub.test");
  for (const uint16_t port : {control().mqtt_port, control().amqp_port, control().https_port}) {
    for (const char* name : {"hub.test", "localhost", "127.0.0.1"})
      EXPECT_EQ(handshake(port, name), "");
    EXPECT_THAT(handshake(port, "bank.test"), HasSubstr("ostname mismatch"));
  }
}

TEST_F(ServerTest, IsReadyHealthyAndMeasured) {
  start();
  EXPECT_THAT(admin("GET /livez"), HasSubstr("200"));
  EXPECT_THAT(admin("GET /readyz"), HasSubstr("200"));
  const std::string health = admin("GET /health");
  EXPECT_THAT(health, HasSubstr("\"status\":\"ok\""));
  EXPECT_THAT(health, HasSubstr("\"version\":\"1.2.3\""));
  EXPECT_THAT(health, HasSubstr("\"kind\":\"embedded\""));
  EXPECT_THAT(admin("GET /metrics"), HasSubstr("# TYPE linarite_"));
  EXPECT_THAT(admin("GET /ca.pem"), HasSubstr("BEGIN CERTIFICATE"));
}

TEST_F(ServerTest, ASecondOneOnTheSameDataIsRefused) {
  start();
  EXPECT_THAT(refusal(),
              HasSubstr("another linarite runs on the data directory " + config_.data_directory));
  EXPECT_TRUE(control_file_exists());
  config_.in_memory = true;
  EXPECT_THAT(refusal(), HasSubstr("another linarite runs"));
  EXPECT_THAT(admin("GET /readyz"), HasSubstr("200"));
}

TEST_F(ServerTest, APortInUseIsSaidAndNothingIsLeftBehind) {
  start();
  const uint16_t taken = control().https_port;
  Config first = config_;
  config_.data_directory = (root_ / "other").string();
  config_.https_port = taken;
  EXPECT_THAT(refusal(), HasSubstr("another program uses this port"));
  EXPECT_FALSE(std::filesystem::exists(root_ / "other" / wire::kControlFileName));
  config_.https_port = 0;
  EXPECT_EQ(refusal(), "");  // The failed start let go of the data directory.
}

TEST_F(ServerTest, StartsAgainOnItsOwnData) {
  start();
  const std::string ca = admin("GET /ca.pem");
  server_.reset();
  start();
  EXPECT_EQ(admin("GET /ca.pem").substr(ca.find("-----")), ca.substr(ca.find("-----")));
  EXPECT_EQ(handshake(control().mqtt_port, "localhost"), "");
}

TEST_F(ServerTest, AStoreWithAnotherNumberOfPartitionsIsRefused) {
  start();
  server_.reset();
  config_.partition_count = 8;
  EXPECT_THAT(refusal(), HasSubstr("partition"));
}

TEST_F(ServerTest, AManualClockMovesWhenToldAndASystemClockDoesNot) {
  config_.in_memory = true;
  start();
  EXPECT_THAT(admin("POST /clock/advance?by=60"), ::testing::Not(HasSubstr("HTTP/1.1 200")));
  server_.reset();
  config_.clock = "manual";
  start();
  EXPECT_THAT(admin("POST /clock/advance?by=60"), HasSubstr("HTTP/1.1 200"));
}

TEST_F(ServerTest, CertificatesOfTheOperatorAreUsedAndReadAgain) {
  const WallTime now = SystemClock().wall();
  const net::Validity validity{now - std::chrono::hours(1), now + std::chrono::hours(1)};
  const auto write_pair = [&](const net::HostNames& names) {
    const net::KeyPtr ca_key = net::make_p256_key();
    const net::X509Ptr ca = *net::make_ca(ca_key.get(), "own", names, validity);
    const net::KeyPtr key = net::make_p256_key();
    const net::X509Ptr leaf =
        *net::make_server_certificate(key.get(), names, validity, ca.get(), ca_key.get());
    std::ofstream(root_ / "hub.pem") << net::to_pem(leaf.get());
    std::ofstream(root_ / "hub.key") << net::to_pem(key.get());
    std::filesystem::create_directories(root_ / "data");
    std::ofstream(root_ / "data" / "ca.pem") << net::to_pem(ca.get());
  };
  config_.certificate_files = {(root_ / "hub.pem").string()};
  config_.key_files = {(root_ / "hub.key").string()};
  EXPECT_THAT(refusal(), HasSubstr("hub.pem"));
  write_pair({"own.test"});
  start();
  EXPECT_EQ(handshake(control().mqtt_port, "own.test"), "");
  write_pair({"new.test"});
  server_->renew_certificates();
  EXPECT_EQ(handshake(control().mqtt_port, "new.test"), "");
  std::ofstream(root_ / "hub.pem") << "damaged";
  server_->renew_certificates();
  EXPECT_EQ(handshake(control().https_port, "new.test"), "");
}

TEST_F(ServerTest, AnUnusableDataDirectoryIsNamed) {
  std::ofstream(root_ / "data") << "a file";
  EXPECT_THAT(refusal(), HasSubstr(config_.data_directory));
}

}  // namespace
}  // namespace linarite::server
