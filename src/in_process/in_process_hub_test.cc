// The C++ clients against the hub in the process, end to end: what a program sees, what the hub
// did.
#include <gmock/gmock.h>
#include <linarite/blocking.h>
#include <linarite/device_client.h>
#include <linarite/feedback.h>
#include <linarite/service_client.h>
#include <linarite/testing/in_process_hub.h>

#include <boost/asio/as_tuple.hpp>

namespace linarite::testing {
namespace {

using boost::asio::awaitable;
using boost::asio::use_awaitable;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Property;

constexpr auto as_tuple = boost::asio::as_tuple(use_awaitable);

message text_message(std::string id, feedback_request ack = feedback_request::full) {
  message out("body of " + id);
  out.message_id = std::move(id);
  out.ack = ack;
  return out;
}

// Under several seeds: what a test expects is true in every order.
class InProcessHubTest : public ::testing::TestWithParam<std::uint64_t> {
 protected:
  explicit InProcessHubTest(in_process_hub_options options = {})
      : hub_(io_, (options.seed = GetParam(), std::move(options))) {}

  device_client device(const std::string& id) {
    auto options = hub_.options_for_devices();
    options.transport = transport_;
    options.log = [this](log_level, std::string_view line) { log_ += std::string(line) + "\n"; };
    return {io_.get_executor(), hub_.device_connection_string(id), std::move(options)};
  }
  service_client service(
      service_options::lost_outcome lost = service_options::lost_outcome::report) {
    auto options = hub_.options_for_services();
    options.transport = transport_;
    options.log = [this](log_level, std::string_view line) { log_ += std::string(line) + "\n"; };
    options.when_outcome_is_lost = lost;
    return {io_.get_executor(), hub_.service_connection_string(), std::move(options)};
  }
  send_result send(service_client& to, const std::string& device_id, message what,
                   in_process_hub::duration within = seconds(0)) {
    return hub_.run(to.async_send(device_id, std::move(what), use_awaitable), within);
  }
  // The next message, within this time; completed.
  std::string receive(device_client& from, in_process_hub::duration within = seconds(0)) {
    return hub_.run(
        [](device_client& client) -> awaitable<std::string> {
          auto received = co_await client.async_receive(use_awaitable);
          std::string out(received->text());
          if (received.redelivered()) out += " again";
          co_await client.async_complete(std::move(received), use_awaitable);
          co_return out;
        }(from),
        within);
  }
  // Starts an operation of one result and leaves it.
  struct Pending {
    bool done = false;
    error why;
    bool duplicated = false;
  };
  std::shared_ptr<Pending> start_send(service_client& to, const std::string& device_id,
                                      message what) {
    auto pending = std::make_shared<Pending>();
    to.async_send(device_id, std::move(what), [pending](error why, send_result result) {
      pending->done = true;
      pending->why = std::move(why);
      pending->duplicated = result.possibly_duplicated;
    });
    return pending;
  }

