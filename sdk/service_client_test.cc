#include <gmock/gmock.h>
#include <linarite/feedback.h>
#include <linarite/service_client.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include "http/http_date.h"
#include "http/server_connection.h"
#include "sdk/fake_amqp_hub.h"
#include "sdk/fake_network.h"
#include "wire/sas_token.h"
#include "wire/service_json.h"

namespace linarite::sdk {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kKey = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

// The hub at the other end of one scripted stream.
class ScriptedAmqpHub : public FakeAmqpHub {
 public:
  ScriptedAmqpHub(ScriptedStream& stream, ManualLoop& loop)
      : FakeAmqpHub(loop.clock(), [&stream](Bytes bytes) { stream.deliver(std::move(bytes)); }),
        stream_(stream) {}
  void pump() { receive(stream_.take_sent()); }

 private:
  ScriptedStream& stream_;
};

amqp::DeliveryState rejection(const std::string& condition, const std::string& description) {
  return amqp::DeliveryState::rejected({.condition = condition, .description = description});
}

class ServiceClientTest : public ClientTest {
 protected:
  service_options options() {
    service_options out;
    out.network = public_network();
    out.log = [this](log_level, std::string_view line) { log_.emplace_back(line); };
    out.reconnect = {.initial = seconds(1), .maximum = seconds(1), .jitter = 0};
    return out;
  }
  service_client make(service_options options) {
    return {io_.get_executor(),
            std::string("HostName=hub.test;SharedAccessKeyName=service;SharedAccessKey=") + kKey,
            std::move(options)};
  }
  // Both sides talk until neither has anything to say.
  void talk(ScriptedAmqpHub& hub) {
    for (int i = 0; i < 12; ++i) {
      settle();
      hub.pump();
    }
    settle();
  }
  std::unique_ptr<ScriptedAmqpHub> let_in(int32_t cbs_status = 200) {
    auto hub = std::make_unique<ScriptedAmqpHub>(accept(), *network_->loop);
    hub->cbs_status = cbs_status;
    talk(*hub);
    return hub;
  }
  ScriptedStream& stream() { return *streams_.back(); }
  // Answers the next HTTP request and returns it.
  http::Request answer(http::Response response, bool new_connection = true) {
    if (new_connection) {
      accept();
      http_ = std::make_unique<http::ServerConnection>(
          http::ServerHooks{
              .on_head = [](const http::Request&) { return size_t{1} << 20U; },
              .on_refusal = [](int status,
                               std::string_view) { return http::Response{.status = status}; }},
          network_->clock.now());
    }
    settle();
    http::ServerEvents events;
    http_->receive(stream().take_sent(), network_->clock.now(), events);
    if (!events.request) {
      ADD_FAILURE() << "no request came";
      return {};
    }
    http::Request out = *events.request;
    events.request.reset();
    http_->respond(response, network_->clock.now(), events);
    stream().deliver(events.output);
    settle();
    return out;
  }

