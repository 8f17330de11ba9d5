#include <gmock/gmock.h>
#include <linarite/device_client.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "sdk/device_client_fixture.h"
#include "wire/sas_token.h"

namespace linarite::sdk {
namespace {

using boost::asio::use_awaitable;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_F(DeviceClientTest, TimeInLineIsNotTimeOfATry) {
  network_->line_stands = true;
  auto how = options();
  how.connect_timeout = seconds(10);
  auto client = make(std::move(how));
  Outcome<> connected;
  client.async_connect(connected.callback());
  settle();
  pass(seconds(30));
  EXPECT_TRUE(connected.pending());
  ASSERT_EQ(network_->line.size(), 1U);
  network_->line.front()(nullptr);
  const auto hub = let_in();
  EXPECT_TRUE(connected.ok());
}

TEST_F(DeviceClientTest, WhoWaitsInLineTooLongFailsAndDialsNoMore) {
  network_->line_stands = true;
  auto client = make(options());
  Outcome<> connected;
  client.async_connect(connected.callback());
  settle();
  pass(seconds(61));
  EXPECT_TRUE(connected.failed(errc::timed_out));
  network_->line.front()(nullptr);
  settle();
  EXPECT_TRUE(network_->dials.empty());
}

TEST_F(DeviceClientTest, ConnectsAsTheProtocolSays) {
  device_options chosen = options();
  chosen.product_info = "my app";
  device_client client = make(chosen);
  Outcome<> connected;
  client.async_connect(connected.callback());
  const auto hub = reach();
  EXPECT_EQ(last_dial_.host, "hub.test");
  EXPECT_EQ(last_dial_.port, 8883);
  EXPECT_EQ(last_dial_.tls_name, "hub.test");
  ASSERT_NE(last_dial_.tls, nullptr);
  EXPECT_EQ(hub->client_id, "d1");
  EXPECT_EQ(hub->user_name,
            "hub.test/d1/?api-version=2021-04-12&DeviceClientType=linarite-cpp%20my%20app");
  EXPECT_FALSE(hub->clean_session);
  EXPECT_EQ(hub->keep_alive, 240);
  const auto token = wire::parse_sas_token(hub->password);
  ASSERT_TRUE(token);
  EXPECT_TRUE(wire::sas_signature_matches(*token, kKey, ""));
  EXPECT_EQ(token->sr, "hub.test%2Fdevices%2Fd1");
  EXPECT_EQ(token->expiry, network_->clock.wall() + seconds(3600));

  hub->answer(mqtt::ConnectReturnCode::kAccepted);
  settle();
  EXPECT_TRUE(connected.pending());  // Not before the subscription is granted.
  hub->pump();
  settle();
  EXPECT_EQ(hub->filter, "devices/d1/messages/devicebound/#");
  EXPECT_TRUE(connected.ok());
  EXPECT_EQ(client.state(), connection_state::connected);
  EXPECT_THAT(states(client), ElementsAre("connecting", "connected"));
}

TEST_F(DeviceClientTest, ReceivesAndCompletesInTheApplicationsOrder) {
  device_client client = make(options());
  const auto hub = let_in(client);
  Outcome<received_message> first, second;
  client.async_receive(first.callback());
  hub->publish("%24.mid=m1&%24.to=%2Fdevices%2Fd1&%24.ct=text%2Fplain&iothub-ack=full&b=2&a=1",
               "hello", 7);
  hub->publish("%24.to=x", "two", 8);  // Comes before anybody asks.
  settle();
  client.async_receive(second.callback());
  settle();
  ASSERT_TRUE(first.ok());
  ASSERT_TRUE(second.ok());
  const message& got = first.value().content();
  EXPECT_EQ(got.text(), "hello");
  EXPECT_EQ(got.message_id, "m1");
  EXPECT_EQ(got.content_type, "text/plain");
  EXPECT_EQ(got.ack, feedback_request::full);
  EXPECT_EQ(got.properties, (property_list{{"b", "2"}, {"a", "1"}}));
  EXPECT_FALSE(first.value().redelivered());

  Outcome<> done2, done1;
  client.async_complete(std::move(second.value()), done2.callback());
  client.async_complete(std::move(first.value()), done1.callback());
  settle();
  hub->pump();
  EXPECT_THAT(hub->completed, ElementsAre(8, 7));
  EXPECT_TRUE(done1.ok());
  EXPECT_TRUE(done2.ok());
}

// A hub that kept the session sends right after its CONNACK (device protocol, 1.6).
TEST_F(DeviceClientTest, AMessageThatComesBeforeTheSubackCanBeCompleted) {
  device_client client = make(options());
  Outcome<> connected, done;
  Outcome<received_message> received;
  client.async_connect(connected.callback());
  client.async_receive(received.callback());
  const auto hub = reach();
  hub->answer(mqtt::ConnectReturnCode::kAccepted);
  hub->publish("%24.to=x", "early", 9);
  settle();
  ASSERT_TRUE(received.ok());
  EXPECT_TRUE(connected.pending());
  client.async_complete(std::move(received.value()), done.callback());
  settle();
  hub->pump();
  EXPECT_TRUE(done.ok());
  EXPECT_THAT(hub->completed, ElementsAre(9));
}

TEST_F(DeviceClientTest, SaysWhatEachConnackMeans) {
  const std::pair<mqtt::ConnectReturnCode, errc> cases[] = {
      {mqtt::ConnectReturnCode::kUnacceptableProtocolVersion, errc::protocol_error},
      {mqtt::ConnectReturnCode::kIdentifierRejected, errc::argument_invalid},
      {mqtt::ConnectReturnCode::kServerUnavailable, errc::server_unavailable},
      {mqtt::ConnectReturnCode::kBadUserNameOrPassword, errc::iot_hub_unauthorized_access},
      {mqtt::ConnectReturnCode::kNotAuthorized, errc::iot_hub_unauthorized_access},
  };
  for (const auto& [code, expected] : cases) {
    device_client client = make(options());
    Outcome<> connected;
    client.async_connect(connected.callback());
    reach()->answer(code);
    settle();
    EXPECT_TRUE(connected.failed(expected)) << static_cast<int>(code);
    EXPECT_THAT(connected.why->message(),
                HasSubstr("CONNACK " + std::to_string(static_cast<int>(code))));
    EXPECT_EQ(client.state(), connection_state::disconnected);
    pass(seconds(300));
    EXPECT_FALSE(dialled());
  }
}

TEST_F(DeviceClientTest, SaysWhyTheFirstConnectFailed) {
  const std::pair<const char*, errc> cases[] = {
      {"Connection refused", errc::connection_failed},
      {"certificate verify failed: unable to get local issuer certificate",
       errc::server_not_trusted},
      {"certificate verify failed: hostname mismatch", errc::wrong_host_name},
      {"certificate verify failed: certificate is not yet valid", errc::certificate_not_current},
  };
  for (const auto& [reason, expected] : cases) {
    device_client client = make(options());
    Outcome<> connected;
    client.async_connect(connected.callback());
    refuse(reason);
    EXPECT_TRUE(connected.failed(expected)) << connected.why->message();
    EXPECT_THAT(connected.why->message(), HasSubstr("hub.test:8883"));
  }
  device_options missing = options();
  missing.endpoint.ca_file = "/no/such/file";
  device_client client = make(missing);
  Outcome<> connected;
  client.async_connect(connected.callback());
  settle();
  EXPECT_TRUE(connected.failed(errc::bad_local_file));
  EXPECT_THAT(connected.why->message(), HasSubstr("/no/such/file"));
}

TEST_F(DeviceClientTest, AConnectionStringNamesTheWrongField) {
  const auto message_for = [](const char* text) {
    error problem;
    device_identity::parse(text, problem);
    EXPECT_EQ(problem, errc::invalid_connection_string);
    return problem.message();
  };
  EXPECT_THAT(message_for("DeviceId=d;SharedAccessKey=AAAA"), HasSubstr("HostName"));
  EXPECT_THAT(message_for("HostName=h.x;SharedAccessKey=AAAA"), HasSubstr("DeviceId"));
  EXPECT_THAT(message_for("HostName=h.x;DeviceId=d"), HasSubstr("SharedAccessKey"));
  EXPECT_THAT(message_for("HostName=h.x;DeviceId=d;SharedAccessKey=%secret%"),
              ::testing::AllOf(HasSubstr("SharedAccessKey"), ::testing::Not(HasSubstr("secret"))));
}

TEST_F(DeviceClientTest, ReconnectsWithGrowingPausesAndKeepsWhoWaits) {
  device_options chosen = options();
  chosen.reconnect = {.initial = seconds(1), .maximum = seconds(4), .jitter = 0};
  device_client client = make(chosen);
  Outcome<> connected;
  client.async_connect(connected.callback());
  let_in();
  Outcome<received_message> received;
  client.async_receive(received.callback());
  states(client);
  stream().end(net::CloseReason::kReset);
  for (const seconds pause : {seconds(1), seconds(1), seconds(2), seconds(4), seconds(4)}) {
    pass(pause - std::chrono::milliseconds(1));
    EXPECT_FALSE(dialled()) << pause.count();
    pass(std::chrono::milliseconds(1));
    refuse("Connection refused");
  }
  pass(seconds(4));
  const auto hub = let_in();
  EXPECT_EQ(client.state(), connection_state::connected);
  EXPECT_TRUE(received.pending());
  hub->publish("%24.to=x", "after", 1, true);
  settle();
  ASSERT_TRUE(received.ok());
  EXPECT_TRUE(received.value().redelivered());
}

TEST_F(DeviceClientTest, JitterShortensPausesAndDiffersBetweenClients) {
  device_options chosen = options();
  chosen.reconnect = {.initial = seconds(8), .maximum = seconds(60), .jitter = 0.5};
  device_client client = make(chosen);
  let_in(client);
  stream().end(net::CloseReason::kReset);
  pass(seconds(4) - std::chrono::milliseconds(1));
  EXPECT_FALSE(dialled());
  pass(seconds(4) + std::chrono::milliseconds(1));
  EXPECT_TRUE(dialled());
}

TEST_F(DeviceClientTest, AMessageOfALostConnectionCannotBeCompleted) {
  device_client client = make(options());
  const auto before = let_in(client);
  Outcome<received_message> received;
  client.async_receive(received.callback());
  before->publish("%24.to=x", "m", 5);
  settle();
  stream().end(net::CloseReason::kReset);
  pass(seconds(1));
  const auto after = let_in();
  Outcome<> done;
  client.async_complete(std::move(received.value()), done.callback());
  settle();
  after->pump();
  EXPECT_TRUE(done.failed(errc::device_message_lock_lost));
  EXPECT_TRUE(after->completed.empty());
  EXPECT_EQ(client.undecided_messages(), 0U);
}

TEST_F(DeviceClientTest, ADroppedMessageIsSaidSo) {
  device_client client = make(options());
  const auto hub = let_in(client);
  {
    Outcome<received_message> received;
    client.async_receive(received.callback());
    hub->publish("%24.to=x&%24.mid=lost-1", "m", 5);
    settle();
  }
  settle();
  hub->pump();
  EXPECT_TRUE(hub->completed.empty());
  EXPECT_EQ(client.undecided_messages(), 1U);
  EXPECT_THAT(log_, ElementsAre(HasSubstr("'lost-1' was dropped without a decision")));
}

TEST_F(DeviceClientTest, AHalfOpenConnectionIsFoundByPing) {
  device_options chosen = options();
  chosen.keep_alive = seconds(60);
  device_client client = make(chosen);
  Outcome<> connected;
  client.async_connect(connected.callback());
  const auto hub = let_in();
  pass(seconds(60));
  hub->pump();  // The ping is answered.
  pass(seconds(31));
  EXPECT_EQ(client.state(), connection_state::connected);
  pass(seconds(30));
  pass(seconds(30));  // The next one is not.
  EXPECT_NE(client.state(), connection_state::connected);
  EXPECT_THAT(log_, ::testing::Contains(HasSubstr("did not answer a ping")));
}

TEST_F(DeviceClientTest, NothingWaitsForEver) {
  device_options chosen = options();
  chosen.connect_timeout = seconds(30);
  device_client silent = make(chosen);
  Outcome<> connected;
  silent.async_connect(connected.callback());
  reach();  // TLS is up, CONNECT is never answered.
  pass(seconds(31));
  EXPECT_TRUE(connected.failed(errc::timed_out));

  chosen.reconnect.retry_first_connect = true;
  chosen.operation_timeout = seconds(90);
  device_client patient = make(chosen);
  Outcome<> reached;
  patient.async_connect(reached.callback());
  settle();
  while (network_->clock.now().time_since_epoch() < seconds(121) && reached.pending()) {
    if (dialled()) refuse("Connection refused");
    pass(seconds(1));
  }
  EXPECT_TRUE(reached.failed(errc::timed_out));
  EXPECT_THAT(reached.why->message(), HasSubstr("Connection refused"));
  network_->dials.clear();
  pass(seconds(300));
  EXPECT_FALSE(dialled());
}

TEST_F(DeviceClientTest, RenewsItsTokenBeforeItEnds) {
  device_options chosen = options();
  chosen.token_life_time = seconds(3600);
  chosen.token_renewal_margin = seconds(300);
  device_client client = make(chosen);
  Outcome<> connected;
  client.async_connect(connected.callback());
  const auto first = let_in();
  states(client);
  live(*first, seconds(3299));
  EXPECT_FALSE(dialled());
  pass(seconds(1));
  first->pump();
  EXPECT_TRUE(first->said_goodbye);
  const auto second = let_in();
  EXPECT_NE(first->password, second->password);
  EXPECT_THAT(states(client), ElementsAre("connecting: the token is about to expire", "connected"));
}

TEST_F(DeviceClientTest, RenewalWaitsForWhatTheApplicationHolds) {
  device_client client = make(options());
  const auto hub = let_in(client);
  Outcome<received_message> received;
  client.async_receive(received.callback());
  hub->publish("%24.to=x", "m", 5);
  live(*hub, seconds(3310));
  EXPECT_FALSE(dialled());
  Outcome<> done;
  client.async_complete(std::move(received.value()), done.callback());
  settle();
  hub->pump();
  EXPECT_THAT(hub->completed, ElementsAre(5));
  EXPECT_TRUE(dialled());
}

TEST_F(DeviceClientTest, AProvidersTokenIsUsedAndItsFailureReported) {
  device_identity identity{.host_name = "hub.test", .device_id = "d1"};
  token_reply reply;
  identity.credential = token_provider([&](const token_request& request, token_reply answer) {
    EXPECT_EQ(request.audience, "hub.test/devices/d1");
    reply = std::move(answer);
  });
  {
    device_client client(io_.get_executor(), identity, options());
    Outcome<> connected;
    client.async_connect(connected.callback());
    settle();
    EXPECT_FALSE(dialled());
    const std::string token =
        *wire::make_sas_token({.audience = "hub.test/devices/d1",
                               .key = kKey,
                               .policy = "",
                               .expiry = network_->clock.wall() + seconds(60)});
    reply({}, token);
    const auto hub = let_in();
    EXPECT_EQ(hub->password, token);
    EXPECT_TRUE(connected.ok());
  }
  device_client client(io_.get_executor(), identity, options());
  Outcome<> connected;
  client.async_connect(connected.callback());
  settle();
  reply(error(std::make_error_code(std::errc::io_error), "vault sealed"), {});
  reply({}, "a second answer is ignored");
  settle();
  EXPECT_TRUE(connected.failed(errc::token_unavailable));
  EXPECT_THAT(connected.why->message(), HasSubstr("vault sealed"));
}

TEST_F(DeviceClientTest, CloseSaysGoodbyeAndEndsEverything) {
  device_client client = make(options());
  Outcome<> connected, closed, again, too_late;
  Outcome<received_message> received;
  client.async_connect(connected.callback());
  const auto hub = let_in();
  client.async_receive(received.callback());
  client.async_close(closed.callback());
  settle();
  hub->pump();
  EXPECT_TRUE(hub->said_goodbye);
  EXPECT_TRUE(closed.ok());
  EXPECT_TRUE(received.failed(errc::closed));
  client.async_close(again.callback());
  client.async_connect(too_late.callback());
  settle();
  EXPECT_TRUE(again.ok());
  EXPECT_TRUE(too_late.failed(errc::closed));
  EXPECT_THAT(states(client), ElementsAre("connecting", "connected", "closed"));
}

TEST_F(DeviceClientTest, DestructionFailsWhatIsPendingBeforeItReturns) {
  Outcome<> connected;
  Outcome<received_message> received;
  {
    device_client client = make(options());
    client.async_connect(connected.callback());
    let_in();
    client.async_receive(received.callback());
    settle();
  }
  io_.restart();
  io_.poll();
  EXPECT_TRUE(received.failed(errc::closed));
}

TEST_F(DeviceClientTest, CoroutinesThrowOrGetValues) {
  device_client client = make(options());
  std::vector<std::string> story;
  boost::asio::co_spawn(
      io_,
      [&]() -> boost::asio::awaitable<void> {
        try {
          co_await client.async_connect(use_awaitable);
        } catch (const exception& failure) {
          EXPECT_EQ(failure.code(), errc::connection_failed);
          story.emplace_back(failure.what());
        }
        co_await client.async_connect(use_awaitable);
        auto received = co_await client.async_receive(use_awaitable);
        story.emplace_back(received->text());
        auto [why] = co_await client.async_complete(std::move(received),
                                                    boost::asio::as_tuple(use_awaitable));
        EXPECT_FALSE(why);
        story.emplace_back("completed");
      },
      boost::asio::detached);
  refuse("Connection refused");
  const auto hub = let_in();
  hub->publish("%24.to=x", "m", 5);
  settle();
  EXPECT_THAT(story,
              ElementsAre("cannot connect to hub.test:8883: Connection refused", "m", "completed"));
}

TEST_F(DeviceClientTest, FuturesThrowToo) {
  device_client client = make(options());
  std::future<void> connected = client.async_connect(boost::asio::use_future);
  refuse("Connection refused");
  EXPECT_THROW(connected.get(), exception);
}

TEST_F(DeviceClientTest, AReceiveCanBeCancelledWithoutLosingAMessage) {
  device_client client = make(options());
  const auto hub = let_in(client);
  Outcome<received_message> cancelled, next;
  boost::asio::cancellation_signal stop;
  client.async_receive(boost::asio::bind_cancellation_slot(stop.slot(), cancelled.callback()));
  settle();
  stop.emit(boost::asio::cancellation_type::terminal);
  settle();
  EXPECT_TRUE(cancelled.failed(errc::operation_aborted));
  hub->publish("%24.to=x", "m", 5);
  client.async_receive(next.callback());
  settle();
  EXPECT_TRUE(next.ok());
}

TEST_F(DeviceClientTest, ARefusedSubscriptionIsAnError) {
  device_client client = make(options());
  Outcome<> connected;
  client.async_connect(connected.callback());
  auto hub = reach();
  hub->suback = static_cast<char>(0x80);
  hub->answer(mqtt::ConnectReturnCode::kAccepted);
  settle();
  hub->pump();
  settle();
  EXPECT_TRUE(connected.failed(errc::not_granted));
}

TEST_F(DeviceClientTest, TenThousandReconnectsKeepTheHandler) {
  device_options chosen = options();
  chosen.reconnect = {.initial = std::chrono::milliseconds(1),
                      .maximum = std::chrono::milliseconds(1)};
  device_client client = make(chosen);
  Outcome<> connected;
  client.async_connect(connected.callback());
  let_in();
  Outcome<received_message> received;
  client.async_receive(received.callback());
  for (int i = 0; i < 10'000; ++i) {
    stream().end(net::CloseReason::kReset);
    pass(std::chrono::milliseconds(1));
    streams_.erase(streams_.begin());
    const auto hub = let_in();
    ASSERT_EQ(client.state(), connection_state::connected) << i;
    if (i == 9'999) hub->publish("%24.to=x", "still here", 1);
  }
  settle();
  EXPECT_TRUE(received.ok());
}

}  // namespace
}  // namespace linarite::sdk
