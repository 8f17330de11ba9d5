// Clients over real sockets and real threads: what the scripted network cannot show.
#include <gmock/gmock.h>
#include <linarite/blocking.h>

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/thread_pool.hpp>
#include <filesystem>
#include <fstream>
#include <latch>
#include <thread>

#include "base/logging.h"
#include "mqtt/connection.h"
#include "net/listener.h"
#include "net/test_peers.h"

namespace linarite::sdk {
namespace {

using ::testing::HasSubstr;

constexpr const char* kKey = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

// A hub that lets every device in and sends it one message.
class Greeter final : public net::StreamHandler, public mqtt::Events {
 public:
  Greeter(net::Stream& stream, std::atomic<int>& completed)
      : stream_(stream),
        completed_(completed),
        engine_(mqtt::Connection::Role::kServer, {}, stream.loop().clock().now()) {}

  void on_bytes(ByteView bytes) override {
    engine_.receive(bytes, stream_.loop().clock().now(), *this);
    stream_.send(engine_.output());
    engine_.clear_output();
    if (engine_.closed()) stream_.close();
  }
  void on_closed(net::CloseReason) override {}
  void on_connect(const mqtt::Connect& connect) override {
    id_ = connect.client_id;
    // A device with a certificate has no password, and the other way round.
    EXPECT_EQ(stream_.peer().client_certificate.empty(), connect.password.has_value());
    engine_.accept(false, stream_.loop().clock().now());
  }
  void on_subscribe(const mqtt::Subscribe& subscribe) override {
    engine_.suback(subscribe.packet_id, Bytes(1, 1));
    ASSERT_TRUE(engine_.publish({.topic = "devices/" + id_ + "/messages/devicebound/%24.to=x",
                                 .payload = "hello " + id_,
                                 .qos = mqtt::Qos::kAtLeastOnce}));
  }
  void on_puback(uint64_t) override { ++completed_; }
  void on_protocol_error(const Error& error) override { ADD_FAILURE() << error.message; }
  void on_timeout(Timeout) override {}

 private:
  net::Stream& stream_;
  std::atomic<int>& completed_;
  mqtt::Connection engine_;
  std::string id_;
};

class NetworkTest : public ::testing::Test {
 protected:
  NetworkTest() {
    loops_.start();
    net::ListenerOptions options;
    options.name = "mqtt";
    options.addresses = {"127.0.0.1"};
    options.tls = *net::TlsServerContext::create(net::testing::server_options());
    listener_ = *net::Listener::open(
        loops_, std::move(options), net::ConnectionBudget::create({1000, 0}),
        [this](net::Stream& stream) { return std::make_unique<Greeter>(stream, completed_); },
        log_);
    listener_->start();
  }
  ~NetworkTest() override {
    listener_.reset();
    loops_.stop();
  }
  device_identity identity(const std::string& id) const {
    device_identity out{.host_name = "hub.test", .device_id = id};
    out.credential = shared_access_key{.key = kKey};
    return out;
  }
  device_options options() const {
    device_options out;
    out.endpoint.host = "127.0.0.1";
    out.endpoint.port = listener_->port();
    out.endpoint.ca_pem = net::testing::client_options().roots_pem;
    out.log = [](log_level, std::string_view) {};
    return out;
  }

  SystemClock clock_;
  Logger log_ = Logger::none();
  net::LoopGroup loops_{1, clock_, net::TimerDrive::kSystem};
  std::unique_ptr<net::Listener> listener_;
  std::atomic<int> completed_{0};
};

TEST_F(NetworkTest, ABlockingDeviceReceivesOverTls) {
  blocking::device_client device(identity("d1"), options());
  device.connect();
  auto received = device.receive();
  ASSERT_TRUE(received);
  EXPECT_EQ(received->content().text(), "hello d1");
  device.complete(*std::move(received));
  device.close();
  EXPECT_EQ(device.state(), connection_state::closed);
  EXPECT_THROW(device.connect(), exception);
}

TEST_F(NetworkTest, AStopRequestEndsAWait) {
  blocking::device_client device(identity("d1"), options());
  std::stop_source stop;
  std::thread stopper([&] { stop.request_stop(); });
  EXPECT_FALSE(device.receive(stop.get_token()));
  stopper.join();
  EXPECT_FALSE(device.receive({}, std::chrono::milliseconds(0)));
}

TEST_F(NetworkTest, AnotherNameOrAnotherCaIsToldApart) {
  device_options chosen = options();
  device_identity other = identity("d1");
  other.host_name = "other.test";
  try {
    blocking::device_client(other, chosen).connect();
    FAIL() << "connected";
  } catch (const exception& failure) {
    EXPECT_EQ(failure.code(), errc::wrong_host_name);
    EXPECT_THAT(failure.what(), HasSubstr("HostName"));
  }
  const net::KeyPtr key = net::make_p256_key();
  const WallTime now = clock_.wall();
  const net::X509Ptr foreign =
      *net::make_ca(key.get(), "foreign CA", {"hub.test"},
                    {now - std::chrono::hours(1), now + std::chrono::hours(1)});
  chosen.endpoint.ca_pem = net::to_pem(foreign.get());
  try {
    blocking::device_client(identity("d1"), chosen).connect();
    FAIL() << "connected";
  } catch (const exception& failure) {
    EXPECT_EQ(failure.code(), errc::server_not_trusted);
    EXPECT_THAT(failure.what(), HasSubstr("SSL_CERT_FILE"));
  }
}

// Keeps a text in a file of its own for a test's time.
class TemporaryFile {
 public:
  TemporaryFile(const char* name, const std::string& text)
      : path_(std::filesystem::temp_directory_path() /
              (std::string(name) + std::to_string(::getpid()))) {
    std::ofstream(path_) << text;
  }
  ~TemporaryFile() { std::filesystem::remove(path_); }
  std::string path() const { return path_.string(); }