  std::unique_ptr<http::ServerConnection> http_;
};

TEST_F(ServiceClientTest, SendsAsTheProtocolSays) {
  service_client client = make(options());
  message message("hello");
  message.message_id = "m1";
  message.correlation_id = "c1";
  message.user_id = "u1";
  message.content_type = "text/plain";
  message.content_encoding = "utf-8";
  message.expiry = wall_time(seconds(1'800'000'000));
  message.ack = feedback_request::full;
  message.properties = {{"b", "2"}, {"a", "1"}};
  Outcome<send_result> sent;
  client.async_send("d 1", message, sent.callback());
  settle();
  EXPECT_TRUE(sent.failed(errc::invalid_argument));
  Outcome<send_result> good;
  client.async_send("d1", message, good.callback());
  const auto hub = let_in();
  EXPECT_EQ(last_dial_.port, 5671);
  EXPECT_EQ(hub->sasl_mechanism, "MSSBCBS");
  EXPECT_EQ(hub->tokens, 1);
  ASSERT_EQ(hub->messages.size(), 1U);
  const amqp::Message& got = hub->messages[0].message;
  EXPECT_EQ(got.properties.message_id, amqp::Value::string("m1"));
  EXPECT_EQ(got.properties.correlation_id, amqp::Value::string("c1"));
  EXPECT_EQ(got.properties.user_id, "u1");
  EXPECT_EQ(got.properties.to, "/devices/d1/messages/devicebound");
  EXPECT_EQ(got.properties.content_type, "text/plain");
  EXPECT_EQ(got.properties.absolute_expiry_time_ms, 1'800'000'000'000);
  EXPECT_EQ(got.application_properties.find("iothub-ack")->text(), "full");
  EXPECT_EQ(got.application_properties.items().at(0).text(), "b");
  EXPECT_THAT(got.data, ElementsAre("hello"));
  EXPECT_TRUE(good.pending());
  hub->settle(0, amqp::DeliveryState::accepted());
  settle();
  ASSERT_TRUE(good.ok());
  EXPECT_EQ(good.value().attempts, 1U);
  EXPECT_FALSE(good.value().possibly_duplicated);
}

TEST_F(ServiceClientTest, ARejectionCarriesCodeTextAndTrackingId) {
  service_client client = make(options());
  Outcome<send_result> unknown, full, bare;
  client.async_send("d1", message("m"), unknown.callback());
  client.async_send("d2", message("m"), full.callback());
  client.async_send("d3", message("m"), bare.callback());
  const auto hub = let_in();
  hub->settle(0,
              rejection("amqp:not-found",
                        R"({"errorCode":404001,"trackingId":"t-1","message":"no such device"})"));
  hub->settle(1, rejection("amqp:resource-limit-exceeded",
                           R"({"errorCode":403004,"trackingId":"","message":"queue full"})"));
  hub->settle(2, rejection("com.microsoft:device-container-throttled", "slow down"));
  settle();
  EXPECT_TRUE(unknown.failed(errc::device_not_found));
  EXPECT_EQ(unknown.why->message(), "no such device");
  EXPECT_EQ(unknown.why->tracking_id(), "t-1");
  EXPECT_TRUE(full.failed(errc::device_maximum_queue_depth_exceeded));
  EXPECT_TRUE(bare.failed(errc::throttled));
  EXPECT_EQ(bare.why->message(), "slow down");
}

TEST_F(ServiceClientTest, AnOutcomeLostWithItsConnectionIsReportedAsUnknown) {
  service_client client = make(options());
  Outcome<send_result> sent, waiting;
  client.async_send("d1", message("m"), sent.callback());
  const auto hub = let_in();
  ASSERT_EQ(hub->messages.size(), 1U);
  stream().end(net::CloseReason::kReset);
  settle();
  EXPECT_TRUE(sent.failed(errc::outcome_unknown));
  pass(seconds(5));
  EXPECT_FALSE(dialled());  // Nothing waits, so nothing is connected.
  client.async_send("d1", message("n"), waiting.callback());
  const auto again = let_in();
  ASSERT_EQ(again->messages.size(), 1U);
  EXPECT_THAT(again->messages[0].message.data, ElementsAre("n"));
}

TEST_F(ServiceClientTest, OrSentAgainAndSaidSo) {
  service_options chosen = options();
  chosen.when_outcome_is_lost = service_options::lost_outcome::send_again;
  service_client client = make(chosen);
  Outcome<send_result> first, second;
  client.async_send("d1", message("1"), first.callback());
  client.async_send("d1", message("2"), second.callback());
  const auto before = let_in();
  ASSERT_EQ(before->messages.size(), 2U);
  stream().end(net::CloseReason::kReset);
  pass(seconds(1));
  const auto after = let_in();
  ASSERT_EQ(after->messages.size(), 2U);
  EXPECT_THAT(after->messages[0].message.data, ElementsAre("1"));
  after->settle(0, amqp::DeliveryState::accepted());
  settle();
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first.value().attempts, 2U);
  EXPECT_TRUE(first.value().possibly_duplicated);
  EXPECT_TRUE(second.pending());
}

TEST_F(ServiceClientTest, ARestartBetweenSendsKeepsWhatWaits) {
  service_client client = make(options());
  Outcome<send_result> first, second;
  client.async_send("d1", message("1"), first.callback());
  const auto before = let_in();
  before->settle(0, amqp::DeliveryState::accepted());
  settle();
  ASSERT_TRUE(first.ok());
  stream().end(net::CloseReason::kPeerClosed);
  settle();
  client.async_send("d1", message("2"), second.callback());
  refuse("Connection refused");
  EXPECT_TRUE(second.pending());
  pass(seconds(1));
  const auto after = let_in();
  after->settle(0, amqp::DeliveryState::accepted());
  settle();
  EXPECT_TRUE(second.ok());
  EXPECT_EQ(second.value().attempts, 1U);
}

TEST_F(ServiceClientTest, TheOfflineQueueHasItsLimitAndPolicy) {
  service_options chosen = options();
  chosen.reconnect.retry_first_connect = true;
  chosen.offline_queue = {.limit = 2};
  {
    service_client client = make(chosen);
    Outcome<send_result> a, b, c;
    client.async_send("d1", message("a"), a.callback());
    client.async_send("d1", message("b"), b.callback());
    client.async_send("d1", message("c"), c.callback());
    settle();
    EXPECT_TRUE(c.failed(errc::offline_queue_full));
    EXPECT_TRUE(a.pending());
    pass(seconds(60));
    EXPECT_TRUE(a.failed(errc::timed_out));
    EXPECT_TRUE(b.failed(errc::timed_out));
  }
  settle();
  chosen.offline_queue.when_full = offline_queue_options::policy::drop_oldest;
  service_client client = make(chosen);
  Outcome<send_result> a, b, c;
  client.async_send("d1", message("a"), a.callback());
  client.async_send("d1", message("b"), b.callback());
  client.async_send("d1", message("c"), c.callback());
  settle();
  EXPECT_TRUE(a.failed(errc::dropped_from_queue));
  EXPECT_TRUE(b.pending());
  EXPECT_TRUE(c.pending());
}

TEST_F(ServiceClientTest, ARefusedTokenFailsAtOnceAndSaysWhatToLookAt) {
  service_client client = make(options());
  Outcome<send_result> sent;
  client.async_send("d1", message("m"), sent.callback());
  let_in(401);
  EXPECT_TRUE(sent.failed(errc::iot_hub_unauthorized_access));
  EXPECT_THAT(sent.why->message(), HasSubstr("SharedAccessKey"));
  pass(seconds(60));
  EXPECT_FALSE(dialled());
}

TEST_F(ServiceClientTest, ALinkWithoutPermissionFailsWhatWaits) {
  service_client client = make(options());
  Outcome<send_result> sent;
  client.async_send("d1", message("m"), sent.callback());
  const auto hub = let_in();
  hub->detach_sender({.condition = "amqp:unauthorized-access",
                      .description = R"({"errorCode":401003,"message":"no ServiceConnect"})"});
  settle();
  EXPECT_TRUE(sent.failed(errc::outcome_unknown));  // It had been sent.
  Outcome<send_result> next;
  client.async_send("d1", message("m"), next.callback());
  EXPECT_TRUE(dialled());
}

TEST_F(ServiceClientTest, ConnectSaysWhenTheHubTakesMessages) {
  service_client client = make(options());
  Outcome<> connected, again;
  client.async_connect(connected.callback());
  settle();
  EXPECT_TRUE(connected.pending());
  const auto hub = let_in();
  EXPECT_TRUE(connected.ok());
  client.async_connect(again.callback());
  settle();
  EXPECT_TRUE(again.ok());
  EXPECT_FALSE(dialled());
}

TEST_F(ServiceClientTest, ConnectFailsWhenRefusedLateCancelledOrClosed) {
  service_client client = make(options());
  Outcome<> refused, late, cancelled, closed, after;
  client.async_connect(refused.callback());
  let_in(401);
  EXPECT_TRUE(refused.failed(errc::iot_hub_unauthorized_access));
  boost::asio::cancellation_signal stop;
  client.async_connect(late.callback());
  client.async_connect(boost::asio::bind_cancellation_slot(stop.slot(), cancelled.callback()));
  settle();
  stop.emit(boost::asio::cancellation_type::terminal);
  settle();
  EXPECT_TRUE(cancelled.failed(errc::operation_aborted));
  pass(options().operation_timeout);
  EXPECT_EQ(late.calls, 1);
  client.async_connect(closed.callback());
  client.async_close([](const error&) {});
  client.async_connect(after.callback());
  settle();
  EXPECT_TRUE(closed.failed(errc::closed));
  EXPECT_TRUE(after.failed(errc::closed));
}

TEST_F(ServiceClientTest, RenewsItsTokenOnTheSameConnection) {
  service_client client = make(options());
  Outcome<send_result> sent;
  client.async_send("d1", message("m"), sent.callback());
  const auto hub = let_in();
  hub->settle(0, amqp::DeliveryState::accepted());
  for (int i = 0; i < 56; ++i) {
    pass(seconds(60));
    talk(*hub);
  }
  EXPECT_EQ(hub->tokens, 2);
  EXPECT_TRUE(stream().open());
}

TEST_F(ServiceClientTest, AProviderThatFailsOnceDoesNotCostTheConnection) {
  std::vector<token_reply> asked;
  service_identity identity{.host_name = "hub.test"};
  identity.credential = token_provider(
      [&](const token_request&, token_reply reply) { asked.push_back(std::move(reply)); });
  const auto token = [&] {
    return *wire::make_sas_token({.audience = "hub.test",
                                  .key = kKey,
                                  .policy = "service",
                                  .expiry = network_->clock.wall() + seconds(1200)});
  };
  service_client client(io_.get_executor(), identity, options());
  Outcome<send_result> sent;
  client.async_send("d1", message("m"), sent.callback());
  settle();
  ASSERT_EQ(asked.size(), 1U);
  asked[0]({}, token());
  const auto hub = let_in();
  hub->settle(0, amqp::DeliveryState::accepted());
  for (int i = 0; i < 15; ++i) {
    pass(seconds(60));
    talk(*hub);
  }
  ASSERT_EQ(asked.size(), 2U);  // 300 s before the end.
  asked[1](errc::token_unavailable, {});
  for (int i = 0; i < 3; ++i) {
    pass(seconds(60));
    talk(*hub);
  }
  ASSERT_EQ(asked.size(), 3U);
  asked[2]({}, token());
  talk(*hub);
  EXPECT_EQ(hub->tokens, 2);
  EXPECT_TRUE(stream().open());
}

TEST_F(ServiceClientTest, CancellingAWaitingSendNeverSendsIt) {
  service_client client = make(options());
  Outcome<send_result> sent;
  boost::asio::cancellation_signal stop;
  client.async_send("d1", message("m"),
                    boost::asio::bind_cancellation_slot(stop.slot(), sent.callback()));
  settle();
  stop.emit(boost::asio::cancellation_type::terminal);
  settle();
  EXPECT_TRUE(sent.failed(errc::operation_aborted));
  EXPECT_TRUE(let_in()->messages.empty());
}

wire::FeedbackRecord record(const std::string& id, wire::FeedbackStatus status = {}) {
  return {.original_message_id = id,
          .enqueued = WallTime(seconds(1'700'000'001)),
          .status = status,
          .device_id = "d1",
          .device_generation_id = "g"};
}

TEST_F(ServiceClientTest, FeedbackIsTakenOnlyWhenAskedForAndAcceptedOrGivenBack) {
  service_client client = make(options());
  feedback_receiver feedback(client);
  Outcome<feedback_batch> first, second, third;
  feedback.async_receive(first.callback());
  const auto hub = let_in();
  EXPECT_EQ(hub->feedback_credit(), 1U);
  hub->send_feedback({record("m1"), record("m2", wire::FeedbackStatus::kExpired)});
  talk(*hub);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(hub->feedback_credit(), 0U);
  ASSERT_EQ(first.value().records().size(), 2U);
  EXPECT_EQ(first.value().records()[1].message_id, "m2");
  EXPECT_EQ(first.value().records()[1].status, feedback_status::expired);
  Outcome<> accepted, abandoned;
  feedback.async_accept(std::move(first.value()), accepted.callback());
  talk(*hub);
  EXPECT_TRUE(accepted.ok());
  feedback.async_receive(second.callback());
  talk(*hub);
  hub->send_feedback({record("m3")});
  talk(*hub);
  feedback.async_abandon(std::move(second.value()), abandoned.callback());
  talk(*hub);
  feedback.async_receive(third.callback());
  talk(*hub);
  hub->send_feedback({record("m3")});
  talk(*hub);
  third.value() = feedback_batch();  // Dropped undecided.
  talk(*hub);
  EXPECT_THAT(hub->feedback_outcomes, ElementsAre("accepted", "released", "released"));
}

TEST_F(ServiceClientTest, WaitForTakesOneRecordAndKeepsTheOthersForTheNext) {
  service_client client = make(options());
  feedback_receiver feedback(client);
  Outcome<feedback_record> one, two;
  feedback.async_wait_for("m1", one.callback());
  const auto hub = let_in();
  hub->send_feedback({record("m2"), record("m1", wire::FeedbackStatus::kRejected)});
  talk(*hub);
  ASSERT_TRUE(one.ok());
  EXPECT_EQ(one.value().status, feedback_status::rejected);
  EXPECT_TRUE(hub->feedback_outcomes.empty());
  feedback.async_wait_for("m2", two.callback());
  talk(*hub);
  EXPECT_TRUE(two.ok());
  EXPECT_THAT(hub->feedback_outcomes, ElementsAre("accepted"));
}

TEST_F(ServiceClientTest, WaitForGivesBackWhatOthersWaitForAndEnds) {
  service_client client = make(options());
  feedback_receiver feedback(client);
  Outcome<feedback_record> one;
  feedback.async_wait_for("m1", one.callback());
  const auto hub = let_in();
  hub->send_feedback({record("of somebody else")});
  talk(*hub);
  pass(seconds(45));
  talk(*hub);
  EXPECT_THAT(hub->feedback_outcomes, ElementsAre("released"));
  EXPECT_TRUE(one.pending());
  pass(seconds(15));
  EXPECT_TRUE(one.failed(errc::timed_out));
  EXPECT_THAT(one.why->message(), HasSubstr("'m1'"));
}

TEST_F(ServiceClientTest, AWaitingReceiverSurvivesALostConnection) {
  service_client client = make(options());
  feedback_receiver feedback(client);
  Outcome<feedback_batch> received;
  feedback.async_receive(received.callback());
  let_in();
  stream().end(net::CloseReason::kReset);
  pass(seconds(1));
  const auto hub = let_in();
  hub->send_feedback({record("m1")});
  talk(*hub);
  EXPECT_TRUE(received.ok());
}

TEST_F(ServiceClientTest, ManagesTheRegistry) {
  service_client client = make(options());
  Outcome<device> created;
  client.async_create_device({.device_id = "d#1", .status_reason = "new"}, created.callback());
  http::Response response{.status = 200};
  response.body =
      R"({"deviceId":"d#1","generationId":"7","etag":"AAA=","connectionState":"Connected",
      "status":"disabled","statusReason":null,"lastActivityTime":"2024-01-02T03:04:05Z",
      "connectionStateUpdatedTime":"0001-01-01T00:00:00","cloudToDeviceMessageCount":3,
      "authentication":{"type":"sas","symmetricKey":{"primaryKey":"cA==","secondaryKey":"cw=="}}})";
  const http::Request put = answer(response);
  EXPECT_EQ(put.method, "PUT");
  EXPECT_EQ(put.target, "/devices/d%231?api-version=2021-04-12");
  EXPECT_FALSE(put.headers.find("If-Match"));
  EXPECT_TRUE(put.headers.find("Authorization")->starts_with("SharedAccessSignature "));
  EXPECT_THAT(put.body, HasSubstr(R"("statusReason":"new")"));
  ASSERT_TRUE(created.ok());
  EXPECT_EQ(created.value().etag, "AAA=");
  EXPECT_TRUE(created.value().connected);
  EXPECT_EQ(created.value().status, device_status::disabled);
  EXPECT_EQ(created.value().cloud_to_device_message_count, 3U);
  EXPECT_EQ(created.value().primary_key, "cA==");
  EXPECT_FALSE(created.value().connection_state_updated);
  EXPECT_TRUE(created.value().last_activity);

  Outcome<device> updated;
  client.async_update_device(created.value(), updated.callback());
  const http::Request update = answer(response, false);
  EXPECT_EQ(update.headers.find("If-Match"), "\"AAA=\"");

  Outcome<registry_statistics> statistics;
  client.async_registry_statistics(statistics.callback());
  answer({.body = R"({"totalDeviceCount":3,"enabledDeviceCount":2,"disabledDeviceCount":1})"},
         false);
  EXPECT_EQ(statistics.value(), (registry_statistics{3, 2, 1}));

  Outcome<uint64_t> purged;
  client.async_purge("d1", purged.callback());
  const http::Request purge =
      answer({.body = R"({"totalMessagesPurged":5,"deviceId":"d1","moduleId":null})"}, false);
  EXPECT_EQ(purge.target, "/devices/d1/commands?api-version=2021-04-12");
  EXPECT_EQ(purged.value(), 5U);

  Outcome<std::vector<device>> listed;
  client.async_list_devices(listed.callback());
  const http::Request list = answer({.body = R"([{"deviceId":"a"},{"deviceId":"b"}])"}, false);
  EXPECT_EQ(list.target, "/devices?top=1000&api-version=2021-04-12");
  EXPECT_EQ(listed.value().size(), 2U);
  client.async_list_devices(7, listed.callback());
  EXPECT_EQ(answer({.body = "[]"}, false).target, "/devices?top=7&api-version=2021-04-12");

  Outcome<> deleted;
  client.async_delete_device("d1", "", deleted.callback());
  EXPECT_EQ(answer({.status = 204}, false).headers.find("If-Match"), "*");
  EXPECT_TRUE(deleted.ok());
}

TEST_F(ServiceClientTest, AnHttpErrorCarriesCodeTextAndTrackingId) {
  service_client client = make(options());
  Outcome<device> got, denied;
  client.async_get_device("d1", got.callback());
  http::Response response{.status = 404};
  response.headers.add("iothub-errorcode", "DeviceNotFound");
  response.body =
      R"({"Message":"ErrorCode:DeviceNotFound;no such device","ExceptionMessage":"Tracking ID:t-2"})";
  answer(response);
  EXPECT_TRUE(got.failed(errc::device_not_found));
  EXPECT_EQ(got.why->message(), "no such device");
  EXPECT_EQ(got.why->tracking_id(), "t-2");

  client.async_get_device("d1", denied.callback());
  http::Response refusal{.status = 401};
  refusal.headers.add("Date", http::http_date(network_->clock.wall() + std::chrono::hours(2)));
  answer(refusal, false);
  EXPECT_TRUE(denied.failed(errc::clock_wrong));
  EXPECT_THAT(denied.why->message(), HasSubstr("120 minutes behind"));
}

TEST_F(ServiceClientTest, TheHubsTimeIsToldWhateverItAnswers) {
  service_client client = make(options());
  const WallTime there(seconds(1'600'000'000));
  for (const int status : {200, 401}) {
    Outcome<wall_time> told;
    client.async_hub_time(told.callback());
    http::Response response{.status = status, .body = "{}"};
    response.headers.add("Date", http::http_date(there));
    EXPECT_EQ(answer(response, status == 200).method, "GET");
    ASSERT_TRUE(told.ok()) << status;
    EXPECT_EQ(told.value(), there);
  }
  Outcome<wall_time> without, refused;
  client.async_hub_time(without.callback());
  answer({.status = 200, .body = "{}"}, false);
  EXPECT_TRUE(without.failed(errc::protocol_error));
  client.async_hub_time(refused.callback());
  answer({.status = 503}, false);
  EXPECT_TRUE(refused.failed(errc{503000}));
}

TEST_F(ServiceClientTest, AnUnansweredChangeIsUnknownAndAnUnansweredReadIsRepeated) {
  service_client client = make(options());
  Outcome<device> created, read;
  client.async_create_device({.device_id = "d1"}, created.callback());
  accept();
  settle();
  stream().end(net::CloseReason::kReset);
  settle();
  EXPECT_TRUE(created.failed(errc::outcome_unknown));

  client.async_get_device("d1", read.callback());
  answer({.body = R"({"deviceId":"d1"})"});
  Outcome<device> again;
  client.async_get_device("d1", again.callback());
  settle();
  stream().end(net::CloseReason::kPeerClosed);  // The kept connection had just died.
  answer({.body = R"({"deviceId":"d1"})"});
  EXPECT_TRUE(again.ok());

  Outcome<device> silent;
  client.async_get_device("d1", silent.callback());
  pass(seconds(60));
  EXPECT_TRUE(silent.failed(errc::timed_out));
}

TEST_F(ServiceClientTest, CloseEndsEverythingAndSaysWhatIsUnknown) {
  service_client client = make(options());
  feedback_receiver feedback(client);
  Outcome<send_result> sent;
  Outcome<feedback_batch> received;
  client.async_send("d1", message("m"), sent.callback());
  feedback.async_receive(received.callback());
  const auto hub = let_in();
  Outcome<> closed;
  client.async_close(closed.callback());
  settle();
  hub->pump();
  EXPECT_TRUE(hub->closed);
  EXPECT_TRUE(closed.ok());
  EXPECT_TRUE(sent.failed(errc::outcome_unknown));
  EXPECT_TRUE(received.failed(errc::closed));
  Outcome<send_result> late;
  client.async_send("d1", message("m"), late.callback());
  settle();
  EXPECT_TRUE(late.failed(errc::closed));
}

}  // namespace
}  // namespace linarite::sdk
