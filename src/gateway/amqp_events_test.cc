// Receiving events: positions, credit, drain, epochs, and a receiver that does not keep up
// (service-protocol 4.5 to 4.12).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/amqp_events_link.h"
#include "gateway/amqp_fixture.h"
#include "gateway/telemetry_event.h"
#include "hub/event_block.h"

namespace linarite::gateway {
namespace {

using namespace std::chrono_literals;
using amqp::ReceiverSettleMode;
using amqp::SenderSettleMode;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;

constexpr const char* kSelector = "apache.org:selector-filter:string";

hub::HubOptions with_groups(hub::HubOptions options = {}) {
  options.events.consumer_groups = {"Storage"};
  return options;
}

class AmqpEvents : public AmqpFixture {
 protected:
  explicit AmqpEvents(hub::HubOptions options = with_groups()) : AmqpFixture(std::move(options)) {}

  // An event of a device in partition 0.
  void append(const std::string& body, uint32_t partition = 0) {
    const TelemetryEncoder encoder({.device_id = "dev1", .generation_id = "1"});
    auto event = encoder.encode({.body = body, .taken = wall()});
    ASSERT_TRUE(event);
    hub_->partition(partition).events().append(*std::move(event), [](const Status&) {});
    run();
  }
  void append_all(std::initializer_list<const char*> bodies) {
    for (const char* body : bodies) append(body);
  }

  static Value selector(const std::string& text) {
    return Value::described(Value::symbol(kSelector), Value::string(text));
  }
  static void set_filter(amqp::Attach& body, Value filter) {
    body.source->filter = Value::map({Value::symbol(kSelector), std::move(filter)});
  }
  static void set_epoch(amqp::Attach& body, int64_t epoch) {
    body.properties = Value::map({Value::symbol("com.microsoft:epoch"), Value::from_int64(epoch)});
  }
  using Change = std::function<void(amqp::Attach&)>;
  Attached attach_events(BackEnd& peer, const Change& change = {},
                         const std::string& address = kPartition0) {
    return attach(peer, Role::kReceiver, address, change);
  }
  Attached attach_epoch(BackEnd& peer, int64_t epoch) {
    return attach_events(peer, [epoch](amqp::Attach& body) { set_epoch(body, epoch); });
  }
  // The bodies that came since the last look.
  std::string bodies(BackEnd& peer) {
    exchange(peer);
    std::string text;
    for (const amqp::Message& message : std::exchange(peer.messages, {})) {
      text += message.data.at(0) + ' ';
    }
    return text;
  }
  // What a receiver with this filter gets.
  std::string received(const Value& filter) {
    const auto peer = logged_in();
    const auto link = attach_events(*peer, [&](amqp::Attach& body) { set_filter(body, filter); });
    peer->client->grant_credit(link.link, 100);
    const std::string text = bodies(*peer);
    peer->drop();
    run();
    return text;
  }
  std::string received(const std::string& text) { return received(selector(text)); }
  double hub_metric(const std::string& name) {
    for (const auto& family : registry_->Collect()) {
      if (family.name != name) continue;
      return family.metric[0].gauge.value + family.metric[0].counter.value;
    }
    return -1;
  }

