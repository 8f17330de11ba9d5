// Cloud-to-device messages over AMQP: what reaches the queue, and each outcome of
// service-protocol 2.3.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/amqp_c2d_message.h"
#include "gateway/amqp_fixture.h"

namespace linarite::gateway {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

class AmqpC2d : public AmqpFixture {
 protected:
  explicit AmqpC2d(hub::HubOptions options = {}) : AmqpFixture(std::move(options)) {}
  void SetUp() override {
    AmqpFixture::SetUp();
    peer_ = logged_in();
    link_ = attach_sender(*peer_);
  }
  void TearDown() override { peer_.reset(); }
  std::string send(const amqp::Message& message) {
    return AmqpFixture::send(*peer_, link_, message);
  }
  int64_t wall_ms() { return wall().time_since_epoch().count(); }

  std::unique_ptr<BackEnd> peer_;
  amqp::LinkId link_{};
};

TEST_F(AmqpC2d, EveryFieldReachesTheQueue) {
  amqp::Message message = c2d("id1");
  message.properties.correlation_id = Value::string("corr");
  message.properties.user_id = "\x01user";
  message.properties.content_type = "application/json";
  message.properties.content_encoding = "utf-8";
  message.properties.absolute_expiry_time_ms = wall_ms() + 60000;
  set_property(message, "iothub-ack", Value::string("Full"));
  set_property(message, "text", Value::string("é"));
  set_property(message, "number", Value::from_int32(-5));
  set_property(message, "yes", Value::from_bool(true));
  set_property(message, "double", Value::from_double(1.5));
  set_property(message, "nothing", Value());
  message.data = {"two ", "sections"};
  EXPECT_EQ(send(message), "accepted");
  EXPECT_EQ(queued(), "id1 ");
  EXPECT_EQ(last_.message_id, "id1");
  EXPECT_EQ(last_.correlation_id, "corr");
  EXPECT_EQ(last_.user_id, "\x01user");
  EXPECT_EQ(last_.to, "/devices/dev1/messages/devicebound");
  EXPECT_EQ(last_.content_type, "application/json");
  EXPECT_EQ(last_.content_encoding, "utf-8");
  EXPECT_EQ(last_.expiry, wall() + 60s);
  EXPECT_EQ(last_.ack, wire::Ack::kFull);
  EXPECT_THAT(last_.properties,
              ElementsAre(Pair("text", "é"), Pair("number", "-5"), Pair("yes", "true"),
                          Pair("double", "1.5"), Pair("nothing", "")));
  EXPECT_EQ(last_.body, "two sections");
}

TEST_F(AmqpC2d, UuidAndNumberIdsBecomeText) {
  amqp::Message message = c2d();
  message.properties.message_id =
      Value::uuid(ByteView("\x12\x34\x56\x78\x9a\xbc\xde\xf0\x01\x23\x45\x67\x89\xab\xcd\xef", 16));
  message.properties.correlation_id = Value::from_uint64(42);
  EXPECT_EQ(send(message), "accepted");
  queued();
  EXPECT_EQ(last_.message_id, "12345678-9abc-def0-0123-456789abcdef");
  EXPECT_EQ(last_.correlation_id, "42");
}

TEST_F(AmqpC2d, BodiesOfEveryTakenForm) {
  amqp::Message message = c2d();
  message.data = {""};
  EXPECT_EQ(send(message), "accepted");
  message.body_kind = amqp::BodyKind::kNone;
  EXPECT_EQ(send(message), "accepted");
  message.body_kind = amqp::BodyKind::kValue;
  for (const Value& value : {Value::string("text"), Value::binary("text"), Value()}) {
    message.value = value;
    EXPECT_EQ(send(message), "accepted");
  }
  message.value = Value::from_int32(1);
  EXPECT_EQ(send(message), "rejected com.microsoft:argument-error 400004");
  message.body_kind = amqp::BodyKind::kSequence;
  message.sequences = {Value::list({})};
  EXPECT_EQ(send(message), "rejected com.microsoft:argument-error 400004");
}

// Node percent-encodes the id, the others send it raw; the raw form is looked up first.
TEST_F(AmqpC2d, DeviceIdIsLookedUpRawThenDecoded) {
  ASSERT_TRUE(create("a+b"));
  EXPECT_EQ(send(c2d("m", "/devices/a+b/messages/deviceBound")), "accepted");
  EXPECT_EQ(send(c2d("m", "/devices/a%2Bb/messages/devicebound")), "accepted");
  EXPECT_EQ(get("a+b")->pending_messages, 2U);
  ASSERT_TRUE(create("a%2Bb"));
  EXPECT_EQ(send(c2d("m", "/devices/a%2Bb/messages/devicebound")), "accepted");
  EXPECT_EQ(get("a%2Bb")->pending_messages, 1U);
}

TEST_F(AmqpC2d, UnknownAndDisabledDevicesAndModulesAreNotFound) {
  EXPECT_EQ(send(c2d("m", "/devices/nobody/messages/devicebound")),
            "rejected amqp:not-found 404001");
  EXPECT_EQ(send(c2d("m", "/devices/no%20body/messages/devicebound")),
            "rejected amqp:not-found 404001");
  EXPECT_EQ(send(c2d("m", "/devices/dev1/modules/m/messages/devicebound")),
            "rejected amqp:not-found 404010");
  ASSERT_TRUE(update({.device_id = "dev1", .status = hub::DeviceStatus::kDisabled}));
  EXPECT_EQ(send(c2d()), "rejected amqp:not-found 404001");
}

TEST_F(AmqpC2d, FiftyOneMessagesAreOneTooMany) {
  for (int i = 0; i < 50; ++i) ASSERT_EQ(send(c2d("m" + std::to_string(i))), "accepted");
  EXPECT_EQ(send(c2d("last")), "rejected amqp:resource-limit-exceeded 403004");
  EXPECT_EQ(get("dev1")->pending_messages, 50U);
}

TEST_F(AmqpC2d, SizeIsLimitedAndTheLinkStays) {
  amqp::Message message = c2d();
  message.data = {Bytes(70000, 'x')};
  EXPECT_EQ(send(message), "rejected amqp:link:message-size-exceeded 413001");
  message.data = {Bytes(60000, 'x')};
  EXPECT_EQ(send(message), "accepted");
}

TEST_F(AmqpC2d, ExpiryMustLieInTheNextTwoDays) {
  amqp::Message message = c2d();
  for (const int64_t expiry :
       {wall_ms() - 1, wall_ms() + int64_t{49} * 3600 * 1000, int64_t{0}, INT64_MAX, INT64_MIN}) {
    message.properties.absolute_expiry_time_ms = expiry;
    EXPECT_EQ(send(message), "rejected com.microsoft:argument-error 403009") << expiry;
  }
  message.properties.absolute_expiry_time_ms = wall_ms() + 1000;
  EXPECT_EQ(send(message), "accepted");
}

TEST_F(AmqpC2d, ToMustNameADevice) {
  for (const char* to : {"", "/devices//messages/devicebound", "dev1", "/devices/dev1"}) {
    EXPECT_EQ(send(c2d("m", to)), "rejected amqp:not-allowed 400003") << to;
  }
  amqp::Message message = c2d();
  message.properties.to.reset();
  EXPECT_EQ(send(message), "rejected amqp:not-allowed 400003");
}

TEST_F(AmqpC2d, MalformedMessageIsADecodeErrorAndTheLinkStays) {
  EXPECT_EQ(send_bytes(*peer_, link_, "junk"), "rejected amqp:decode-error 400012");
  EXPECT_EQ(send(c2d()), "accepted");
}

TEST_F(AmqpC2d, UnknownAckAndTextlessPropertiesAreArgumentErrors) {
  amqp::Message message = c2d();
  set_property(message, "iothub-ack", Value::string("sometimes"));
  EXPECT_EQ(send(message), "rejected com.microsoft:argument-error 400004");
  message = c2d();
  set_property(message, "p", Value::binary("\xFF"));
  EXPECT_EQ(send(message), "rejected com.microsoft:argument-error 400004");
  message = c2d(std::string(129, 'i'));
  EXPECT_EQ(send(message), "rejected com.microsoft:argument-error 400004");
  message = c2d();
  message.properties.message_id = Value::binary("\xFF");
  EXPECT_EQ(send(message), "rejected com.microsoft:argument-error 400004");
}

TEST_F(AmqpC2d, RejectionCarriesATrackingId) {
  send(c2d("m", "/devices/nobody/messages/devicebound"));
  const auto& error = *peer_->outcomes.back().error;
  const Value* tracking_id = error.info.find("com.microsoft:tracking-id");
  ASSERT_NE(tracking_id, nullptr);
  EXPECT_NE(error.description.find(tracking_id->bytes()), std::string::npos);
}

TEST_F(AmqpC2d, NothingIsAcceptedBeforeItIsDurable) {
  store_.hold_commits(true);
  Bytes bytes;
  amqp::write_message(c2d(), bytes);
  ASSERT_TRUE(peer_->client->send(link_, "t", bytes));
  EXPECT_THAT(exchange(*peer_), IsEmpty());
  release();
  EXPECT_THAT(exchange(*peer_), ElementsAre("updated id=0 accepted settled"));
}

TEST_F(AmqpC2d, FailedStoreRejectsAsUnavailable) {
  store_.fail_next_sync({ErrorCode::kIoError, "broken"});
  EXPECT_EQ(send(c2d()), "rejected com.microsoft:timeout 503001");
}

// Back-pressure: messages with the store keep their credit.
TEST_F(AmqpC2d, CreditIsWithheldWhileTheStoreIsSlow) {
  ASSERT_TRUE(create("dev2"));
  ASSERT_TRUE(create("dev3"));
  ASSERT_EQ(peer_->client->credit(link_), 100U);
  store_.hold_commits(true);
  int sent = 0;
  for (; sent < 1000; ++sent) {
    Bytes bytes;
    amqp::write_message(c2d("m", fmt::format("/devices/dev{}/messages/devicebound", 1 + sent % 3)),
                        bytes);
    if (!peer_->client->send(link_, "t", bytes)) break;
    exchange(*peer_);
  }
  EXPECT_EQ(sent, 100);
  release();
  exchange(*peer_);
  EXPECT_EQ(peer_->outcomes.size(), 100U);
  EXPECT_GT(peer_->client->credit(link_), 50U);
}

TEST_F(AmqpC2d, OutcomesOfABurstShareDispositions) {
  Bytes bytes;
  amqp::write_message(c2d(), bytes);
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(peer_->client->send(link_, "t", bytes));
  peer_->handler->on_bytes(Bytes(peer_->client->output()));
  peer_->client->clear_output();
  run();
  EXPECT_THAT(amqp::test::output_lines(peer_->stream.sent),
              ElementsAre("0 disposition receiver 0..39 accepted settled"));
}

TEST_F(AmqpC2d, PreSettledMessagesAreQueuedWithoutAnOutcome) {
  Bytes bytes;
  amqp::write_message(c2d("settled"), bytes);
  ASSERT_TRUE(peer_->client->send(link_, "t", bytes, true));
  EXPECT_THAT(exchange(*peer_), IsEmpty());
  EXPECT_EQ(queued(), "settled ");
}

TEST_F(AmqpC2d, AnswerAfterTheLinkIsGoneIsDropped) {
  store_.hold_commits(true);
  Bytes bytes;
  amqp::write_message(c2d(), bytes);
  ASSERT_TRUE(peer_->client->send(link_, "t", bytes));
  exchange(*peer_);
  peer_->client->detach(link_, true, std::nullopt);
  exchange(*peer_);
  release();
  EXPECT_THAT(exchange(*peer_), IsEmpty());
  peer_->drop();
  run();
  EXPECT_EQ(queued(), "m1 ");
}

TEST(ScalarText, EveryType) {
  const auto text = [](const Value& value) {
    Bytes bytes;
    amqp::Encoder(bytes).value(value);
    ByteView rest = bytes;
    amqp::ValueView view;
    EXPECT_TRUE(amqp::read_value(rest, view));
    return scalar_text(view).value_or("none");
  };
  EXPECT_EQ(text(Value::from_uint64(UINT64_MAX)), "18446744073709551615");
  EXPECT_EQ(text(Value::from_int8(-1)), "-1");
  EXPECT_EQ(text(Value::from_float(0.1F)), "0.1");
  EXPECT_EQ(text(Value::character(0x1F600)), "\xF0\x9F\x98\x80");
  EXPECT_EQ(text(Value::character(0xE9)), "\xC3\xA9");
  EXPECT_EQ(text(Value::timestamp(0)), "1970-01-01T00:00:00.0000000Z");
  EXPECT_EQ(text(Value::timestamp(INT64_MAX)), "none");
  EXPECT_EQ(text(Value::symbol("s")), "s");
  EXPECT_EQ(text(Value::binary("b")), "b");
  EXPECT_EQ(text(Value::decimal64(1)), "none");
  EXPECT_EQ(text(Value::list({})), "none");
}

}  // namespace
}  // namespace linarite::gateway
