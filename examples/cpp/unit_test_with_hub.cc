// A unit test of a program that talks to an IoT hub: with a whole hub in the test, and no socket,
// no thread and no sleep. Hours pass in milliseconds.
#include <gtest/gtest.h>
#include <linarite/device_client.h>
#include <linarite/feedback.h>
#include <linarite/service_client.h>
#include <linarite/testing/in_process_hub.h>

using boost::asio::awaitable;
using boost::asio::use_awaitable;
using namespace std::chrono_literals;

// The program under test: rings an alarm at a device, and again if nobody heard it in time.
awaitable<int> ring_until_heard(linarite::service_client& service, std::string device) {
  linarite::feedback_receiver feedback(service);
  for (int attempt = 1;; ++attempt) {
    linarite::message alarm("fire");
    alarm.message_id = "alarm-" + std::to_string(attempt);
    alarm.ack = linarite::feedback_request::full;
    co_await service.async_send(device, alarm, use_awaitable);
    linarite::feedback_record record;
    do {
      auto batch = co_await feedback.async_receive(use_awaitable);
      record = batch.records().front();
      co_await feedback.async_accept(std::move(batch), use_awaitable);
    } while (record.message_id != alarm.message_id);
    if (record.status == linarite::feedback_status::success) co_return attempt;
  }
}

TEST(AlarmTest, RingsAgainUntilTheDeviceIsBack) {
  boost::asio::io_context io;
  linarite::testing::in_process_hub hub(io, {.default_ttl = 1h});
  linarite::device_client device(io.get_executor(), hub.device_connection_string("siren"),
                                 hub.options_for_devices());
  linarite::service_client service(io.get_executor(), hub.service_connection_string("service"),
                                   hub.options_for_services());
  int attempts = 0;
  boost::asio::co_spawn(io, ring_until_heard(service, "siren"),
                        [&](std::exception_ptr, int count) { attempts = count; });

  hub.advance(150min);  // The device is away: two alarms expire.
  EXPECT_EQ(hub.journey_text("alarm-1"), "enqueued, expired, feedback");
  EXPECT_EQ(hub.journey_text("alarm-2"), "enqueued, expired, feedback");

  hub.run(device.async_connect(use_awaitable));
  auto received = hub.run(device.async_receive(use_awaitable));
  EXPECT_EQ(received->text(), "fire");
  EXPECT_EQ(attempts, 0);
  hub.run(device.async_complete(std::move(received), use_awaitable));
  EXPECT_EQ(attempts, 3);
  EXPECT_EQ(hub.journey_text("alarm-3"), "enqueued, delivered, completed, feedback");
}