  boost::asio::io_context io_;
  std::string log_;
  linarite::transport transport_ = transport::direct;
  in_process_hub hub_;
};

TEST_P(InProcessHubTest, AMessageGoesAllTheWayAndItsFeedbackComesBack) {
  device_client device = this->device("d1");
  service_client service = this->service();
  feedback_receiver feedback(service);
  hub_.run(device.async_connect(use_awaitable));
  EXPECT_TRUE(hub_.is_connected("d1"));
  const send_result sent = send(service, "d1", text_message("m1"));
  EXPECT_EQ(sent.attempts, 1U);
  EXPECT_EQ(receive(device), "body of m1");
  const auto record = hub_.run(feedback.async_wait_for("m1", use_awaitable));
  EXPECT_EQ(record.status, feedback_status::success);
  EXPECT_EQ(record.device_id, "d1");
  EXPECT_EQ(record.when, hub_.now());
  EXPECT_EQ(hub_.journey_text("m1"), "enqueued, delivered, completed, feedback");
  EXPECT_THAT(hub_.queue("d1"), IsEmpty());
}

TEST_P(InProcessHubTest, ThroughWebSocketsItGoesTheSameWay) {
  transport_ = transport::websocket;
  device_client device = this->device("d1");
  service_client service = this->service();
  feedback_receiver feedback(service);
  hub_.run(device.async_connect(use_awaitable));
  send(service, "d1", text_message("m1"));
  EXPECT_EQ(receive(device), "body of m1");
  hub_.run(device.async_send_event(message("telemetry"), use_awaitable));
  EXPECT_EQ(hub_.run(feedback.async_wait_for("m1", use_awaitable)).status,
            feedback_status::success);
  hub_.disconnect("d1");
  send(service, "d1", text_message("m2"));
  EXPECT_EQ(receive(device, minutes(1)), "body of m2");
  hub_.stop();
  hub_.start();
  send(service, "d1", text_message("m3"), minutes(1));
  EXPECT_EQ(receive(device, minutes(1)), "body of m3");
  hub_.run(device.async_close(use_awaitable));
  hub_.settle();
  EXPECT_FALSE(hub_.is_connected("d1"));
}

TEST_P(InProcessHubTest, AnOfflineDevicesMessageExpiresAndTheBackEndHearsOfIt) {
  service_client service = this->service();
  feedback_receiver feedback(service);
  hub_.device_connection_string("d1");
  const wall_time sent = hub_.now();
  message late = text_message("m1", feedback_request::negative);
  late.expiry = sent + minutes(5);
  send(service, "d1", std::move(late));
  EXPECT_THAT(hub_.queue("d1"), ElementsAre(Field(&queued_message::expiry, sent + minutes(5))));
  hub_.advance(minutes(4));
  EXPECT_EQ(hub_.journey_text("m1"), "enqueued");
  hub_.advance(minutes(1));
  const auto record = hub_.run(feedback.async_wait_for("m1", use_awaitable));
  EXPECT_EQ(record.status, feedback_status::expired);
  EXPECT_EQ(hub_.journey_text("m1"), "enqueued, expired, feedback");
  EXPECT_EQ(hub_.journey("m1").back().when, sent + minutes(5));
}

TEST_P(InProcessHubTest, EachDeviceGetsItsOwn) {
  device_client first = device("d1");
  device_client second = device("d2");
  service_client service = this->service();
  hub_.run(first.async_connect(use_awaitable));
  hub_.run(second.async_connect(use_awaitable));
  send(service, "d2", text_message("m2"));
  send(service, "d1", text_message("m1"));
  EXPECT_EQ(receive(first), "body of m1");
  EXPECT_EQ(receive(second), "body of m2");
  hub_.disconnect("d2");
  hub_.settle();
  EXPECT_TRUE(hub_.is_connected("d1"));
  EXPECT_FALSE(hub_.is_connected("d2"));
  hub_.advance(seconds(1));
  EXPECT_TRUE(hub_.is_connected("d2"));
}

TEST_P(InProcessHubTest, AnUndecidedMessageComesAgainAfterALostConnection) {
  device_client device = this->device("d1");
  service_client service = this->service();
  hub_.run(device.async_connect(use_awaitable));
  send(service, "d1", text_message("m1"));
  received_message first = hub_.run(device.async_receive(use_awaitable));
  EXPECT_THAT(hub_.queue("d1"), ElementsAre(Field(&queued_message::locked, true)));
  hub_.disconnect("d1");
  hub_.advance(seconds(2));
  const auto [why] = hub_.run(device.async_complete(std::move(first), as_tuple));
  EXPECT_EQ(why, errc::device_message_lock_lost);
  EXPECT_EQ(receive(device), "body of m1 again");
  EXPECT_EQ(hub_.journey_text("m1"),
            "enqueued, delivered, returned, delivered, completed, feedback");
}

TEST_P(InProcessHubTest, ASilentConnectionIsFoundOutByTheKeepAlive) {
  device_client device = this->device("d1");
  service_client service = this->service();
  hub_.run(device.async_connect(use_awaitable));
  hub_.go_silent("d1");
  send(service, "d1", text_message("m1"));
  hub_.advance(minutes(1));
  EXPECT_TRUE(hub_.is_connected("d1"));
  EXPECT_EQ(device.state(), connection_state::connected);
  EXPECT_THAT(hub_.queue("d1"), ElementsAre(Field(&queued_message::locked, true)));
  EXPECT_EQ(receive(device, minutes(10)), "body of m1 again");
  EXPECT_EQ(hub_.journey_text("m1"),
            "enqueued, delivered, returned, delivered, completed, feedback");
  EXPECT_THAT(log_, HasSubstr("d1"));
}

TEST_P(InProcessHubTest, ARestartKeepsTheQueueOfAnOfflineDevice) {
  service_client service = this->service();
  hub_.device_connection_string("d1");
  send(service, "d1", text_message("m1"));
  send(service, "d1", text_message("m2"));
  hub_.restart();
  EXPECT_EQ(hub_.queue("d1").size(), 2U);
  device_client device = this->device("d1");
  hub_.run(device.async_connect(use_awaitable));
  EXPECT_EQ(receive(device), "body of m1");
  EXPECT_EQ(receive(device), "body of m2");
  EXPECT_EQ(hub_.journey_text("m1"), "enqueued, recovered, delivered, completed, feedback");
}

TEST_P(InProcessHubTest, ClientsComeBackAfterARestart) {
  device_client device = this->device("d1");
  service_client service = this->service();
  hub_.run(device.async_connect(use_awaitable));
  send(service, "d1", text_message("m1"));
  EXPECT_EQ(receive(device), "body of m1");
  hub_.stop();
  hub_.settle();
  EXPECT_EQ(device.state(), connection_state::waiting);
  const auto waiting = start_send(service, "d1", text_message("m2"));
  hub_.advance(seconds(20));
  EXPECT_FALSE(waiting->done);
  hub_.start();
  hub_.advance(seconds(30));
  EXPECT_TRUE(waiting->done);
  EXPECT_FALSE(waiting->why) << waiting->why.message();
  EXPECT_EQ(receive(device, minutes(2)), "body of m2");
}

// --- What becomes of a send whose answer never came.

TEST_P(InProcessHubTest, ASendThatWasLostIsReportedAsUnknown) {
  service_client service = this->service();
  hub_.device_connection_string("d1");
  hub_.run(service.async_connect(use_awaitable));
  hub_.hold_disk(true);
  const auto lost = start_send(service, "d1", text_message("m1"));
  hub_.settle();
  EXPECT_FALSE(lost->done);
  hub_.restart();
  hub_.hold_disk(false);
  hub_.advance(minutes(2));
  EXPECT_TRUE(lost->done);
  EXPECT_EQ(lost->why, errc::outcome_unknown);
  EXPECT_EQ(hub_.journey_text("m1"), "");
}

TEST_P(InProcessHubTest, ASendWhoseAnswerWasLostIsReportedAsUnknownToo) {
  service_client service = this->service();
  hub_.device_connection_string("d1");
  hub_.run(service.async_connect(use_awaitable));
  hub_.hold_answers(true);
  const auto lost = start_send(service, "d1", text_message("m1"));
  hub_.settle();
  EXPECT_EQ(hub_.journey_text("m1"), "enqueued");
  EXPECT_FALSE(lost->done);
  hub_.restart();
  hub_.hold_answers(false);
  hub_.advance(minutes(2));
  EXPECT_EQ(lost->why, errc::outcome_unknown);
  EXPECT_EQ(hub_.journey_text("m1"), "enqueued, recovered");
}

TEST_P(InProcessHubTest, SentAgainByPolicyAndSaidSo) {
  service_client service = this->service(service_options::lost_outcome::send_again);
  hub_.device_connection_string("d1");
  hub_.run(service.async_connect(use_awaitable));
  hub_.hold_answers(true);
  const auto repeated = start_send(service, "d1", text_message("m1"));
  hub_.settle();
  hub_.restart();
  hub_.hold_answers(false);
  hub_.advance(minutes(1));
  EXPECT_TRUE(repeated->done);
  EXPECT_FALSE(repeated->why) << repeated->why.message();
  EXPECT_TRUE(repeated->duplicated);
  EXPECT_EQ(hub_.queue("d1").size(), 2U);
}

TEST_P(InProcessHubTest, ACompletionThatWasNotDurableIsForgottenAndTheMessageComesAgain) {
  device_client device = this->device("d1");
  service_client service = this->service();
  hub_.run(device.async_connect(use_awaitable));
  send(service, "d1", text_message("m1"));
  hub_.settle();
  hub_.hold_disk(true);
  EXPECT_EQ(receive(device), "body of m1");
  hub_.restart();
  hub_.hold_disk(false);
  EXPECT_EQ(receive(device, minutes(1)), "body of m1");
  EXPECT_EQ(hub_.journey_text("m1"),
            "enqueued, delivered, recovered, delivered, completed, feedback");
}

// --- Credentials and refusals.

TEST_P(InProcessHubTest, TokensAreRenewedAndNothingIsLostMeanwhile) {
  device_client device = this->device("d1");
  service_client service = this->service();
  feedback_receiver feedback(service);
  hub_.run(device.async_connect(use_awaitable));
  for (int i = 0; i < 26; ++i) {
    const std::string id = "m" + std::to_string(i);
    send(service, "d1", text_message(id), minutes(1));
    EXPECT_EQ(receive(device, minutes(1)), "body of " + id);
    const auto record = hub_.run(feedback.async_wait_for(id, use_awaitable), minutes(1));
    EXPECT_EQ(record.status, feedback_status::success);
    hub_.advance(hours(1));
  }
  EXPECT_TRUE(hub_.is_connected("d1"));
}

TEST_P(InProcessHubTest, AWrongKeyGivesTheDocumentedError) {
  std::string string = hub_.device_connection_string("d1");
  string.replace(string.find("SharedAccessKey=") + 16, 4, "AAAA");
  device_client device(io_.get_executor(), string, hub_.options_for_devices());
  const auto [why] = hub_.run(device.async_connect(as_tuple));
  EXPECT_EQ(why, errc::iot_hub_unauthorized_access) << why.message();

  std::string owner = hub_.service_connection_string();
  owner.replace(owner.find("SharedAccessKey=") + 16, 4, "AAAA");
  service_client service(io_.get_executor(), owner, hub_.options_for_services());
  const auto [refused, result] = hub_.run(service.async_send("d1", text_message("m1"), as_tuple));
  EXPECT_EQ(refused, errc::iot_hub_unauthorized_access) << refused.message();
  const auto [unread, got] = hub_.run(service.async_get_device("d1", as_tuple));
  EXPECT_EQ(unread, errc::iot_hub_unauthorized_access) << unread.message();
}

TEST_P(InProcessHubTest, OtherNamesPortsAndDevicesAreNotThere) {
  service_client service = this->service();
  const auto [unknown, result] = hub_.run(service.async_send("nobody", message("x"), as_tuple));
  EXPECT_EQ(unknown, errc::device_not_found);

  auto options = hub_.options_for_devices();
  options.endpoint.port = 1;
  device_client closed(io_.get_executor(), hub_.device_connection_string("d1"), options);
  const auto [refused] = hub_.run(closed.async_connect(as_tuple));
  EXPECT_EQ(refused, errc::connection_failed);
  EXPECT_THAT(refused.message(), HasSubstr("hub.test:1: Connection refused"));

  device_client elsewhere(io_.get_executor(),
                          "HostName=other.test;DeviceId=d1;SharedAccessKey=AAAA",
                          hub_.options_for_devices());
  const auto [lost] = hub_.run(elsewhere.async_connect(as_tuple));
  EXPECT_THAT(lost.message(), HasSubstr("there is only hub.test"));
}

TEST_P(InProcessHubTest, TheRegistryIsThereToo) {
  service_client service = this->service();
  const auto made = hub_.run(service.async_create_device({.device_id = "d1"}, use_awaitable));
  EXPECT_THAT(hub_.device_connection_string("d1"), HasSubstr(made.primary_key));
  send(service, "d1", text_message("m1"));
  EXPECT_EQ(hub_.run(service.async_purge("d1", use_awaitable)), 1U);
  EXPECT_EQ(hub_.journey_text("m1"), "enqueued, purged, feedback");
  send(service, "d1", text_message("m2"));
  hub_.run(service.async_delete_device("d1", "", use_awaitable));
  EXPECT_EQ(hub_.journey_text("m2"), "enqueued, device deleted");
}

// --- The test's own tools.

class SmallHubTest : public InProcessHubTest {
 protected:
  SmallHubTest()
      : InProcessHubTest({.host_name = "small.test",
                          .queue_depth_max = 2,
                          .default_ttl = minutes(1),
                          .device_window = 1}) {}
};

TEST_P(SmallHubTest, TheOptionsCount) {
  device_client device = this->device("d1");
  service_client service = this->service();
  hub_.run(device.async_connect(use_awaitable));
  send(service, "d1", text_message("m1"));
  send(service, "d1", text_message("m2"));
  hub_.settle();
  EXPECT_THAT(hub_.queue("d1"), ElementsAre(Field(&queued_message::locked, true),
                                            Field(&queued_message::locked, false)));
  const auto [full, result] = hub_.run(service.async_send("d1", text_message("m3"), as_tuple));
  EXPECT_EQ(full, errc::device_maximum_queue_depth_exceeded);
  hub_.advance(minutes(1) + seconds(1));
  EXPECT_THAT(hub_.queue("d1"), IsEmpty());
}

TEST_P(InProcessHubTest, TimePassesOnlyAsFarAsItIsNeeded) {
  const wall_time begin = hub_.now();
  hub_.run(hub_.async_wait(minutes(3), use_awaitable), hours(1));
  EXPECT_EQ(hub_.now(), begin + minutes(3));
  EXPECT_THROW(hub_.run(hub_.async_wait(minutes(3), use_awaitable), minutes(1)), std::logic_error);
  EXPECT_EQ(hub_.now(), begin + minutes(4));
}

TEST_P(InProcessHubTest, ACoroutineThatFailsOrWaitsForEverIsSaid) {
  device_client device = this->device("d1");
  EXPECT_THROW(hub_.run(device.async_receive(use_awaitable)), std::logic_error);
  const auto fails = []() -> awaitable<int> {
    throw std::runtime_error("of the program");
    co_return 1;
  };
  EXPECT_THROW(hub_.run(fails()), std::runtime_error);
}

TEST(InProcessHubEndTest, WhatStillWaitsEndsWithTheContext) {
  auto mark = std::make_shared<int>();
  const std::weak_ptr<int> frame = mark;
  {
    boost::asio::io_context io;
    in_process_hub hub(io);
    service_client service(io.get_executor(), hub.service_connection_string(),
                           hub.options_for_services());
    const auto wait_for_ever = [](service_client& client, std::shared_ptr<int>) -> awaitable<void> {
      feedback_receiver feedback(client);
      co_await feedback.async_receive(as_tuple);
    };
    EXPECT_THROW(hub.run(wait_for_ever(service, std::move(mark))), std::logic_error);
    EXPECT_THROW(hub.run(hub.async_wait(minutes(1), use_awaitable)), std::logic_error);
    EXPECT_FALSE(frame.expired());
  }
  EXPECT_TRUE(frame.expired());
}

TEST_P(InProcessHubTest, AHandlerMayLetTimePass) {
  const auto work = [](in_process_hub& hub, service_client& service) -> awaitable<std::string> {
    co_await service.async_send("d1", text_message("m1"), use_awaitable);
    hub.advance(hours(2));
    co_return hub.journey_text("m1");
  };
  hub_.device_connection_string("d1");
  service_client service = this->service();
  EXPECT_EQ(hub_.run(work(hub_, service)), "enqueued, expired, feedback");
}

TEST_P(InProcessHubTest, MistakesOfTheTestAreSaid) {
  EXPECT_THROW(hub_.service_connection_string("nosuch"), std::invalid_argument);
  EXPECT_THROW(hub_.device_connection_string("not a name"), std::invalid_argument);
  EXPECT_THROW(in_process_hub({.queue_depth_max = 0}), std::invalid_argument);
  hub_.stop();
  EXPECT_THROW(hub_.device_connection_string("d1"), std::logic_error);
}

TEST(InProcessHubBlockingTest, BlockingClientsRunTheHubAndTimeInsteadOfWaiting) {
  in_process_hub hub;
  blocking::device_client device(hub.device_connection_string("d1"), hub.options_for_devices());
  blocking::service_client service(hub.service_connection_string(), hub.options_for_services());
  blocking::feedback_receiver feedback(service);
  device.connect();
  service.send("d1", text_message("m1"));
  auto received = device.receive();
  ASSERT_TRUE(received);
  EXPECT_EQ((*received)->text(), "body of m1");
  device.complete(*std::move(received));
  EXPECT_EQ(feedback.wait_for("m1").status, feedback_status::success);

  const wall_time before = hub.now();
  EXPECT_FALSE(device.receive({}, minutes(7)));
  EXPECT_EQ(hub.now(), before + minutes(7));
  std::stop_source stop;
  stop.request_stop();
  EXPECT_FALSE(device.receive(stop.get_token()));
  EXPECT_THROW(service.send("nobody", message("x")), exception);
  // The hub may be gone; nothing waits for it then.
  device.close();
}

INSTANTIATE_TEST_SUITE_P(Seeds, InProcessHubTest, ::testing::Range<std::uint64_t>(1, 6));
INSTANTIATE_TEST_SUITE_P(Seeds, SmallHubTest, ::testing::Values(1));

// A run as a text, for comparison.
std::string story(std::uint64_t seed) {
  boost::asio::io_context io;
  in_process_hub hub(io, {.seed = seed});
  std::string out = hub.service_connection_string() + hub.device_connection_string("d1") + "\n";
  auto options = hub.options_for_devices();
  options.log = [&](log_level, std::string_view line) { out += std::string(line) + "\n"; };
  device_client device(io.get_executor(), hub.device_connection_string("d1"), options);
  service_client service(io.get_executor(), hub.service_connection_string(),
                         hub.options_for_services());
  int left = 3;
  for (int i = 0; i < 3; ++i) {
    service.async_send("d1", text_message("m" + std::to_string(i)), [&, i](error, send_result) {
      out += "sent " + std::to_string(i) + "\n";
      --left;
    });
    device.async_receive(
        [&out](error, received_message got) { out += "got " + std::string(got->text()) + "\n"; });
  }
  device.async_connect([&](error) { out += "connected\n"; });
  hub.run_until([&] { return left == 0; });
  hub.disconnect("d1");
  hub.advance(minutes(1));
  for (int i = 0; i < 3; ++i) out += hub.journey_text("m" + std::to_string(i)) + "\n";
  return out;
}

TEST(InProcessHubSeedTest, ASeedRepeatsItselfAndAnotherDiffers) {
  EXPECT_EQ(story(7), story(7));
  EXPECT_NE(story(7), story(8));
}

}  // namespace
}  // namespace linarite::testing