  static constexpr const char* kPartition0 = "127.0.0.1/ConsumerGroups/$Default/Partitions/0";
  static constexpr const char* kStolen = "detached closed amqp:link:stolen";
};

TEST_F(AmqpEvents, AnEventHasTheSectionsThatClientsRead) {
  append("one");
  const auto peer = logged_in();
  const auto link = attach_events(*peer);
  EXPECT_THAT(link.seen, ElementsAre(StartsWith("attached link")));
  peer->client->grant_credit(link.link, 10);
  EXPECT_THAT(exchange(*peer), ElementsAre("message"));
  const amqp::Message& message = peer->messages.at(0);
  EXPECT_EQ(message.data, std::vector<Bytes>{"one"});
  EXPECT_TRUE(message.delivery_annotations.is_null());
  const Value& annotations = message.message_annotations;
  EXPECT_EQ(*annotations.find("x-opt-sequence-number"), Value::from_int64(0));
  EXPECT_EQ(*annotations.find("x-opt-offset"), Value::string("0"));
  EXPECT_EQ(*annotations.find("x-opt-enqueued-time"),
            Value::timestamp(wall().time_since_epoch().count()));
  EXPECT_EQ(*annotations.find("iothub-connection-device-id"), Value::string("dev1"));
  EXPECT_EQ(*annotations.find("iothub-message-source"), Value::string("Telemetry"));
  for (size_t i = 0; i < annotations.items().size(); i += 2) {
    EXPECT_EQ(annotations.items()[i].type(), amqp::Type::kSymbol);
  }
  append("two");
  exchange(*peer);
  const Value& second = peer->messages.at(1).message_annotations;
  EXPECT_EQ(*second.find("x-opt-sequence-number"), Value::from_int64(1));
  EXPECT_GT(std::stoull(std::string(second.find("x-opt-offset")->bytes())), 0U);
}

TEST_F(AmqpEvents, EachPositionOfTheFilter) {
  append("a");
  const auto time = std::to_string((wall() + 1s).time_since_epoch().count());
  HubFixture::advance(1s);
  append("b");
  HubFixture::advance(1s);
  append("c");
  const auto second = hub_->partition(0).events().read(1);
  const std::string offset = std::to_string((*second)->at(1 - (*second)->first()).offset);
  const std::string annotation = "amqp.annotation.x-opt-";

  EXPECT_EQ(received(annotation + "offset > '-1'"), "a b c ");
  EXPECT_EQ(received(annotation + "offset > '@latest'"), "");
  EXPECT_EQ(received(annotation + "offset > '" + offset + "'"), "c ");
  EXPECT_EQ(received(annotation + "offset >= '" + offset + "'"), "b c ");
  EXPECT_EQ(received(annotation + "sequence-number > '1'"), "c ");
  EXPECT_EQ(received(annotation + "sequence-number >= 1"), "b c ");
  EXPECT_EQ(received(annotation + "sequence-number >= '100'"), "");
  EXPECT_EQ(received(annotation + "enqueued-time > '" + time + "'"), "c ");
  EXPECT_EQ(received(annotation + "enqueued-time >= '" + time + "'"), "b c ");
  EXPECT_EQ(received(annotation + "enqueuedtimeutc > " + time), "c ");
}

TEST_F(AmqpEvents, EachFormOfTheFilter) {
  append_all({"a", "b"});
  const Value text = Value::string("amqp.annotation.x-opt-sequence-number > '0'");
  EXPECT_EQ(received(Value::described(Value::symbol(kSelector), text)), "b ");
  EXPECT_EQ(received(Value::described(Value::from_uint64(0x0000468C00000004), text)), "b ");
  EXPECT_EQ(received(text), "b ");
  const auto peer = logged_in();
  const auto link = attach_events(*peer).link;  // No filter at all.
  peer->client->grant_credit(link, 10);
  EXPECT_EQ(bodies(*peer), "a b ");
}

TEST_F(AmqpEvents, FilterThatCannotBeReadRefusesTheLink) {
  const auto peer = logged_in();
  for (const Value& filter :
       {Value::described(Value::symbol("another:filter"), Value::string("x")),
        Value::described(Value::from_uint64(7), Value::string("x")), Value::from_int64(3),
        selector("amqp.annotation.x-opt-offset < '3'"), selector("color = 'red'")}) {
    EXPECT_THAT(
        attach_events(*peer, [&](amqp::Attach& body) { set_filter(body, filter); }).seen,
        ElementsAre(StartsWith("attached"), "detached closed com.microsoft:argument-error"));
  }
}

TEST_F(AmqpEvents, LatestMeansSinceTheAttach) {
  append("before");
  const auto peer = logged_in();
  const auto link = attach_events(*peer, [](amqp::Attach& body) {
                      set_filter(body, selector("amqp.annotation.x-opt-offset > '@latest'"));
                    }).link;
  append("after");
  peer->client->grant_credit(link, 10);
  EXPECT_EQ(bodies(*peer), "after ");
}

TEST_F(AmqpEvents, ReceiverAtTheEndGetsEventsWhenTheyAreDurable) {
  const auto peer = logged_in();
  const auto link = attach_events(*peer).link;
  peer->client->grant_credit(link, 10);
  EXPECT_EQ(bodies(*peer), "");
  store_.hold_commits(true);
  append("one");
  EXPECT_EQ(bodies(*peer), "");
  release();
  EXPECT_EQ(bodies(*peer), "one ");
  append("two");
  EXPECT_EQ(bodies(*peer), "two ");
}

TEST_F(AmqpEvents, CreditIsTheReceivers) {
  append_all({"a", "b", "c", "d"});
  const auto peer = logged_in();
  const auto link = attach_events(*peer).link;
  EXPECT_EQ(bodies(*peer), "");
  peer->client->grant_credit(link, 2);
  EXPECT_EQ(bodies(*peer), "a b ");
  peer->client->grant_credit(link, 10);
  EXPECT_EQ(bodies(*peer), "c d ");
}

TEST_F(AmqpEvents, DrainGivesWhatThereIsAndReturnsTheRest) {
  append_all({"a", "b"});
  const auto peer = logged_in();
  const auto link = attach_events(*peer).link;
  peer->client->grant_credit(link, 10, true);
  EXPECT_THAT(exchange(*peer), ElementsAre("message", "message", "drained"));
  append("c");
  EXPECT_EQ(peer->client->credit(link), 0U);
  EXPECT_THAT(exchange(*peer), IsEmpty());
  peer->client->grant_credit(link, 10, true);
  EXPECT_THAT(exchange(*peer), ElementsAre("message", "drained"));
  peer->client->grant_credit(link, 10, true);
  EXPECT_THAT(exchange(*peer), ElementsAre("drained"));
}

TEST_F(AmqpEvents, HigherAndEqualEpochDisplace) {
  const auto first = logged_in();
  const auto second = logged_in();
  attach_epoch(*first, 1);
  EXPECT_THAT(attach_epoch(*second, 1).seen, ElementsAre(StartsWith("attached")));
  EXPECT_THAT(exchange(*first), ElementsAre(kStolen));
  EXPECT_THAT(attach_epoch(*first, 2).seen, ElementsAre(StartsWith("attached")));
  EXPECT_THAT(exchange(*second), ElementsAre(kStolen));
  EXPECT_EQ(hub_metric("linarite_event_receivers"), 1);
  EXPECT_EQ(hub_metric("linarite_event_receivers_displaced_total"), 2);
}

TEST_F(AmqpEvents, LowerOrNoEpochIsRefusedWhileAHigherOneReads) {
  const auto first = logged_in();
  const auto second = logged_in();
  const auto link = attach_epoch(*first, 5).link;
  EXPECT_THAT(attach_epoch(*second, 4).seen, ElementsAre(StartsWith("attached"), kStolen));
  EXPECT_THAT(attach_events(*second).seen, ElementsAre(StartsWith("attached"), kStolen));
  EXPECT_THAT(exchange(*first), IsEmpty());
  // Other partitions and other groups are others.
  EXPECT_THAT(attach_events(*second, {}, "127.0.0.1/ConsumerGroups/$default/Partitions/1").seen,
              ElementsAre(StartsWith("attached")));
  EXPECT_THAT(attach_events(*second, {}, "127.0.0.1/consumergroups/storage/partitions/0").seen,
              ElementsAre(StartsWith("attached")));
  // With the link the epoch is gone.
  first->client->detach(link, true, std::nullopt);
  exchange(*first);
  EXPECT_THAT(attach_epoch(*second, 0).seen, ElementsAre(StartsWith("attached")));
}

TEST_F(AmqpEvents, AnEpochThrowsOutEverybodyWithout) {
  const auto first = logged_in();
  const auto second = logged_in();
  attach_events(*first);
  attach_events(*first);
  attach_epoch(*second, 0);
  EXPECT_THAT(exchange(*first), ElementsAre(kStolen, kStolen));
  EXPECT_FALSE(first->stream.closed);
}

TEST_F(AmqpEvents, TheSixthWithoutAnEpochIsRefused) {
  const auto peer = logged_in();
  std::vector<amqp::LinkId> links;
  for (int i = 0; i < 5; ++i) links.push_back(attach_events(*peer).link);
  EXPECT_THAT(attach_events(*peer).seen,
              ElementsAre(StartsWith("attached"), "detached closed amqp:resource-limit-exceeded"));
  EXPECT_EQ(hub_metric("linarite_event_receivers_refused_total"), 1);
  peer->client->detach(links[0], true, std::nullopt);
  exchange(*peer);
  EXPECT_THAT(attach_events(*peer).seen, ElementsAre(StartsWith("attached")));
  peer->drop();
  run();
  EXPECT_EQ(hub_metric("linarite_event_receivers"), 0);
}

TEST_F(AmqpEvents, AnEpochThatIsNoneRefusesTheLink) {
  const auto peer = logged_in();
  EXPECT_THAT(attach_epoch(*peer, -1).seen,
              Contains("detached closed com.microsoft:argument-error"));
  EXPECT_THAT(attach_events(*peer,
                            [](amqp::Attach& body) {
                              body.properties = Value::map(
                                  {Value::symbol("com.microsoft:epoch"), Value::string("1")});
                            })
                  .seen,
              Contains("detached closed com.microsoft:argument-error"));
}

TEST_F(AmqpEvents, UnknownEntityGroupOrPartitionIsNotFound) {
  const auto peer = logged_in();
  for (const char* address :
       {"other/ConsumerGroups/$Default/Partitions/0", "127.0.0.1/ConsumerGroups/none/Partitions/0",
        "127.0.0.1/ConsumerGroups/$Default/Partitions/4",
        "127.0.0.1/ConsumerGroups/$Default/Partitions/00",
        "127.0.0.1/ConsumerGroups/$Default/Partitions/x"}) {
    EXPECT_THAT(attach_events(*peer, {}, address).seen,
                ElementsAre(StartsWith("attached"), "detached closed amqp:not-found"))
        << address;
  }
  EXPECT_THAT(
      attach_events(*peer, {}, "amqps://127.0.0.1/127.0.0.1/ConsumerGroups/$DEFAULT/Partitions/3")
          .seen,
      ElementsAre(StartsWith("attached")));
}

TEST_F(AmqpEvents, ServiceConnectIsNeeded) {
  const auto peer = logged_in("registryReadWrite");
  EXPECT_THAT(attach_events(*peer).seen,
              ElementsAre(StartsWith("attached"), "detached closed amqp:unauthorized-access"));
}

TEST_F(AmqpEvents, TokensOfEventHubsClients) {
  for (const char* audience :
       {"sb://127.0.0.1/127.0.0.1", "sb://127.0.0.1/127.0.0.1/ConsumerGroups/$Default/Partitions/0",
        "amqp://127.0.0.1/127.0.0.1/ConsumerGroups/$default/Partitions/0",
        "amqps://127.0.0.1:5671/127.0.0.1", "sb://localhost/127.0.0.1/"}) {
    const auto peer = open();
    const auto cbs = attach_cbs(*peer);
    const auto request = put_token_message(policy_token("service", audience), audience);
    EXPECT_EQ(put_token(*peer, cbs, request), "200 OK") << audience;
    EXPECT_THAT(attach_events(*peer).seen, ElementsAre(StartsWith("attached"))) << audience;
  }
  const auto peer = open();
  const auto cbs = attach_cbs(*peer);
  const char* other = "sb://127.0.0.1/127.0.0.1/ConsumerGroups/$Default/Partitions/1";
  EXPECT_EQ(put_token(*peer, cbs, put_token_message(policy_token("service", other), other)),
            "200 OK");
  EXPECT_THAT(attach_events(*peer).seen, Contains("detached closed amqp:unauthorized-access"));
}

TEST_F(AmqpEvents, RenewedPolicyKeyDetachesTheReceiver) {
  const auto peer = logged_in();
  attach_events(*peer);
  for (const auto which : {hub::Hub::WhichKey::kPrimary, hub::Hub::WhichKey::kSecondary}) {
    wait<Result<hub::Policy>>(
        [&](auto reply) { hub_->renew_policy_key("service", which, std::move(reply)); });
  }
  EXPECT_THAT(advance(*peer, 10s), Contains("detached closed amqp:unauthorized-access"));
  EXPECT_EQ(hub_metric("linarite_event_receivers"), 0);
}

TEST_F(AmqpEvents, SettleModesAreTheReceivers) {
  append_all({"a", "b"});
  const auto settled = logged_in();
  auto link = attach_events(*settled, [](amqp::Attach& body) {
                body.snd_settle_mode = SenderSettleMode::kSettled;
              }).link;
  settled->client->grant_credit(link, 10);
  EXPECT_EQ(bodies(*settled), "a b ");
  EXPECT_TRUE(settled->received.at(0).settled);

  const auto second = logged_in();
  link = attach_events(*second, [](amqp::Attach& body) {
           body.snd_settle_mode = SenderSettleMode::kUnsettled;
           body.rcv_settle_mode = ReceiverSettleMode::kSecond;
         }).link;
  second->client->grant_credit(link, 10);
  EXPECT_EQ(bodies(*second), "a b ");
  ASSERT_FALSE(second->received.at(0).settled);
  second->client->settle(link, second->received[0].delivery_id,
                         amqp::DeliveryState::modified(true, false), false);
  exchange(*second);
  ASSERT_THAT(second->outcomes, SizeIs(1));
  EXPECT_EQ(outcome_text(second->outcomes[0]), "accepted");
}

// Outcomes mean nothing, and so a receiver that gives none goes on receiving.
TEST_F(AmqpEvents, ReceiverThatNeverSettlesGoesOn) {
  for (size_t i = 0; i < 2 * kEventsUnsettledMax; ++i) append("x");
  const auto peer = logged_in();
  const auto link = attach_events(*peer).link;
  peer->client->grant_credit(link, 10000);
  exchange(*peer);
  EXPECT_THAT(peer->messages, SizeIs(2 * kEventsUnsettledMax));
  EXPECT_GE(peer->outcomes.size(), kEventsUnsettledMax) << "the hub settles the oldest";
}

TEST_F(AmqpEvents, LastEnqueuedComesWithEachEventIfWanted) {
  append_all({"a", "b", "c"});
  const auto peer = logged_in();
  const auto link = attach_events(*peer, [](amqp::Attach& body) {
                      body.desired_capabilities = {"com.microsoft:enable-receiver-runtime-metric",
                                                   "com.microsoft:georeplication"};
                    }).link;
  peer->client->grant_credit(link, 10);
  EXPECT_EQ(exchange(*peer).size(), 3U);
  const auto last = hub_->partition(0).events().state();
  const Value& metrics = peer->messages.at(0).delivery_annotations;
  EXPECT_EQ(*metrics.find("last_enqueued_sequence_number"), Value::from_int64(2));
  EXPECT_EQ(*metrics.find("last_enqueued_offset"), Value::string(std::to_string(last.last_offset)));
  EXPECT_EQ(*metrics.find("last_enqueued_time_utc"),
            Value::timestamp(last.last_enqueued.time_since_epoch().count()));
  EXPECT_EQ(metrics.find("runtime_info_retrieval_time_utc")->type(), amqp::Type::kTimestamp);
}

TEST_F(AmqpEvents, TheAnswerEchoesFilterEpochAndCapability) {
  const auto peer = logged_in();
  amqp::Attach body = amqp::test::Peer::attach_body("reader", 5, Role::kReceiver);
  body.source->address = kPartition0;
  set_filter(body, selector("amqp.annotation.x-opt-offset > '-1'"));
  set_epoch(body, 3);
  body.desired_capabilities = {"com.microsoft:enable-receiver-runtime-metric"};
  peer->handler->on_bytes(amqp::test::amqp_frame(0, body));
  run();
  Bytes sent = std::exchange(peer->stream.sent, {});
  ASSERT_GT(sent.size(), 8U);
  ByteView frame = ByteView(sent).substr(8);
  amqp::ValueView descriptor;
  amqp::ValueView list;
  ASSERT_TRUE(amqp::read_described(frame, descriptor, list));
  amqp::Attach answer;
  ASSERT_TRUE(amqp::decode(list, answer));
  EXPECT_EQ(answer.source->filter, body.source->filter);
  EXPECT_EQ(answer.source->address, kPartition0);
  EXPECT_EQ(*answer.properties.find("com.microsoft:epoch"), Value::from_int64(3));
  EXPECT_THAT(answer.offered_capabilities,
              ElementsAre("com.microsoft:enable-receiver-runtime-metric"));
  EXPECT_GT(answer.max_message_size, 0U);
}

// A peer that does not read costs one block and a bounded amount of written bytes.
TEST_F(AmqpEvents, ReceiverThatDoesNotReadHoldsBoundedMemory) {
  const std::string large(60'000, 'x');
  for (int i = 0; i < 100; ++i) append(large);
  const auto peer = logged_in();
  const auto link = attach_events(*peer).link;
  peer->stream.stuck = true;
  peer->client->grant_credit(link, 1000);
  exchange(*peer);
  EXPECT_LE(peer->stream.sent.size(), net::Stream::kUnsentHigh + 2 * kEventsBurstBytes);
  EXPECT_GT(peer->stream.sent.size(), kEventsBurstBytes);
  EXPECT_FALSE(peer->stream.paused) << "its outcomes are still read";
  peer->stream.stuck = false;
  exchange(*peer);
  peer->handler->on_writable();
  exchange(*peer);
  EXPECT_THAT(peer->messages, SizeIs(100));
}

// The window is the session's: what does not fit waits in the log and not in the engine.
TEST_F(AmqpEvents, SessionWindowStopsTheReceiver) {
  for (int i = 0; i < 20; ++i) append(std::to_string(i));
  const auto peer = logged_in();
  amqp::Attach body = amqp::test::Peer::attach_body("reader", 7, Role::kReceiver);
  body.source->address = kPartition0;
  auto flow = amqp::test::Peer::link_flow(7, 0, 100);
  flow.next_incoming_id = 1;
  flow.incoming_window = 3;
  peer->handler->on_bytes(amqp::test::amqp_frame(0, body) + amqp::test::amqp_frame(0, flow));
  run();
  EXPECT_THAT(amqp::test::output_lines(std::exchange(peer->stream.sent, {})), SizeIs(4));
  flow.handle.reset();
  flow.delivery_count.reset();
  flow.link_credit.reset();
  flow.next_incoming_id = 4;
  flow.incoming_window = 2;
  peer->handler->on_bytes(amqp::test::amqp_frame(0, flow));
  run();
  EXPECT_THAT(
      amqp::test::output_lines(std::exchange(peer->stream.sent, {})),
      ElementsAre(StartsWith("0 transfer handle=0 id=3"), StartsWith("0 transfer handle=0 id=4")));
}

class AmqpEventsTrimmed : public AmqpEvents {
 protected:
  static hub::HubOptions options() {
    hub::HubOptions options;
    options.events.log_bytes_max = 4U << 20U;
    options.events.tail_cache_bytes = 0;
    return options;
  }
  AmqpEventsTrimmed() : AmqpEvents(options()) {}
};

TEST_F(AmqpEventsTrimmed, ReceiverGoesOnAtTheFirstRetainedEvent) {
  append("first");
  const auto peer = logged_in();
  const auto link = attach_events(*peer).link;
  peer->client->grant_credit(link, 1);
  EXPECT_EQ(bodies(*peer), "first ");
  for (int i = 0; i < 100; ++i) append(std::string(60'000, 'x'));
  const uint64_t first = hub_->partition(0).events().state().first_sequence;
  ASSERT_GT(first, 1U);
  peer->client->grant_credit(link, 1);
  exchange(*peer);
  ASSERT_THAT(peer->messages, SizeIs(1));
  EXPECT_EQ(*peer->messages[0].message_annotations.find("x-opt-sequence-number"),
            Value::from_int64(static_cast<int64_t>(first)));
}

}  // namespace
}  // namespace linarite::gateway
