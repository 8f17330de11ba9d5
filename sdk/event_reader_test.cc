#include <gmock/gmock.h>
#include <linarite/blocking.h>
#include <linarite/events.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include "sdk/event_position.h"
#include "sdk/events_session.h"
#include "sdk/fake_event_hub.h"
#include "sdk/fake_network.h"

namespace linarite::sdk {
namespace {

using std::chrono::seconds;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kService =
    "HostName=hub.test;SharedAccessKeyName=service;"
    "SharedAccessKey=MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

class ScriptedEventHub final : public FakeEventHub {
 public:
  ScriptedEventHub(ScriptedStream& stream, ManualLoop& loop)
      : FakeEventHub(loop.clock(), [&stream](Bytes bytes) { stream.deliver(std::move(bytes)); }),
        stream_(stream) {}
  void pump() { receive(stream_.take_sent()); }

 private:
  ScriptedStream& stream_;
};

class EventReaderTest : public ClientTest {
 protected:
  event_reader_options options(event_position begin = event_position::earliest()) {
    event_reader_options out;
    out.network = public_network();
    out.log = [this](log_level, std::string_view line) { log_.emplace_back(line); };
    out.reconnect = {.initial = seconds(1), .maximum = seconds(1), .jitter = 0};
    out.begin = std::move(begin);
    return out;
  }
  event_reader make(event_reader_options options, const char* text = kService) {
    return {io_.get_executor(), text, std::move(options)};
  }
  void talk(ScriptedEventHub& hub) {
    for (int i = 0; i < 12; ++i) {
      settle();
      hub.pump();
    }
    settle();
  }
  using Hub = std::unique_ptr<ScriptedEventHub>;
  // The client's next connection; the test may change the hub before it speaks.
  Hub meet(const std::function<void(ScriptedEventHub&)>& change = nullptr) {
    auto hub = std::make_unique<ScriptedEventHub>(accept(), *network_->loop);
    if (change) change(*hub);
    talk(*hub);
    return hub;
  }
  void lose_connection() {
    streams_.back()->end(net::CloseReason::kReset);
    pass(seconds(1));
  }
  static std::vector<std::string> places(const std::vector<event>& events) {
    std::vector<std::string> out;
    for (const event& one : events) {
      out.push_back(std::to_string(one.partition) + "/" + std::to_string(one.sequence_number));
    }
    return out;
  }
};

using Received = Outcome<std::vector<event>>;

TEST_F(EventReaderTest, LearnsThePartitionsAndReadsThemAll) {
  event_reader reader = make(options());
  Received received;
  reader.async_receive(received.callback());
  const Hub hub = meet();
  EXPECT_EQ(last_dial_.port, 5671);
  EXPECT_EQ(hub->cbs_name, "hub.test");
  EXPECT_THAT(hub->names, Each(std::string("hub")));
  EXPECT_THAT(hub->take_seen(), ElementsAre("READ hub", "0: amqp.annotation.x-opt-offset > '-1'",
                                            "1: amqp.annotation.x-opt-offset > '-1'"));
  EXPECT_EQ(hub->addresses[1], "hub/ConsumerGroups/$Default/Partitions/1");
  EXPECT_TRUE(received.pending());
  hub->send_event(1, 0, "hello");
  talk(*hub);
  ASSERT_TRUE(received.ok());
  ASSERT_EQ(received.value().size(), 1U);
  EXPECT_EQ(received.value()[0].partition, 1U);
  EXPECT_EQ(received.value()[0].content.text(), "hello");
}

// --- Positions.

TEST(EventPosition, AsTheFilterOfALink) {
  const auto text = [](const event_position& position) {
    return check_position(position) ? "refused" : selector_text(position);
  };
  EXPECT_EQ(text(event_position::earliest()), "amqp.annotation.x-opt-offset > '-1'");
  EXPECT_EQ(text(event_position::latest()), "amqp.annotation.x-opt-offset > '@latest'");
  EXPECT_EQ(text(event_position::enqueued_after(wall_time(seconds(5)))),
            "amqp.annotation.x-opt-enqueued-time > '5000'");
  EXPECT_EQ(text(event_position::from_offset("512")), "amqp.annotation.x-opt-offset > '512'");
  EXPECT_EQ(text(event_position::from_offset("1:0:7", true)),
            "amqp.annotation.x-opt-offset >= '1:0:7'");
  EXPECT_EQ(text(event_position::from_sequence_number(41)),
            "amqp.annotation.x-opt-sequence-number > '41'");
  EXPECT_EQ(text(event_position::from_sequence_number(41, true)),
            "amqp.annotation.x-opt-sequence-number >= '41'");
  EXPECT_EQ(text(event_position::from_sequence_number(-1)), "amqp.annotation.x-opt-offset > '-1'");
  EXPECT_EQ(text(event_position::from_sequence_number(-2)), "refused");
  EXPECT_EQ(text(event_position::from_offset("")), "refused");
  EXPECT_EQ(text(event_position::from_offset("1' OR '1")), "refused");
  EXPECT_EQ(text(event_position::from_offset(std::string(129, '1'))), "refused");
}

TEST_F(EventReaderTest, EachPartitionHasItsOwnCheckpoint) {
  auto chosen = options();
  chosen.consumer_group = "group";
  chosen.begin_in = {{1, event_position::from_sequence_number(41)}};
  event_reader reader = make(chosen);
  Received received;
  reader.async_receive(received.callback());
  const Hub hub = meet();
  EXPECT_THAT(hub->take_seen(), ElementsAre("READ hub", "0: amqp.annotation.x-opt-offset > '-1'",
                                            "1: amqp.annotation.x-opt-sequence-number > '41'"));
  EXPECT_EQ(hub->addresses[0], "hub/ConsumerGroups/group/Partitions/0");
}

TEST_F(EventReaderTest, OnlyThePartitionsThatAreAskedFor) {
  auto chosen = options();
  chosen.partitions = {2, 1, 2};
  event_reader reader = make(chosen);
  Received received;
  reader.async_receive(received.callback());
  const Hub hub = meet([](auto& hub) { hub.partitions = {{0, {}}, {1, {}}, {2, {}}, {3, {}}}; });
  EXPECT_THAT(hub->take_seen(), ElementsAre("READ hub", "1: amqp.annotation.x-opt-offset > '-1'",
                                            "2: amqp.annotation.x-opt-offset > '-1'"));
}

TEST_F(EventReaderTest, APartitionThatIsNotThereIsSaid) {
  for (const bool as_checkpoint : {false, true}) {
    auto chosen = options();
    if (as_checkpoint) {
      chosen.begin_in = {{7, event_position::latest()}};
    } else {
      chosen.partitions = {0, 7};
    }
    event_reader reader = make(chosen);
    Received received;
    reader.async_receive(received.callback());
    const Hub hub = meet();
    EXPECT_TRUE(received.failed(errc::amqp_address_not_found));
    EXPECT_EQ(received.why->message(), "the hub has no partition 7: it has 2, from 0 to 1");
    EXPECT_THAT(hub->take_seen(), ElementsAre("READ hub"));
    pass(seconds(60));
    EXPECT_FALSE(dialled());
  }
}

TEST_F(EventReaderTest, OptionsThatMakeNoSenseAreRefusedWithoutAConnection) {
  std::vector<event_reader_options> wrong(3, options());
  wrong[0].begin = event_position::from_offset("'");
  wrong[1].begin_in = {{3, event_position::from_sequence_number(-2)}};
  wrong[2].owner_level = -1;
  std::vector<std::string> said;
  for (const auto& one : wrong) {
    event_reader reader = make(one);
    Received received;
    reader.async_receive(received.callback());
    EXPECT_FALSE(dialled());
    EXPECT_TRUE(received.failed(errc::invalid_argument));
    said.push_back(received.why->message());
  }
  EXPECT_THAT(said, ElementsAre(HasSubstr("offset"), HasSubstr("partition 3: a sequence number"),
                                HasSubstr("owner level")));
}

// --- Lost connections.

TEST_F(EventReaderTest, GoesOnBehindTheLastEventOfEachPartition) {
  event_reader reader = make(options());
  Received first, second, third;
  reader.async_receive(first.callback());
  const Hub hub = meet();
  hub->send_event(0, 0);
  hub->send_event(0, 1);
  talk(*hub);
  reader.async_receive(second.callback());
  reader.async_receive(third.callback());
  settle();
  EXPECT_THAT(places(second.value()), ElementsAre("0/1"));
  lose_connection();
  const Hub again = meet();
  EXPECT_THAT(again->take_seen(), ElementsAre("0: amqp.annotation.x-opt-sequence-number > '1'",
                                              "1: amqp.annotation.x-opt-offset > '-1'"));
  again->send_event(0, 2);
  talk(*again);
  EXPECT_THAT(places(third.value()), ElementsAre("0/2"));
}

TEST_F(EventReaderTest, LatestIsWhereThePartitionFirstEnded) {
  event_reader reader = make(options(event_position::latest()));
  Received received;
  reader.async_receive(received.callback());
  const Hub hub = meet([](auto& hub) { hub.partitions[1] = {.begin = 3, .last = 41}; });
  EXPECT_THAT(hub->take_seen(),
              ElementsAre("READ hub", "READ 0", "READ 1", "0: amqp.annotation.x-opt-offset > '-1'",
                          "1: amqp.annotation.x-opt-sequence-number > '41'"));
  lose_connection();
  // Events came meanwhile: the hub is not asked for its end again.
  const Hub again = meet([](auto& hub) { hub.partitions = {{0, {.last = 5}}, {1, {.last = 50}}}; });
  EXPECT_THAT(again->take_seen(), ElementsAre("0: amqp.annotation.x-opt-offset > '-1'",
                                              "1: amqp.annotation.x-opt-sequence-number > '41'"));
  again->send_event(0, 0);
  talk(*again);
  EXPECT_THAT(places(received.value()), ElementsAre("0/0"));
  EXPECT_THAT(log_, Not(Contains(HasSubstr("retention"))));
}

TEST_F(EventReaderTest, AnEndThatWasNotToldBeforeTheLossIsAskedForAgain) {
  event_reader reader = make(options(event_position::latest()));
  Received received;
  reader.async_receive(received.callback());
  const Hub hub = meet([](auto& hub) { hub.answers = false; });
  EXPECT_THAT(hub->take_seen(), ElementsAre("READ hub"));
  lose_connection();
  const Hub again = meet();
  EXPECT_THAT(again->take_seen(),
              ElementsAre("READ hub", "READ 0", "READ 1", "0: amqp.annotation.x-opt-offset > '-1'",
                          "1: amqp.annotation.x-opt-offset > '-1'"));
}

TEST_F(EventReaderTest, EventsThatWereDroppedMeanwhileAreWrittenToTheLog) {
  event_reader reader = make(options());
  Received first, second;
  reader.async_receive(first.callback());
  const Hub hub = meet();
  hub->send_event(0, 4);
  talk(*hub);
  EXPECT_THAT(log_, Not(Contains(HasSubstr("retention"))));
  reader.async_receive(second.callback());
  lose_connection();
  const Hub again = meet();
  again->send_event(0, 9);
  talk(*again);
  EXPECT_THAT(places(second.value()), ElementsAre("0/9"));
  EXPECT_THAT(log_, Contains(HasSubstr("partition 0: the events 5 to 8 were gone")));
}

// --- Owners and refusals.

TEST_F(EventReaderTest, TheOwnerLevelIsToldAndBeingDisconnectedIsFinal) {
  auto chosen = options();
  chosen.owner_level = 3;
  event_reader reader = make(chosen);
  Received first, second, third, fourth;
  reader.async_receive(first.callback());
  const Hub hub = meet();
  EXPECT_THAT(hub->take_seen(),
              ElementsAre("READ hub", "0 epoch 3: amqp.annotation.x-opt-offset > '-1'",
                          "1 epoch 3: amqp.annotation.x-opt-offset > '-1'"));
  hub->send_event(0, 0);
  talk(*hub);
  hub->send_event(0, 1);  // Nobody waits for it yet.
  hub->detach(0, {.condition = "amqp:link:stolen", .description = "higher epoch of '4'"});
  talk(*hub);
  reader.async_receive(second.callback());
  reader.async_receive(third.callback());
  settle();
  EXPECT_THAT(places(second.value()), ElementsAre("0/1"));
  EXPECT_TRUE(third.failed(errc::consumer_disconnected));
  EXPECT_EQ(third.why->message(), "partition 0: higher epoch of '4'");
  EXPECT_FALSE(is_transient(*third.why));
  EXPECT_EQ(hub->credit(1), 0U);  // Its other partitions are free too.
  lose_connection();
  EXPECT_FALSE(dialled());
  reader.async_receive(fourth.callback());
  EXPECT_FALSE(dialled());
  EXPECT_TRUE(fourth.failed(errc::consumer_disconnected));
}

TEST_F(EventReaderTest, ALevelTooLowIsRefusedTheSameWay) {
  event_reader reader = make(options());
  Received received;
  reader.async_receive(received.callback());
  const Hub hub = meet([](auto& hub) { hub.refusals["1"] = {.condition = "amqp:link:stolen"}; });
  EXPECT_TRUE(received.failed(errc::consumer_disconnected));
  Outcome<partition_properties> asked;  // The hub can still be asked.
  reader.async_get_partition_properties(0, asked.callback());
  talk(*hub);
  EXPECT_TRUE(asked.ok());
}

TEST_F(EventReaderTest, ARefusalNamesThePartitionAndTheNextCallTriesAgain) {
  event_reader reader = make(options());
  Received group, full, good;
  reader.async_receive(group.callback());
  meet([](auto& hub) {
    hub.refusals["0"] = {.condition = "amqp:not-found", .description = "no such consumer group"};
  });
  EXPECT_TRUE(group.failed(errc::amqp_address_not_found));
  EXPECT_EQ(group.why->message(), "partition 0: no such consumer group");
  pass(seconds(60));
  EXPECT_FALSE(dialled());
  reader.async_receive(full.callback());
  meet([](auto& hub) {
    hub.refusals["1"] = {.condition = "amqp:resource-limit-exceeded", .description = "5 receivers"};
  });
  EXPECT_TRUE(full.failed(errc::too_many_receivers));
  reader.async_receive(good.callback());
  const Hub hub = meet();
  hub->send_event(0, 0);
  talk(*hub);
  EXPECT_TRUE(good.ok());
}

TEST_F(EventReaderTest, ItsOwnDeadLinksAtTheHubAreWaitedFor) {
  event_reader reader = make(options());
  Received received;
  reader.async_receive(received.callback());
  meet();
  lose_connection();
  meet([](auto& hub) { hub.refusals["0"] = {.condition = "amqp:resource-limit-exceeded"}; });
  EXPECT_TRUE(received.pending());
  pass(seconds(1));
  const Hub hub = meet();
  hub->send_event(0, 0);
  talk(*hub);
  EXPECT_TRUE(received.ok());
}

// --- Credit.

TEST_F(EventReaderTest, AsksForNoMoreThanItMayKeep) {
  event_reader reader = make(options());
  Received first, second;
  reader.async_receive(first.callback());
  const Hub hub = meet([](auto& hub) {
    hub.partitions.clear();
    for (uint32_t i = 0; i < 32; ++i) hub.partitions[i] = {};
  });
  const auto asked = [&] {
    size_t sum = 0;
    for (uint32_t i = 0; i < 32; ++i) sum += hub->credit(i);
    return sum;
  };
  EXPECT_EQ(hub->credit(31), EventsSession::kWaitingMax / 32);
  hub->send_event(0, 0);
  talk(*hub);
  ASSERT_TRUE(first.ok());
  // Nobody takes what comes: at some time nothing more may come.
  size_t sent = 0;
  while (asked() > 0) {
    for (uint32_t i = 0; i < 32; ++i) {
      for (; hub->credit(i) > 0; ++sent) hub->send_event(i, static_cast<int64_t>(sent) + 1);
    }
    talk(*hub);
    ASSERT_LE(sent + asked(), EventsSession::kWaitingMax);
  }
  EXPECT_EQ(sent, EventsSession::kWaitingMax);
  reader.async_receive(second.callback());
  talk(*hub);
  EXPECT_EQ(second.value().size(), EventsSession::kWaitingMax);
  EXPECT_EQ(hub->credit(0), EventsSession::kWaitingMax / 32);
}

// --- Questions.

TEST_F(EventReaderTest, TellsWhatTheHubSaysWithoutTakingAPlace) {
  event_reader reader = make(options());
  Outcome<event_hub_properties> hub_said;
  Outcome<partition_properties> full, empty, unknown;
  reader.async_get_properties(hub_said.callback());
  reader.async_get_partition_properties(1, full.callback());
  reader.async_get_partition_properties(0, empty.callback());
  reader.async_get_partition_properties(7, unknown.callback());
  const Hub hub =
      meet([](auto& hub) { hub.partitions[1] = {.begin = 3, .last = 41, .last_offset = "9000"}; });
  EXPECT_THAT(hub->take_seen(), ElementsAre("READ hub", "READ 1", "READ 0", "READ 7"));
  ASSERT_TRUE(hub_said.ok() && full.ok() && empty.ok());
  EXPECT_THAT(hub_said.value().partitions, ElementsAre(0, 1));
  EXPECT_EQ(full.value().partition, 1U);
  EXPECT_EQ(full.value().begin_sequence_number, 3);
  EXPECT_EQ(full.value().last_sequence_number, 41);
  EXPECT_EQ(full.value().last_offset, "9000");
  EXPECT_EQ(full.value().last_enqueued, wall_time(seconds(5)));
  EXPECT_FALSE(full.value().is_empty);
  EXPECT_TRUE(empty.value().is_empty);
  EXPECT_EQ(empty.value().last_sequence_number, -1);
  EXPECT_FALSE(empty.value().last_enqueued);
  EXPECT_TRUE(unknown.failed(errc::amqp_address_not_found));
  streams_.back()->end(net::CloseReason::kReset);
  pass(seconds(60));
  EXPECT_FALSE(dialled());  // Nothing waits, so nothing is connected.
}

TEST_F(EventReaderTest, AQuestionIsAskedAgainAfterALossUntilItsDeadline) {
  event_reader reader = make(options());
  Outcome<event_hub_properties> asked, late;
  reader.async_get_properties(asked.callback());
  meet([](auto& hub) { hub.answers = false; });
  lose_connection();
  const Hub hub = meet();
  EXPECT_TRUE(asked.ok());
  hub->answers = false;
  reader.async_get_properties(late.callback());
  talk(*hub);
  pass(options().operation_timeout);
  EXPECT_TRUE(late.failed(errc::timed_out));
  EXPECT_THAT(late.why->message(), HasSubstr("$management"));
}

TEST_F(EventReaderTest, AHubThatDoesNotSayItsPartitionsIsConnectedAnew) {
  event_reader reader = make(options());
  Received received;
  reader.async_receive(received.callback());
  const Hub silent = meet([](auto& hub) { hub.answers = false; });
  pass(options().operation_timeout);
  EXPECT_TRUE(received.pending());
  EXPECT_THAT(log_, Contains(HasSubstr("$management gave no answer in time")));
  pass(seconds(1));
  const Hub busy = meet([](auto& hub) { hub.status = 503; });
  EXPECT_TRUE(received.pending());
  pass(seconds(1));
  const Hub hub = meet();
  hub->send_event(0, 0);
  talk(*hub);
  EXPECT_TRUE(received.ok());
}

TEST_F(EventReaderTest, AnswersThatMakeNoSenseFailWithTheReason) {
  amqp::Message no_code, no_body, no_ids;
  const auto text = [](std::string value) { return amqp::Value::string(std::move(value)); };
  no_body.application_properties =
      amqp::Value::map({text("status-code"), amqp::Value::from_int32(200)});
  no_ids = no_body;
  no_ids.body_kind = amqp::BodyKind::kValue;
  no_ids.value = amqp::Value::map({text("partition_ids"), amqp::Value::list({})});
  for (const auto& [wrong, said] :
       {std::pair(no_code, "status-code"), {no_body, "partition_ids"}, {no_ids, "1 to 200"}}) {
    event_reader reader = make(options());
    Received received;
    Outcome<event_hub_properties> asked;
    reader.async_receive(received.callback());
    reader.async_get_properties(asked.callback());
    meet([&wrong](auto& hub) { hub.answer = wrong; });
    EXPECT_TRUE(received.failed(errc::protocol_error)) << said;
    EXPECT_THAT(received.why->message(), HasSubstr(said));
    EXPECT_TRUE(asked.failed(errc::protocol_error)) << said;
  }
}

TEST_F(EventReaderTest, RefusalsOfTheNodeAreTheHubsOwn) {
  event_reader reader = make(options());
  Received denied, detached;
  reader.async_receive(denied.callback());
  meet([](auto& hub) {
    hub.status = 401;
    hub.condition = "amqp:unauthorized-access";
  });
  EXPECT_TRUE(denied.failed(errc::iot_hub_unauthorized_access));
  EXPECT_THAT(denied.why->message(), HasSubstr("$management answered 401: as the test says"));
  reader.async_receive(detached.callback());
  const Hub hub = meet([](auto& hub) { hub.answers = false; });
  hub->detach_management({.condition = "amqp:unauthorized-access", .description = "no right"});
  talk(*hub);
  EXPECT_TRUE(detached.failed(errc::iot_hub_unauthorized_access));
  EXPECT_EQ(detached.why->message(), "$management: no right");
}

TEST_F(EventReaderTest, AnEventWithoutItsPlaceIsNone) {
  event_reader reader = make(options());
  Received received;
  reader.async_receive(received.callback());
  const Hub hub = meet();
  hub->send_message(0, {});
  talk(*hub);
  EXPECT_TRUE(received.failed(errc::protocol_error));
  EXPECT_THAT(received.why->message(), HasSubstr("sequence number"));
}

// --- Ends.

TEST_F(EventReaderTest, CancellingAWaitLosesNoEvent) {
  event_reader reader = make(options());
  Received cancelled, next;
  Outcome<event_hub_properties> question;
  boost::asio::cancellation_signal stop, stop_question;
  reader.async_receive(boost::asio::bind_cancellation_slot(stop.slot(), cancelled.callback()));
  reader.async_get_properties(
      boost::asio::bind_cancellation_slot(stop_question.slot(), question.callback()));
  settle();
  stop.emit(boost::asio::cancellation_type::terminal);
  stop_question.emit(boost::asio::cancellation_type::terminal);
  settle();
  EXPECT_TRUE(cancelled.failed(errc::operation_aborted));
  EXPECT_TRUE(question.failed(errc::operation_aborted));
  const Hub hub = meet();
  hub->send_event(0, 0);
  talk(*hub);
  reader.async_receive(next.callback());
  settle();
  EXPECT_THAT(places(next.value()), ElementsAre("0/0"));
}

TEST_F(EventReaderTest, TheEndOfTheReaderEndsWhatWaits) {
  Received received;
  Outcome<event_hub_properties> question;
  Hub hub;
  {
    event_reader reader = make(options());
    reader.async_receive(received.callback());
    reader.async_get_properties(question.callback());
    hub = meet([](auto& hub) { hub.answers = false; });
  }
  settle();
  hub->pump();
  EXPECT_TRUE(hub->closed);
  EXPECT_TRUE(received.failed(errc::closed));
  EXPECT_TRUE(question.failed(errc::closed));
  pass(seconds(120));
  EXPECT_FALSE(dialled());
}

// --- Connection strings of Event Hubs clients.

TEST_F(EventReaderTest, TakesTheTextOfEventHubsClients) {
  event_reader reader = make(options(),
                             "Endpoint=sb://events.test/;SharedAccessKeyName=service;"
                             "SharedAccessKey=c2VjcmV0;EntityPath=other");
  Received received;
  reader.async_receive(received.callback());
  const Hub hub = meet();
  EXPECT_EQ(last_dial_.host, "events.test");
  EXPECT_EQ(last_dial_.port, 5671);
  EXPECT_TRUE(last_dial_.tls);
  EXPECT_EQ(hub->cbs_name, "sb://events.test/other");
  EXPECT_THAT(hub->names, Each(std::string("other")));
  EXPECT_EQ(hub->addresses.at(0), "other/ConsumerGroups/$Default/Partitions/0");
}

TEST_F(EventReaderTest, AnEmulatorIsSpokenToWithoutTls) {
  const std::string text =
      "SharedAccessKeyName=n;SharedAccessKey=SAS_KEY_VALUE;EntityPath=e;"
      "UseDevelopmentEmulator=true;Endpoint=sb://localhost";
  for (const auto& [port, expected] : {std::pair("", 5672), {":5673", 5673}}) {
    event_reader reader = make(options(), (text + port).c_str());
    Received received;
    reader.async_receive(received.callback());
    accept();
    EXPECT_EQ(last_dial_.host, "localhost");
    EXPECT_EQ(last_dial_.port, expected);
    EXPECT_FALSE(last_dial_.tls);
  }
}

TEST_F(EventReaderTest, AnythingElseIsNoConnectionString) {
  error problem;
  EXPECT_EQ(event_hub_identity::parse(kService, problem).host_name, "hub.test");
  EXPECT_FALSE(problem);
  event_hub_identity::parse("Endpoint=sb://h/;SharedAccessKeyName=n;SharedAccessKey=secret",
                            problem);
  EXPECT_EQ(problem, errc::invalid_connection_string);
  EXPECT_EQ(problem.message(), "connection string: EntityPath is missing");
  EXPECT_THROW(event_hub_identity::parse("nonsense"), exception);
}

}  // namespace
}  // namespace linarite::sdk
