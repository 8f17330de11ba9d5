// $management, the redirect from the hub's old address of events, and senders
// (service-protocol 4.2, 4.4, 4.12).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/amqp_connection.h"
#include "gateway/amqp_fixture.h"
#include "gateway/amqp_replies.h"
#include "gateway/telemetry_event.h"

namespace linarite::gateway {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;

class AmqpManagementTest : public AmqpFixture {
 protected:
  struct Pair {
    amqp::LinkId requests;
    amqp::LinkId replies;
  };
  Pair attach_pair(BackEnd& peer, const std::string& address = "$management",
                   uint32_t credit = 100) {
    const Pair pair{attach(peer, Role::kSender, address).link,
                    attach(peer, Role::kReceiver, address, [](amqp::Attach& body) {
                      body.target->address = "reply-here";
                    }).link};
    if (credit != 0) peer.client->grant_credit(pair.replies, credit);
    exchange(peer);
    return pair;
  }
  static amqp::Message read_request(const std::string& type,
                                    const std::string& name = "127.0.0.1") {
    amqp::Message message;
    message.properties.message_id = Value::from_uint64(7);
    set_property(message, "operation", Value::string("READ"));
    set_property(message, "name", Value::string(name));
    set_property(message, "type", Value::string("com.microsoft:" + type));
    return message;
  }
  static amqp::Message partition_request(const std::string& partition) {
    amqp::Message message = read_request("partition");
    set_property(message, "partition", Value::string(partition));
    return message;
  }
  amqp::Message ask(BackEnd& peer, const Pair& pair, const amqp::Message& request) {
    peer.messages.clear();
    Bytes bytes;
    amqp::write_message(request, bytes);
    EXPECT_TRUE(peer.client->send(pair.requests, "t", bytes));
    exchange(peer);
    EXPECT_THAT(peer.messages, SizeIs(1));
    return peer.messages.empty() ? amqp::Message{} : peer.messages.back();
  }
  // "404 amqp:not-found"
  std::string refusal(BackEnd& peer, const Pair& pair, const amqp::Message& request) {
    const amqp::Message reply = ask(peer, pair, request);
    const Value* condition = reply.application_properties.find("error-condition");
    return reply_text(reply).substr(0, 4) + std::string(condition ? condition->bytes() : "none");
  }
  void append(const std::string& body) {
    const TelemetryEncoder encoder({.device_id = "dev1", .generation_id = "1"});
    auto event = encoder.encode({.body = body, .taken = wall()});
    ASSERT_TRUE(event);
    hub_->partition(2).events().append(*std::move(event), [](const Status&) {});
    run();
  }
};

TEST_F(AmqpManagementTest, EventHubHasTheTypesThatClientsInsistOn) {
  const auto peer = logged_in();
  const auto pair = attach_pair(*peer);
  const amqp::Message reply = ask(*peer, pair, read_request("eventhub"));
  EXPECT_EQ(reply_text(reply), "200 OK");
  EXPECT_EQ(reply.properties.correlation_id, Value::from_uint64(7));
  EXPECT_EQ(*reply.value.find("name"), Value::string("127.0.0.1"));
  EXPECT_EQ(*reply.value.find("type"), Value::string("com.microsoft:eventhub"));
  EXPECT_EQ(*reply.value.find("created_at"),
            Value::timestamp(hub_->created_at().time_since_epoch().count()));
  EXPECT_EQ(*reply.value.find("partition_count"), Value::from_int32(4));
  EXPECT_EQ(*reply.value.find("partition_ids"),
            Value::array(amqp::Type::kString, {Value::string("0"), Value::string("1"),
                                               Value::string("2"), Value::string("3")}));
}

TEST_F(AmqpManagementTest, PartitionWithAndWithoutEvents) {
  const auto peer = logged_in();
  const auto pair = attach_pair(*peer, "127.0.0.1/$management");
  Value empty = ask(*peer, pair, partition_request("2")).value;
  EXPECT_EQ(*empty.find("begin_sequence_number"), Value::from_int64(0));
  EXPECT_EQ(*empty.find("last_enqueued_sequence_number"), Value::from_int64(-1));
  EXPECT_EQ(*empty.find("last_enqueued_offset"), Value::string("-1"));
  EXPECT_EQ(*empty.find("last_enqueued_time_utc"), Value::timestamp(-62135596800000));
  EXPECT_EQ(*empty.find("is_partition_empty"), Value::from_bool(true));
  append("a");
  append("b");
  const auto log = hub_->partition(2).events().state();
  const Value full = ask(*peer, pair, partition_request("2")).value;
  EXPECT_EQ(*full.find("partition"), Value::string("2"));
  EXPECT_EQ(*full.find("last_enqueued_sequence_number"), Value::from_int64(1));
  EXPECT_EQ(*full.find("last_enqueued_offset"), Value::string(std::to_string(log.last_offset)));
  EXPECT_EQ(*full.find("last_enqueued_time_utc"),
            Value::timestamp(wall().time_since_epoch().count()));
  EXPECT_EQ(*full.find("is_partition_empty"), Value::from_bool(false));
}

TEST_F(AmqpManagementTest, WhatCannotBeReadIsRefused) {
  const auto peer = logged_in();
  const auto pair = attach_pair(*peer);
  EXPECT_EQ(refusal(*peer, pair, read_request("eventhub", "other")), "404 amqp:not-found");
  EXPECT_EQ(refusal(*peer, pair, partition_request("4")), "404 amqp:not-found");
  EXPECT_EQ(refusal(*peer, pair, partition_request("x")), "404 amqp:not-found");
  EXPECT_EQ(refusal(*peer, pair, read_request("partition")), "400 com.microsoft:argument-error");
  EXPECT_EQ(refusal(*peer, pair, read_request("topic")), "400 com.microsoft:argument-error");
  EXPECT_EQ(refusal(*peer, pair, {}), "400 com.microsoft:argument-error");
  peer->messages.clear();
  ASSERT_TRUE(peer->client->send(pair.requests, "t", "no message"));
  exchange(*peer);
  EXPECT_EQ(reply_text(peer->messages.at(0)).substr(0, 3), "400");
}

TEST_F(AmqpManagementTest, RequestsMayBePipelined) {
  const auto peer = logged_in();
  const auto pair = attach_pair(*peer, "$management", 0);
  Bytes bytes;
  amqp::write_message(partition_request("1"), bytes);
  // No more than the credit, which comes back with the replies.
  size_t sent = 0;
  for (; sent < 1000 && peer->client->send(pair.requests, "t", bytes); ++sent) exchange(*peer);
  EXPECT_EQ(sent, kRequestCredit);
  peer->client->grant_credit(pair.replies, 1000);
  exchange(*peer);
  EXPECT_THAT(peer->messages, SizeIs(kRequestCredit));
  EXPECT_TRUE(peer->client->send(pair.requests, "t", bytes));
}

// az attaches a receiver that it never reads, then a pair on the plain name, without reply-to.
TEST_F(AmqpManagementTest, RepliesDoNotGoToThePlainReceiverOfAz) {
  const auto peer = logged_in();
  const auto plain = attach(*peer, Role::kReceiver, "amqps://127.0.0.1/127.0.0.1/$management").link;
  peer->client->grant_credit(plain, 300);
  const auto pair = attach_pair(*peer);
  ask(*peer, pair, read_request("eventhub"));
  EXPECT_EQ(peer->received.back().link, pair.replies);
}

TEST_F(AmqpManagementTest, NeedsServiceConnectAndTheEntitysName) {
  const auto reader = logged_in("registryRead");
  EXPECT_THAT(attach(*reader, Role::kSender, "$management").seen,
              Contains("detached closed amqp:unauthorized-access"));
  const auto peer = logged_in();
  EXPECT_THAT(attach(*peer, Role::kReceiver, "other/$management").seen,
              Contains("detached closed amqp:not-found"));
}

// Java's client does not wait for the outcome of its token before it attaches.
TEST_F(AmqpManagementTest, ALinkWithoutATokenIsToldSoInEachReply) {
  const auto peer = open();
  const auto pair = attach_pair(*peer);
  EXPECT_THAT(reply_text(ask(*peer, pair, read_request("eventhub"))), StartsWith("401"));
  const auto cbs = attach_cbs(*peer);
  EXPECT_EQ(put_token(*peer, cbs, put_token_message(policy_token("service"))), "200 OK");
  EXPECT_EQ(reply_text(ask(*peer, pair, read_request("eventhub"))), "200 OK");
}

TEST_F(AmqpManagementTest, ARequestMayBringItsToken) {
  const auto peer = open();
  const auto pair = attach_pair(*peer);
  amqp::Message request = read_request("eventhub");
  set_property(request, "security_token", Value::string("SharedAccessSignature sr=x"));
  EXPECT_THAT(reply_text(ask(*peer, pair, request)), StartsWith("401"));
  request = read_request("eventhub");
  set_property(request, "security_token", Value::string(policy_token("service")));
  EXPECT_EQ(reply_text(ask(*peer, pair, request)), "200 OK");
}

TEST_F(AmqpManagementTest, TooManyRefusedTokensEndTheConnection) {
  const auto peer = open();
  const auto pair = attach_pair(*peer);
  amqp::Message request = read_request("eventhub");
  set_property(request, "security_token", Value::string("SharedAccessSignature sr=x"));
  for (uint32_t i = 1; i < kRefusedTokensMax; ++i) {
    EXPECT_THAT(reply_text(ask(*peer, pair, request)), StartsWith("401"));
  }
  Bytes bytes;
  amqp::write_message(request, bytes);
  ASSERT_TRUE(peer->client->send(pair.requests, "t", bytes));
  EXPECT_THAT(exchange(*peer), Contains("closed by peer amqp:unauthorized-access"));
}

TEST_F(AmqpManagementTest, TokensOfEventHubsClients) {
  for (const char* audience : {"sb://127.0.0.1/127.0.0.1/$management", "amqp://127.0.0.1/127.0.0.1",
                               "sb://127.0.0.1/127.0.0.1"}) {
    const auto peer = open();
    const auto cbs = attach_cbs(*peer);
    EXPECT_EQ(put_token(*peer, cbs, put_token_message(policy_token("service", audience))),
              "200 OK");
    const auto pair = attach_pair(*peer);
    EXPECT_EQ(reply_text(ask(*peer, pair, read_request("eventhub"))), "200 OK") << audience;
  }
}

class AmqpRedirect : public AmqpManagementTest {
 protected:
  // The literal detach that answers an attach.
  amqp::Error redirect(Role role, const std::string& address) {
    const auto peer = logged_in();
    amqp::Attach body = amqp::test::Peer::attach_body("probe", 3, role);
    (role == Role::kReceiver ? body.source->address : body.target->address) = address;
    peer->handler->on_bytes(amqp::test::amqp_frame(0, body));
    run();
    ByteView bytes = peer->stream.sent;
    EXPECT_EQ(amqp::test::output_lines(bytes).size(), 2U);
    bytes.remove_prefix(amqp::read_frame_header(bytes.substr(0, 8), UINT32_MAX)->size + 8);
    amqp::ValueView descriptor;
    amqp::ValueView list;
    amqp::Detach detach;
    EXPECT_TRUE(amqp::read_described(bytes, descriptor, list) && amqp::decode(list, detach));
    EXPECT_TRUE(detach.closed);
    return detach.error.value_or(amqp::Error{});
  }
  std::string redirected_to(const std::string& address) {
    const amqp::Error error = redirect(Role::kReceiver, address);
    const Value* to = error.info.find("address");
    return to == nullptr ? error.condition : std::string(to->bytes());
  }
};

TEST_F(AmqpRedirect, ToTheEventHub) {
  const amqp::Error error =
      redirect(Role::kReceiver, "amqps://127.0.0.1/messages/events/$management");
  EXPECT_EQ(error.condition, "amqp:link:redirect");
  EXPECT_EQ(error.info,
            Value::map({Value::symbol("hostname"), Value::string("127.0.0.1"),
                        Value::symbol("network-host"), Value::string("127.0.0.1"),
                        Value::symbol("port"), Value::from_int32(5671), Value::symbol("address"),
                        Value::string("amqps://127.0.0.1:5671/127.0.0.1/$management")}));
  EXPECT_EQ(redirect(Role::kSender, "messages/events/$management").info, error.info);
  EXPECT_EQ(redirected_to("messages/events"), "amqps://127.0.0.1:5671/127.0.0.1/");
  EXPECT_EQ(redirected_to("/messages/events/ConsumerGroups/$Default/Partitions/1"),
            "amqps://127.0.0.1:5671/127.0.0.1/ConsumerGroups/$Default/Partitions/1");
}

TEST_F(AmqpRedirect, NotWithoutTheRightAndNotForSenders) {
  const auto reader = logged_in("registryRead");
  EXPECT_THAT(attach(*reader, Role::kReceiver, "messages/events/$management").seen,
              Contains("detached closed amqp:unauthorized-access"));
  EXPECT_EQ(redirect(Role::kSender, "messages/events").condition, "amqp:not-found");
}

TEST_F(AmqpRedirect, SendersToTheEventHubAreRefused) {
  const auto peer = logged_in("iothubowner");
  for (const char* address : {"127.0.0.1", "127.0.0.1/Partitions/0", "amqps://127.0.0.1/127.0.0.1",
                              "127.0.0.1/ConsumerGroups/$Default/Partitions/0"}) {
    EXPECT_THAT(attach(*peer, Role::kSender, address).seen,
                ElementsAre(StartsWith("attached"), "detached closed amqp:unauthorized-access"))
        << address;
  }
  EXPECT_FALSE(peer->stream.closed);
}

}  // namespace
}  // namespace linarite::gateway
