// A device that loses its connection ten thousand times, and its hub a hundred times, keeps the one
// handler that was set at the start. Under ASan nothing that a connection held may be left.
#include <gtest/gtest.h>
#include <linarite/device_client.h>
#include <linarite/service_client.h>
#include <linarite/testing/in_process_hub.h>

#include <set>

namespace linarite::testing {
namespace {

constexpr int kReconnects = 10'000;
constexpr int kRestartEvery = 100;

class ReceivingDevice {
 public:
  ReceivingDevice(boost::asio::io_context& io, in_process_hub& hub)
      : client_(io.get_executor(), hub.device_connection_string("d1"), quiet(hub)) {
    client_.async_connect([](const error& why) { EXPECT_FALSE(why) << why.message(); });
    receive();
  }

  // How often each message came, by its id.
  const std::multiset<std::string>& received() const { return received_; }
  std::size_t undecided() const { return client_.undecided_messages(); }

 private:
  static device_options quiet(const in_process_hub& hub) {
    device_options out = hub.options_for_devices();
    out.log = [](log_level, std::string_view) {};
    return out;
  }
  void receive() {
    client_.async_receive([this](const error& why, received_message got) {
      if (why) return;
      received_.insert(got->message_id.value_or(""));
      client_.async_complete(std::move(got), [](const error&) {});
      receive();
    });
  }

  device_client client_;
  std::multiset<std::string> received_;
};

TEST(ReconnectSoakTest, TenThousandReconnectsLoseNoHandlerAndNoMessage) {
  boost::asio::io_context io;
  in_process_hub hub(io);
  ReceivingDevice device(io, hub);
  service_options how = hub.options_for_services();
  how.log = [](log_level, std::string_view) {};
  service_client service(io.get_executor(), hub.service_connection_string(), how);
  hub.settle();
  for (int i = 1; i <= kReconnects; ++i) {
    ASSERT_TRUE(hub.is_connected("d1")) << "before reconnect " << i;
    if (i % kRestartEvery == 0) {
      hub.restart();
    } else {
      hub.disconnect("d1");
    }
    hub.settle();
    ASSERT_FALSE(hub.is_connected("d1"));
    message what("body");
    what.message_id = std::to_string(i);
    service.async_send("d1", what, [](const error& why, const send_result&) {
      EXPECT_FALSE(why) << why.message();
    });
    const auto came = [&] { return device.received().size() >= static_cast<std::size_t>(i); };
    ASSERT_TRUE(hub.run_until(came, std::chrono::minutes(2))) << "after reconnect " << i;
    hub.settle();
  }
  EXPECT_EQ(std::set(device.received().begin(), device.received().end()).size(),
            static_cast<std::size_t>(kReconnects));
  EXPECT_EQ(device.received().size(), static_cast<std::size_t>(kReconnects)) << "one came twice";
  EXPECT_EQ(device.undecided(), 0U);
  EXPECT_TRUE(hub.queue("d1").empty());
}

}  // namespace
}  // namespace linarite::testing
