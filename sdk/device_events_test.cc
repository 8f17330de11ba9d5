#include <gmock/gmock.h>

#include "sdk/device_client_fixture.h"

namespace linarite::sdk {
namespace {

using std::chrono::seconds;

class DeviceEventsTest : public DeviceClientTest {
 protected:
  Outcome<>& send(device_client& client, message event) {
    sends_.push_back(std::make_unique<Outcome<>>());
    client.async_send_event(std::move(event), sends_.back()->callback());
    settle();
    return *sends_.back();
  }
  // What the hub has of the device by now, by its body.
  std::vector<std::string> bodies(FakeMqttHub& hub) {
    hub.pump();
    std::vector<std::string> out;
    for (const auto& event : hub.events) out.push_back(event.body);
    return out;
  }

  std::vector<std::unique_ptr<Outcome<>>> sends_;
};

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST_F(DeviceEventsTest, AnEventIsSentWithItsPropertiesAndDoneWhenTheHubAcknowledges) {
  device_client client = make(options());
  const auto hub = let_in(client);
  message event("21.5");
  event.message_id = "e 1";
  event.correlation_id = "c";
  event.content_type = "application/json";
  event.content_encoding = "utf-8";
  event.properties = {{"alert", "high & low"}, {"room", ""}};
  Outcome<>& sent = send(client, event);
  hub->pump();
  ASSERT_THAT(hub->events, SizeIs(1));
  EXPECT_EQ(hub->events[0].topic,
            "devices/d1/messages/events/%24.mid=e%201&%24.cid=c&%24.ct=application%2Fjson&"
            "%24.ce=utf-8&alert=high%20%26%20low&room=");
  EXPECT_EQ(hub->events[0].body, "21.5");
  EXPECT_EQ(hub->events[0].qos, mqtt::Qos::kAtLeastOnce);
  EXPECT_TRUE(sent.pending());
  hub->puback(hub->events[0].packet_id);
  settle();
  EXPECT_TRUE(sent.ok());
}

TEST_F(DeviceEventsTest, TheFirstEventConnectsAndOthersWaitInOrder) {
  device_client client = make(options());
  Outcome<>& first = send(client, message("1"));
  send(client, message("2"));
  const auto hub = let_in();
  EXPECT_THAT(bodies(*hub), ElementsAre("1", "2"));
  hub->puback(hub->events[0].packet_id);
  settle();
  EXPECT_TRUE(first.ok());
}

TEST_F(DeviceEventsTest, WhatTheHubRefusesToConnectFailsTheEventsToo) {
  device_client client = make(options());
  Outcome<>& sent = send(client, message("1"));
  reach()->answer(mqtt::ConnectReturnCode::kNotAuthorized);
  settle();
  EXPECT_TRUE(sent.failed(errc::iot_hub_unauthorized_access));
}

TEST_F(DeviceEventsTest, UnacknowledgedEventsGoAgainFirstUnderTheirPacketIds) {
  device_client client = make(options());
  auto hub = let_in(client);
  Outcome<>& first = send(client, message("1"));
  Outcome<>& second = send(client, message("2"));
  hub->pump();
  const std::vector<FakeMqttHub::Event> before = hub->events;
  stream().end(net::CloseReason::kReset);
  settle();
  Outcome<>& third = send(client, message("3"));
  pass(seconds(1));
  hub = let_in();
  ASSERT_THAT(bodies(*hub), ElementsAre("1", "2", "3"));
  EXPECT_TRUE(hub->events[0].dup);
  EXPECT_EQ(hub->events[0].packet_id, before[0].packet_id);
  EXPECT_EQ(hub->events[1].packet_id, before[1].packet_id);
  EXPECT_FALSE(hub->events[2].dup);
  EXPECT_TRUE(first.pending());
  for (const auto& event : hub->events) hub->puback(event.packet_id);
  settle();
  EXPECT_TRUE(first.ok());
  EXPECT_TRUE(second.ok());
  EXPECT_TRUE(third.ok());
}

TEST_F(DeviceEventsTest, AnEventWithoutAnAnswerEndsAtItsDeadlineAndSaysWhetherItWasSent) {
  device_client client = make(options());
  const auto hub = let_in(client);
  Outcome<>& sent = send(client, message("1"));
  pass(seconds(30));
  stream().end(net::CloseReason::kReset);
  settle();
  Outcome<>& waiting = send(client, message("2"));
  pass(seconds(31));
  EXPECT_TRUE(sent.failed(errc::outcome_unknown));
  EXPECT_TRUE(waiting.pending());
  pass(seconds(31));
  EXPECT_TRUE(waiting.failed(errc::timed_out));
}

TEST_F(DeviceEventsTest, TheQueueIsBoundedAsTheOptionsSay) {
  device_options chosen = options();
  chosen.offline_queue.limit = 2;
  device_client client = make(chosen);
  send(client, message("1"));
  send(client, message("2"));
  EXPECT_TRUE(send(client, message("3")).failed(errc::offline_queue_full));

  chosen.offline_queue.when_full = offline_queue_options::policy::drop_oldest;
  device_client dropping = make(chosen);
  Outcome<>& oldest = send(dropping, message("1"));
  send(dropping, message("2"));
  send(dropping, message("3"));
  EXPECT_TRUE(oldest.failed(errc::dropped_from_queue));
}

TEST_F(DeviceEventsTest, WhatNoHubWouldTakeIsNotSent) {
  device_client client = make(options());
  const auto hub = let_in(client);
  EXPECT_TRUE(send(client, message(std::string(262'145, 'x'))).failed(errc::message_too_large));
  message full(std::string(262'142, 'x'));
  full.properties = {{"ab", "c"}};
  EXPECT_TRUE(send(client, full).failed(errc::message_too_large));
  message wide("x");
  wide.properties = {{"name", std::string(30'000, ' ')}};  // Three bytes each in a topic.
  EXPECT_TRUE(send(client, wide).failed(errc::message_too_large));
  message twice("x");
  twice.properties.append("a", "1");
  twice.properties.append("a", "2");
  EXPECT_TRUE(send(client, twice).failed(errc::invalid_argument));
  EXPECT_THAT(bodies(*hub), IsEmpty());
  EXPECT_TRUE(send(client, message(std::string(262'144, 'x'))).pending());
  EXPECT_THAT(bodies(*hub), SizeIs(1));
}

TEST_F(DeviceEventsTest, RenewalWaitsForAcknowledgementsAndNewEventsForTheRenewal) {
  device_options chosen = options();
  chosen.operation_timeout = seconds(0);
  device_client client = make(chosen);
  const auto hub = let_in(client);
  Outcome<>& first = send(client, message("1"));
  live(*hub, seconds(3310));
  EXPECT_FALSE(dialled());
  send(client, message("2"));
  EXPECT_THAT(bodies(*hub), ElementsAre("1"));
  hub->puback(hub->events[0].packet_id);
  settle();
  EXPECT_TRUE(first.ok());
  const auto renewed = let_in();
  EXPECT_THAT(bodies(*renewed), ElementsAre("2"));
}

TEST_F(DeviceEventsTest, ABatchIsSentWithoutWaitingAndDoneWhenAllIsAcknowledged) {
  device_client client = make(options());
  const auto hub = let_in(client);
  Outcome<std::vector<error>> sent;
  client.async_send_events({message("1"), message("2"), message("3")}, sent.callback());
  Outcome<>& after = send(client, message("4"));
  ASSERT_THAT(bodies(*hub), ElementsAre("1", "2", "3", "4"));
  hub->puback(hub->events[0].packet_id);
  hub->puback(hub->events[1].packet_id);
  settle();
  EXPECT_TRUE(sent.pending());
  hub->puback(hub->events[2].packet_id);
  settle();
  ASSERT_TRUE(sent.ok());
  ASSERT_THAT(sent.value(), SizeIs(3));
  for (const error& one : sent.value()) EXPECT_FALSE(one) << one.message();
  EXPECT_TRUE(after.pending());
}

TEST_F(DeviceEventsTest, ABatchOfNothingIsDoneAtOnceAndAsksForNoConnection) {
  device_client client = make(options());
  Outcome<std::vector<error>> sent;
  client.async_send_events({}, sent.callback());
  settle();
  EXPECT_TRUE(sent.ok());
  EXPECT_THAT(sent.value(), IsEmpty());
  EXPECT_FALSE(dialled());
}

TEST_F(DeviceEventsTest, ABatchSaysWhatBecameOfEachOfItsEvents) {
  device_client client = make(options());
  const auto hub = let_in(client);
  Outcome<std::vector<error>> sent;
  client.async_send_events({message("1"), message(std::string(262'145, 'x')), message("3")},
                           sent.callback());
  settle();
  ASSERT_THAT(bodies(*hub), ElementsAre("1", "3"));
  EXPECT_TRUE(sent.pending());
  hub->puback(hub->events[0].packet_id);
  settle();
  pass(seconds(61));
  ASSERT_TRUE(sent.failed(errc::message_too_large));
  ASSERT_THAT(sent.value(), SizeIs(3));
  EXPECT_FALSE(sent.value()[0]);
  EXPECT_EQ(sent.value()[1], errc::message_too_large);
  EXPECT_EQ(sent.value()[2], errc::outcome_unknown);
}

TEST_F(DeviceEventsTest, ABatchOverTheQueuesLimitLosesItsEndOnly) {
  device_options chosen = options();
  chosen.offline_queue.limit = 2;
  device_client client = make(chosen);
  Outcome<std::vector<error>> sent;
  client.async_send_events({message("1"), message("2"), message("3")}, sent.callback());
  settle();
  const auto hub = let_in();
  ASSERT_THAT(bodies(*hub), ElementsAre("1", "2"));
  for (const auto& event : hub->events) hub->puback(event.packet_id);
  settle();
  ASSERT_TRUE(sent.failed(errc::offline_queue_full));
  EXPECT_FALSE(sent.value()[1]);
  EXPECT_EQ(sent.value()[2], errc::offline_queue_full);
}

TEST_F(DeviceEventsTest, ALostConnectionSendsOnlyWhatABatchHasUnacknowledged) {
  device_client client = make(options());
  auto hub = let_in(client);
  Outcome<std::vector<error>> sent;
  client.async_send_events({message("1"), message("2"), message("3")}, sent.callback());
  settle();
  ASSERT_THAT(bodies(*hub), SizeIs(3));
  hub->puback(hub->events[0].packet_id);
  settle();
  stream().end(net::CloseReason::kReset);
  settle();
  pass(seconds(1));
  hub = let_in();
  ASSERT_THAT(bodies(*hub), ElementsAre("2", "3"));
  for (const auto& event : hub->events) hub->puback(event.packet_id);
  settle();
  EXPECT_TRUE(sent.ok());
}

TEST_F(DeviceEventsTest, CancellingABatchLeavesOtherEventsAlone) {
  device_client client = make(options());
  const auto hub = let_in(client);
  Outcome<std::vector<error>> sent;
  boost::asio::cancellation_signal stop;
  Outcome<>& before = send(client, message("0"));
  client.async_send_events({message("1"), message("2")},
                           boost::asio::bind_cancellation_slot(stop.slot(), sent.callback()));
  Outcome<>& after = send(client, message("3"));
  ASSERT_THAT(bodies(*hub), ElementsAre("0", "1", "2", "3"));
  hub->puback(hub->events[0].packet_id);
  hub->puback(hub->events[1].packet_id);
  settle();
  stop.emit(boost::asio::cancellation_type::terminal);
  settle();
  ASSERT_TRUE(sent.failed(errc::outcome_unknown));
  EXPECT_FALSE(sent.value()[0]);
  EXPECT_EQ(sent.value()[1], errc::outcome_unknown);
  EXPECT_TRUE(before.ok());
  hub->puback(hub->events[2].packet_id);
  hub->puback(hub->events[3].packet_id);
  settle();
  EXPECT_TRUE(after.ok());
}

TEST_F(DeviceEventsTest, CancellingABatchThatWaitsTakesAllOfIt) {
  device_client client = make(options());
  Outcome<std::vector<error>> sent;
  boost::asio::cancellation_signal stop;
  client.async_send_events({message("1"), message("2")},
                           boost::asio::bind_cancellation_slot(stop.slot(), sent.callback()));
  settle();
  stop.emit(boost::asio::cancellation_type::terminal);
  settle();
  ASSERT_TRUE(sent.failed(errc::operation_aborted));
  EXPECT_EQ(sent.value()[1], errc::operation_aborted);
}

TEST_F(DeviceEventsTest, ABatchEndsWithItsClient) {
  Outcome<std::vector<error>> sent;
  Outcome<std::vector<error>> late;
  {
    device_client client = make(options());
    client.async_send_events({message("1"), message("2")}, sent.callback());
    settle();
    client.async_close([](const error&) {});
    settle();
    client.async_send_events({message("3")}, late.callback());
    settle();
  }
  settle();
  ASSERT_TRUE(sent.failed(errc::closed));
  EXPECT_THAT(sent.value(), SizeIs(2));
  EXPECT_TRUE(late.failed(errc::closed));
  EXPECT_THAT(late.value(), IsEmpty());
}

TEST_F(DeviceEventsTest, ClosingSaysWhatIsNotKnown) {
  device_client client = make(options());
  const auto hub = let_in(client);
  Outcome<>& sent = send(client, message("1"));
  client.async_close([](const error&) {});
  settle();
  EXPECT_TRUE(sent.failed(errc::outcome_unknown));
  EXPECT_TRUE(send(client, message("2")).failed(errc::closed));
}

}  // namespace
}  // namespace linarite::sdk
