// How back ends log in, what they may attach to, and how it ends.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/amqp_claims.h"
#include "gateway/amqp_connection.h"
#include "gateway/amqp_fixture.h"

namespace linarite::gateway {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

constexpr const char* kDevicebound = "/messages/devicebound";

class AmqpLogin : public AmqpFixture {
 protected:
  std::string key(const std::string& policy) { return hub_->policies()->find(policy)->primary_key; }
  bool may_send(BackEnd& peer) {
    if (peer.stream.closed) return false;
    const auto link = attach(peer, Role::kSender, kDevicebound).link;
    return send(peer, link, c2d()) == "accepted";
  }
};

TEST_F(AmqpLogin, PlainWithAPolicyAndItsToken) {
  EXPECT_TRUE(may_send(*plain("service@sas.root.127", policy_token("service"))));
  EXPECT_TRUE(may_send(*plain("iothubowner@sas.root.LOCALHOST", policy_token("iothubowner"))));
  const std::string user = "service@sas.root.127";
  EXPECT_TRUE(may_send(*plain(user, policy_token("service"), user)));
}

TEST_F(AmqpLogin, PlainWithAPolicyAndItsRawKey) {
  EXPECT_TRUE(may_send(*plain("service", key("service"))));
  EXPECT_FALSE(may_send(*plain("service", key("iothubowner"))));
  EXPECT_FALSE(may_send(*plain("nobody", key("service"))));
  EXPECT_FALSE(may_send(*plain("service", "")));
}

TEST_F(AmqpLogin, PlainIsRefusedWithASaslOutcome) {
  const std::string token = policy_token("service");
  for (const auto& [user, password] : std::vector<std::pair<std::string, std::string>>{
           {"service@sas.root.other", token},
           {"iothubowner@sas.root.127", token},  // Another policy's token.
           {"service@sas.root.127", token.substr(0, 20)},
           {"service@sas.root.127", policy_token("service", "other.example.com")},
           {"dev1@sas.127", device_token(*get("dev1"))},
           {"", ""}}) {
    const auto peer = plain(user, password);
    EXPECT_THAT(exchange(*peer), Contains("stream closed")) << user;
    EXPECT_TRUE(peer->client->closed()) << user;
  }
  const auto other = plain("service@sas.root.127", token, "somebody else");
  EXPECT_TRUE(other->stream.closed);
}

TEST_F(AmqpLogin, PlainIsRefusedWithoutTlsUnlessLocal) {
  const std::string response =
      std::string(1, '\0') + "service@sas.root.127" + '\0' + policy_token("service");
  for (const auto& [address, closed] : {std::pair{"192.0.2.1", true}, {"127.0.0.1", false}}) {
    BackEnd peer(*gateway_, loop_, {.sasl_mechanism = "PLAIN", .sasl_initial_response = response});
    peer.stream.peer_info = {.address = address, .tls = false};
    exchange(peer);
    EXPECT_EQ(peer.stream.closed, closed) << address;
  }
}

TEST_F(AmqpLogin, MechanismsThatLeadToCbsSucceedAndOthersFail) {
  EXPECT_FALSE(open({.sasl_mechanism = "MSSBCBS"})->stream.closed);
  EXPECT_FALSE(
      open({.sasl_mechanism = "ANONYMOUS", .sasl_initial_response = "iothubowner"})->stream.closed);
  EXPECT_TRUE(open({.sasl_mechanism = "EXTERNAL"})->stream.closed);
  EXPECT_TRUE(open({.sasl_mechanism = "PLAIN"})->stream.closed);
}

// reliability.md 3.2: ANONYMOUS, or no SASL at all, only opens $cbs.
TEST_F(AmqpLogin, WithoutATokenOnlyCbsMayBeAttached) {
  for (const char* mechanism : {"", "ANONYMOUS", "MSSBCBS"}) {
    for (const char* address : {kDevicebound, "/nowhere"}) {
      const auto peer = open({.sasl_mechanism = mechanism});
      attach_cbs(*peer);
      EXPECT_THAT(attach(*peer, Role::kSender, address).seen,
                  ElementsAre(StartsWith("attached"), "detached closed amqp:unauthorized-access",
                              "closed by peer amqp:unauthorized-access", "stream closed"));
    }
  }
}

// reliability.md 3.1: memory that costs no credential.
TEST_F(AmqpLogin, WithoutATokenRequestsAreSmallAndLinksAreFew) {
  const auto peer = open();
  const Cbs cbs = attach_cbs(*peer);
  Bytes bytes;
  amqp::write_message(put_token_message(std::string(kRequestSizeMax, 'x')), bytes);
  EXPECT_FALSE(peer->client->send(cbs.requests, "t", bytes)) << "the link says how much it takes";
  for (size_t i = 2; i < kLinksBeforeTokenMax; ++i) attach(*peer, Role::kSender, "$cbs");
  EXPECT_FALSE(peer->stream.closed);
  attach(*peer, Role::kSender, "$cbs");
  EXPECT_TRUE(peer->stream.closed);
}

TEST_F(AmqpLogin, ManyLinksFitOnceATokenWasPut) {
  const auto peer = logged_in();
  for (size_t i = 0; i < 4 * kLinksBeforeTokenMax; ++i) attach_sender(*peer);
  EXPECT_FALSE(peer->stream.closed);
}

TEST_F(AmqpLogin, ConnectionWithoutATokenIsClosedAfterAMinute) {
  const auto peer = open();
  EXPECT_THAT(advance(*peer, 59s), IsEmpty());
  EXPECT_THAT(advance(*peer, 1s),
              ElementsAre("closed by peer amqp:unauthorized-access", "stream closed"));
}

TEST_F(AmqpLogin, ARightThatThePolicyLacksRefusesTheLinkOnly) {
  const auto peer = logged_in("registryRead");
  EXPECT_THAT(attach(*peer, Role::kSender, kDevicebound).seen,
              ElementsAre(StartsWith("attached"), "detached closed amqp:unauthorized-access"));
  EXPECT_FALSE(peer->stream.closed);
  EXPECT_THAT(attach(*peer, Role::kReceiver, "/messages/servicebound/feedback").seen,
              ElementsAre(StartsWith("attached"), "detached closed amqp:unauthorized-access"));
}

TEST_F(AmqpLogin, TokenOfAnotherResourceOfTheHubDoesNotReachTheNode) {
  const auto peer =
      plain("service@sas.root.127", policy_token("service", "127.0.0.1/devices/dev1"));
  EXPECT_THAT(attach(*peer, Role::kSender, kDevicebound).seen,
              Contains("detached closed amqp:unauthorized-access"));
}

TEST_F(AmqpLogin, ExpiredTokenDetachesAndCloses) {
  const auto peer = logged_in();  // The token lives for an hour.
  attach_sender(*peer);
  peer->client.emplace(std::make_shared<const amqp::ConnectionOptions>(), clock_.now());
  Bytes all;
  // The clocks of other machines may be five minutes off.
  for (int minute = 0; minute < 64; ++minute) {
    loop_.run_for(1min);
    peer->handler->on_bytes(amqp::test::frame(amqp::kFrameTypeAmqp, 0, ""));
  }
  run();
  EXPECT_FALSE(peer->stream.closed);
  peer->stream.sent.clear();
  loop_.run_for(61s);
  EXPECT_THAT(
      amqp::test::output_lines(peer->stream.sent),
      ElementsAre("0 detach 0 closed amqp:unauthorized-access", "close amqp:unauthorized-access"));
}

TEST_F(AmqpLogin, RenewedPolicyKeyCutsTheConnection) {
  const auto peer = logged_in();
  attach_sender(*peer);
  const auto renewed = wait<Result<hub::Policy>>([&](auto reply) {
    hub_->renew_policy_key("service", hub::Hub::WhichKey::kPrimary, std::move(reply));
  });
  ASSERT_TRUE(renewed);
  EXPECT_THAT(advance(*peer, 10s),
              ElementsAre("detached closed amqp:unauthorized-access",
                          "closed by peer amqp:unauthorized-access", "stream closed"));
}

class AmqpCbsTest : public AmqpFixture {};

TEST_F(AmqpCbsTest, TokenOpensTheServiceNodes) {
  const auto peer = open();
  const Cbs cbs = attach_cbs(*peer);
  EXPECT_EQ(put_token(*peer, cbs, put_token_message(policy_token("service"))), "200 OK");
  EXPECT_EQ(send(*peer, attach_sender(*peer), c2d()), "accepted");
}

// uAMQP sends a ulong, Java a uuid, Node a string.
TEST_F(AmqpCbsTest, ReplyEchoesTheMessageIdWithItsType) {
  const auto peer = open();
  const Cbs cbs = attach_cbs(*peer);
  for (const Value& id : {Value::from_uint64(0), Value::uuid("0123456789abcdef"),
                          Value::string("s"), Value::binary("b")}) {
    amqp::Message message = put_token_message(policy_token("service"));
    message.properties.message_id = id;
    EXPECT_EQ(put_token(*peer, cbs, message), "200 OK");
    EXPECT_EQ(peer->messages.back().properties.correlation_id, id);
    EXPECT_EQ(peer->messages.back().body_kind, amqp::BodyKind::kValue);
    EXPECT_TRUE(peer->messages.back().value.is_null());
  }
}

TEST_F(AmqpCbsTest, RequestIsSettledBeforeItsReply) {
  const auto peer = open();
  const Cbs cbs = attach_cbs(*peer);
  Bytes bytes;
  amqp::write_message(put_token_message(policy_token("service")), bytes);
  ASSERT_TRUE(peer->client->send(cbs.requests, "t", bytes));
  EXPECT_THAT(exchange(*peer), ElementsAre("updated id=0 accepted settled", "message"));
}

TEST_F(AmqpCbsTest, ReplyWaitsForCredit) {
  const auto peer = open();
  const Cbs cbs = attach_cbs(*peer, 0);
  EXPECT_EQ(put_token(*peer, cbs, put_token_message(policy_token("service"))), "no reply");
  EXPECT_THAT(attach(*peer, Role::kSender, kDevicebound).seen, ElementsAre(StartsWith("attached")));
  peer->client->grant_credit(cbs.replies, 1);
  EXPECT_THAT(exchange(*peer), ElementsAre("message"));
  EXPECT_EQ(reply_text(peer->messages.back()), "200 OK");
}

TEST_F(AmqpCbsTest, ReplyWaitsForItsLink) {
  const auto peer = open();
  const auto requests = attach(*peer, Role::kSender, "$cbs").link;
  EXPECT_EQ(put_token(*peer, {requests, {}}, put_token_message(policy_token("service"))),
            "no reply");
  const auto replies = attach(*peer, Role::kReceiver, "/$cbs").link;
  peer->client->grant_credit(replies, 1);
  EXPECT_THAT(exchange(*peer), ElementsAre("message"));
}

TEST_F(AmqpCbsTest, ReplyGoesToTheLinkThatReplyToNames) {
  const auto peer = open();
  const Cbs cbs = attach_cbs(*peer);
  const auto second = attach(*peer, Role::kReceiver, "$cbs", [](amqp::Attach& body) {
                        body.name = "cbs-client-reply-to";
                      }).link;
  peer->client->grant_credit(second, 1);
  exchange(*peer);
  amqp::Message message = put_token_message(policy_token("service"));
  message.properties.reply_to = "cbs-client-reply-to";
  put_token(*peer, cbs, message);
  EXPECT_EQ(peer->received.back().link, second);
  message.properties.reply_to.reset();
  put_token(*peer, cbs, message);
  EXPECT_EQ(peer->received.back().link, cbs.replies);
}

TEST_F(AmqpCbsTest, BadRequestsAndTokensAreAnswered) {
  const auto peer = open();
  const Cbs cbs = attach_cbs(*peer);
  const std::string token = policy_token("service");
  amqp::Message message = put_token_message(token);
  set_property(message, "expiration", Value::timestamp(1));
  EXPECT_EQ(put_token(*peer, cbs, message), "200 OK");
  message = put_token_message("SharedAccessSignature sr=x&sig=y&se=1");
  EXPECT_THAT(put_token(*peer, cbs, message), StartsWith("401 "));
  EXPECT_THAT(put_token(*peer, cbs, put_token_message(policy_token("service", "other"))),
              StartsWith("401 "));
  EXPECT_THAT(put_token(*peer, cbs, put_token_message(device_token(*get("dev1")))),
              StartsWith("401 "));
  message = put_token_message(token, "");
  EXPECT_THAT(put_token(*peer, cbs, message), StartsWith("400 "));
  message = put_token_message(token);
  message.body_kind = amqp::BodyKind::kData;
  message.data = {token};
  EXPECT_THAT(put_token(*peer, cbs, message), StartsWith("400 "));
  const auto with = [&](const char* name, const char* value) {
    amqp::Message changed = put_token_message(token);
    auto items = changed.application_properties.items();
    for (size_t i = 0; i < items.size(); i += 2) {
      if (items[i].bytes() == name) items[i + 1] = Value::string(value);
    }
    changed.application_properties = Value::map(std::move(items));
    return put_token(*peer, cbs, changed);
  };
  EXPECT_THAT(with("operation", "delete-token"), StartsWith("400 "));
  EXPECT_EQ(with("operation", "PUT-TOKEN"), "200 OK");
  EXPECT_THAT(with("type", "amqp:jwt:2"), StartsWith("400 "));
  EXPECT_THAT(with("type", "Bearer"), StartsWith("401 "));
}

TEST_F(AmqpCbsTest, ManyTokensFitOnAConnection) {
  const auto peer = open();
  const Cbs cbs = attach_cbs(*peer);
  const std::string token = policy_token("service");
  for (size_t i = 0; i < kCbsTokensMax; ++i) {
    EXPECT_EQ(put_token(*peer, cbs, put_token_message(token, "name" + std::to_string(i))),
              "200 OK");
  }
  EXPECT_THAT(put_token(*peer, cbs, put_token_message(token, "one more")), StartsWith("403 "));
  EXPECT_EQ(put_token(*peer, cbs, put_token_message(token, "name3")), "200 OK");
}

// reliability.md 3.2: a token replaced by one with less scope.
TEST_F(AmqpCbsTest, TokenReplacedByALesserOneCutsLinksAtOnce) {
  const auto peer = open();
  const Cbs cbs = attach_cbs(*peer);
  put_token(*peer, cbs, put_token_message(policy_token("service")));
  attach_sender(*peer);
  Bytes bytes;
  amqp::write_message(put_token_message(policy_token("registryRead")), bytes);
  ASSERT_TRUE(peer->client->send(cbs.requests, "t", bytes));
  EXPECT_THAT(exchange(*peer), Contains("detached closed amqp:unauthorized-access"));
  EXPECT_FALSE(peer->stream.closed);
}

TEST_F(AmqpCbsTest, RenewalKeepsLinksAlive) {
  const auto peer = open({.idle_time_out = 0s});
  const Cbs cbs = attach_cbs(*peer);
  put_token(*peer, cbs, put_token_message(policy_token("service")));
  const auto link = attach_sender(*peer);
  for (int i = 0; i < 4; ++i) {
    for (int minute = 0; minute < 45; ++minute) {
      loop_.run_for(1min);
      peer->handler->on_bytes(amqp::test::frame(amqp::kFrameTypeAmqp, 0, ""));
    }
    EXPECT_EQ(put_token(*peer, cbs, put_token_message(policy_token("service"))), "200 OK");
  }
  EXPECT_EQ(send(*peer, link, c2d()), "accepted");
}

TEST_F(AmqpCbsTest, ManyRefusedTokensCloseTheConnection) {
  const auto peer = open();
  const Cbs cbs = attach_cbs(*peer);
  for (int i = 0; i < 10; ++i) {
    EXPECT_THAT(put_token(*peer, cbs, put_token_message("bad")), StartsWith("401 ")) << i;
  }
  EXPECT_TRUE(peer->stream.closed);
}

TEST_F(AmqpCbsTest, UnansweredRequestsAreLimitedByCredit) {
  const auto peer = open();
  const Cbs cbs = attach_cbs(*peer, 0);
  Bytes bytes;
  amqp::write_message(put_token_message(policy_token("service")), bytes);
  int sent = 0;
  while (sent < 1000 && peer->client->send(cbs.requests, "t", bytes)) {
    ++sent;
    exchange(*peer);
  }
  EXPECT_EQ(sent, 100);
  peer->client->grant_credit(cbs.replies, 200);
  exchange(*peer);
  EXPECT_EQ(peer->messages.size(), 100U);
  EXPECT_GT(peer->client->credit(cbs.requests), 50U);
}

class AmqpNodes : public AmqpFixture {};

TEST_F(AmqpNodes, AddressesOfEveryFormAreAccepted) {
  const auto peer = logged_in();
  for (const char* address :
       {"/messages/devicebound", "messages/deviceBound", "amqps://127.0.0.1/messages/devicebound",
        "amqps://user:secret@127.0.0.1:5671/messages/deviceBound", "/MESSAGES/DEVICEBOUND"}) {
    EXPECT_THAT(attach(*peer, Role::kSender, address).seen, ElementsAre(StartsWith("attached")))
        << address;
  }
  for (const char* address : {"/messages/serviceBound/feedback",
                              "amqps://127.0.0.1:5671/messages/servicebound/feedback"}) {
    EXPECT_THAT(attach(*peer, Role::kReceiver, address).seen, ElementsAre(StartsWith("attached")))
        << address;
  }
}

TEST_F(AmqpNodes, UnknownAndUnservedNodesAreRefusedWithNotFound) {
  const auto peer = logged_in();
  for (const auto& [role, address] : std::vector<std::pair<Role, std::string>>{
           {Role::kSender, "/nowhere"},
           {Role::kSender, ""},
           {Role::kReceiver, "/messages/devicebound"},
           {Role::kSender, "/messages/servicebound/feedback"},
           {Role::kSender, "/messages/events"},
           {Role::kReceiver, "/messages/serviceBound/filenotifications"},
           {Role::kSender, "/devices/dev1/messages/events"},
           {Role::kReceiver, "/devices/dev1/messages/devicebound"}}) {
    const Lines seen = attach(*peer, role, address).seen;
    EXPECT_THAT(seen, ElementsAre(AllOf(StartsWith("attached"), testing::EndsWith("refused")),
                                  "detached closed amqp:not-found"))
        << address;
  }
  EXPECT_FALSE(peer->stream.closed);
}

TEST_F(AmqpNodes, RefusalSaysItsNumberAndTrackingId) {
  const auto peer = logged_in();
  amqp::Attach body = amqp::test::Peer::attach_body("l", 0, Role::kReceiver);
  body.source->address = "/devices/dev1/messages/devicebound";
  ASSERT_TRUE(peer->client->attach(peer->session, body));
  run();
  peer->handler->on_bytes(Bytes(peer->client->output()));
  peer->client->clear_output();
  run();
  amqp::Events events;
  peer->client->receive(std::exchange(peer->stream.sent, {}), clock_.now(), events);
  const auto detached = amqp::test::events_of<amqp::LinkDetached>(events);
  ASSERT_EQ(detached.size(), 1U);
  EXPECT_THAT(detached[0].error->description, HasSubstr("\"errorCode\":404006"));
  EXPECT_THAT(detached[0].error->description, HasSubstr("does not serve this address"));
  const Value* tracking_id = detached[0].error->info.find("com.microsoft:tracking-id");
  ASSERT_NE(tracking_id, nullptr);
  EXPECT_THAT(detached[0].error->description, HasSubstr(std::string(tracking_id->bytes())));
}

TEST_F(AmqpNodes, CoordinatorIsNotImplemented) {
  const auto peer = logged_in();
  const Lines seen = attach(*peer, Role::kSender, "", [](amqp::Attach& body) {
                       body.target = amqp::Target{.coordinator = true};
                     }).seen;
  EXPECT_THAT(seen, Contains("detached closed amqp:not-implemented"));
}

TEST_F(AmqpNodes, SettleModesAreAnsweredAsAsked) {
  const auto peer = logged_in();
  amqp::Attach body = amqp::test::Peer::attach_body("l", 0, Role::kSender);
  body.target->address = kDevicebound;
  body.snd_settle_mode = amqp::SenderSettleMode::kUnsettled;
  body.rcv_settle_mode = amqp::ReceiverSettleMode::kSecond;
  ASSERT_TRUE(peer->client->attach(peer->session, body));
  run();
  peer->handler->on_bytes(Bytes(peer->client->output()));
  peer->client->clear_output();
  run();
  amqp::Events events;
  peer->client->receive(std::exchange(peer->stream.sent, {}), clock_.now(), events);
  const auto attached = amqp::test::events_of<amqp::LinkAttached>(events);
  ASSERT_EQ(attached.size(), 1U);
  EXPECT_EQ(attached[0].attach->snd_settle_mode, amqp::SenderSettleMode::kUnsettled);
  EXPECT_EQ(attached[0].attach->rcv_settle_mode, amqp::ReceiverSettleMode::kSecond);
  EXPECT_EQ(attached[0].attach->target->address, kDevicebound);
  EXPECT_NE(attached[0].attach->max_message_size, 0U);
}

TEST_F(AmqpNodes, PeerThatDoesNotReadIsNotRead) {
  const auto peer = logged_in();
  const auto link = attach_sender(*peer);
  peer->stream.stuck = true;
  peer->stream.sent = Bytes(2 * net::Stream::kUnsentHigh + 1, 'x');
  Bytes bytes;
  amqp::write_message(c2d(), bytes);
  ASSERT_TRUE(peer->client->send(link, "t", bytes));
  exchange(*peer);
  EXPECT_TRUE(peer->stream.paused);
  peer->stream.stuck = false;
  peer->handler->on_writable();
  EXPECT_FALSE(peer->stream.paused);
}

TEST_F(AmqpNodes, ProtocolErrorClosesTheStream) {
  const auto peer = logged_in();
  peer->handler->on_bytes("this is no frame");
  EXPECT_TRUE(peer->stream.closed);
  EXPECT_THAT(amqp::test::output_lines(peer->stream.sent),
              ElementsAre("close amqp:connection:framing-error"));
}

}  // namespace
}  // namespace linarite::gateway