 private:
  const std::filesystem::path path_;
};

TEST_F(NetworkTest, ACertificateStandsInForAToken) {
  const auto& made = net::testing::TestCertificates::get().p256;
  const TemporaryFile chain("linarite-chain-", made.chain_pem);
  const TemporaryFile key("linarite-key-", made.key_pem);
  device_identity with = identity("d1");
  with.credential = client_certificate{.chain_file = chain.path(), .key_file = key.path()};
  blocking::device_client device(with, options());
  device.connect();
  EXPECT_TRUE(device.receive());

  with.credential = client_certificate{};
  try {
    blocking::device_client(with, options()).connect();
    FAIL() << "connected";
  } catch (const exception& failure) {
    EXPECT_EQ(failure.code(), errc::bad_local_file);
  }
}

class HandDrivenTime final : public time_source {
 public:
  std::chrono::microseconds monotonic() const override { return passed.load(); }
  wall_time wall() const override {
    return wall_time(std::chrono::seconds(1'700'000'000)) +
           std::chrono::duration_cast<std::chrono::milliseconds>(passed.load());
  }
  std::atomic<std::chrono::microseconds> passed{std::chrono::microseconds(1)};
};

TEST_F(NetworkTest, TheCallersClockAndRandomnessAreUsed) {
  const auto time = std::make_shared<HandDrivenTime>();
  std::atomic<int> filled{0};
  device_options chosen = options();
  chosen.network = network({.clock = time, .random = [&](std::span<std::byte> out) {
                              std::ranges::fill(out, std::byte{0});
                              ++filled;
                            }});
  chosen.endpoint.port = 1;  // Where nobody listens.
  chosen.reconnect = {.initial = std::chrono::seconds(10), .retry_first_connect = true};
  const network clock_of = *chosen.network;
  blocking::device_client device(identity("d1"), chosen);
  std::thread connecting([&] { EXPECT_THROW(device.connect(), exception); });
  EXPECT_EQ(device.next_state()->state, connection_state::connecting);
  const auto waiting = device.next_state();
  EXPECT_EQ(waiting->state, connection_state::waiting);
  EXPECT_EQ(waiting->reason, errc::connection_failed);
  EXPECT_EQ(waiting->when, time->wall());
  EXPECT_GT(filled.load(), 0);
  time->passed.store(std::chrono::seconds(11));
  clock_of.run_due_timers();
  const auto again = device.next_state();
  EXPECT_EQ(again->state, connection_state::connecting);
  EXPECT_EQ(again->attempt, 2U);
  device.close();
  connecting.join();
}

TEST_F(NetworkTest, ManyClientsShareTheThreadsOfTheirNetwork) {
  constexpr int kClients = 200;
  device_options chosen = options();
  chosen.network = network({.threads = 2});
  boost::asio::thread_pool pool(2);
  std::latch received(kClients);
  {
    std::vector<std::unique_ptr<device_client>> clients;
    for (int i = 0; i < kClients; ++i) {
      clients.push_back(std::make_unique<device_client>(pool.get_executor(),
                                                        identity("d" + std::to_string(i)), chosen));
      device_client& client = *clients.back();
      client.async_connect([](const error& why) { EXPECT_FALSE(why) << why.message(); });
      client.async_receive([&](const error& why, received_message message) {
        EXPECT_FALSE(why) << why.message();
        client.async_complete(std::move(message), [&](const error& failure) {
          EXPECT_FALSE(failure) << failure.message();
          received.count_down();
        });
      });
    }
    received.wait();
  }
  pool.join();
}

TEST_F(NetworkTest, ClientsMayBeUsedAndDestroyedFromManyThreads) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([this, i] {
      for (int round = 0; round < 10; ++round) {
        blocking::device_client device(identity("t" + std::to_string(i)), options());
        device.connect();
        std::thread other([&] { device.receive({}, std::chrono::milliseconds(1)); });
        const auto received = device.receive({}, std::chrono::milliseconds(1));
        other.join();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(NetworkTest, TheSharedNetworkEndsWithItsLastClient) {
  const std::weak_ptr<Network> first = network::shared().implementation();
  EXPECT_TRUE(first.expired());
  blocking::device_client device(identity("d1"), options());
  EXPECT_EQ(network::shared().implementation(), network::shared().implementation());
}

}  // namespace
}  // namespace linarite::sdk
