// Clients on a network that runs when told, with peers that the test makes.
#include <gmock/gmock.h>
#include <linarite/blocking.h>
#include <linarite/device_client.h>
#include <linarite/manual_network.h>

#include <boost/asio/io_context.hpp>

namespace linarite {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr const char* kDevice = "HostName=hub.test;DeviceId=d1;SharedAccessKey=AAAA";
constexpr std::string_view kConnAck{"\x20\x02\x00\x00", 4};

class ManualNetworkTest : public ::testing::Test {
 protected:
  class Peer final : public connection_peer {
   public:
    explicit Peer(std::string& seen) : seen_(seen) {}
    void on_bytes(std::string_view bytes) override { seen_ += bytes; }
    void on_closed(bool orderly) override { seen_ += orderly ? "<goodbye>" : "<reset>"; }

   private:
    std::string& seen_;
  };

  ManualNetworkTest()
      : network_({.start = wall_time(seconds(1'700'000'000)),
                  .random = [](std::span<std::byte> out) { std::ranges::fill(out, std::byte(1)); },
                  .connect = [this](const connect_request& request, client_end client,
                                    std::string& refusal) -> std::unique_ptr<connection_peer> {
                    asked_ = request.host + ":" + std::to_string(request.port);
                    if (!refusal_.empty()) {
                      refusal = refusal_;
                      return nullptr;
                    }
                    clients_.push_back(std::move(client));
                    return std::make_unique<Peer>(seen_);
                  }}) {}

  device_options options() {
    device_options out;
    out.network = network_.handle();
    out.log = [](log_level, std::string_view) {};
    return out;
  }
  void settle() {
    while (network_.run_one()) {
    }
    io_.restart();
    io_.poll();
  }
  // Starts to connect, and keeps how it went.
  void connect(device_client& client) {
    client.async_connect([this](error why) { result_ = std::move(why); });
    settle();
  }

  boost::asio::io_context io_;
  std::string asked_, refusal_, seen_;
  std::vector<client_end> clients_;
  std::optional<error> result_;
  manual_network network_;
};

TEST_F(ManualNetworkTest, AsksForAPeerAndHandsItTheBytes) {
  device_client client(io_.get_executor(), kDevice, options());
  connect(client);
  EXPECT_EQ(asked_, "hub.test:8883");
  EXPECT_THAT(seen_, StartsWith("\x10"));
  EXPECT_FALSE(result_);
  clients_[0].deliver(kConnAck.substr(0, 1));
  clients_[0].deliver(kConnAck.substr(1));
  seen_.clear();
  settle();
  EXPECT_THAT(seen_, StartsWith("\x82"));  // SUBSCRIBE: the CONNACK was read.
}

TEST_F(ManualNetworkTest, ARefusalIsWhatTheClientSays) {
  refusal_ = "No route to host";
  device_client client(io_.get_executor(), kDevice, options());
  connect(client);
  ASSERT_TRUE(result_);
  EXPECT_EQ(*result_, errc::connection_failed);
  EXPECT_THAT(result_->message(), HasSubstr("hub.test:8883: No route to host"));
}

TEST_F(ManualNetworkTest, ThePeersEndIsTheClientsFailure) {
  device_client client(io_.get_executor(), kDevice, options());
  connect(client);
  clients_[0].end(false);
  clients_[0].deliver(kConnAck);
  clients_[0].end(true);
  settle();
  ASSERT_TRUE(result_);
  EXPECT_EQ(*result_, errc::connection_failed);
  EXPECT_THAT(seen_, Not(HasSubstr("<")));
}

TEST_F(ManualNetworkTest, TheClientsEndIsToldToThePeerOnce) {
  {
    device_client client(io_.get_executor(), kDevice, options());
    connect(client);
    seen_.clear();
  }
  EXPECT_EQ(seen_, "<reset>");
  settle();
  clients_[0].deliver(kConnAck);
  settle();
  EXPECT_EQ(seen_, "<reset>");
}

TEST_F(ManualNetworkTest, TimeStandsStillUntilItIsMoved) {
  auto options = this->options();
  options.connect_timeout = seconds(5);
  device_client client(io_.get_executor(), kDevice, options);
  connect(client);
  ASSERT_TRUE(network_.next_timer());
  EXPECT_LE(*network_.next_timer(), seconds(5));
  network_.advance(seconds(5) - milliseconds(1));
  settle();
  EXPECT_FALSE(result_);
  network_.advance(milliseconds(1));
  EXPECT_EQ(network_.next_timer(), seconds(0));
  settle();
  ASSERT_TRUE(result_);
  EXPECT_EQ(*result_, errc::timed_out);
  EXPECT_EQ(network_.now(), wall_time(seconds(1'700'000'005)));
}

TEST_F(ManualNetworkTest, ABlockingCallThatNothingAnswersEnds) {
  blocking::device_client client(kDevice, options());
  try {
    client.connect();
    FAIL() << "nobody answered";
  } catch (const exception& failure) {
    EXPECT_EQ(failure.code(), errc::operation_aborted);
  }
  EXPECT_FALSE(client.receive());
}

TEST(ManualNetworkEndTest, ClientsMayOutliveIt) {
  boost::asio::io_context io;
  auto network = std::make_unique<manual_network>(manual_network_options{});
  device_options options;
  options.network = network->handle();
  device_client client(io.get_executor(), kDevice, options);
  std::optional<error> result;
  client.async_connect([&](error why) { result = std::move(why); });
  network.reset();
  io.poll();
  EXPECT_FALSE(result);
}

}  // namespace
}  // namespace linarite
