#include "sdk/event_hub_properties.h"

#include <gmock/gmock.h>

#include "amqp/message.h"

namespace linarite::sdk {
namespace {

using amqp::Value;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Value text(std::string value) { return Value::string(std::move(value)); }

Bytes answer(std::vector<Value> properties, Value body = {}) {
  amqp::Message message;
  message.properties.correlation_id = text("7");
  message.application_properties = Value::map(std::move(properties));
  message.body_kind = amqp::BodyKind::kValue;
  message.value = std::move(body);
  Bytes out;
  amqp::write_message(message, out);
  return out;
}

Value ids(std::vector<Value> items) {
  return Value::map({text("partition_ids"), Value::list(std::move(items))});
}

template <class T>
std::string complaint(const Result<T>& result) {
  return result ? "accepted" : result.error().message;
}

TEST(ManagementAnswer, BodyOrRefusal) {
  const auto good =
      read_management_answer(answer({text("status-code"), Value::from_int32(202)}, text("body")));
  ASSERT_TRUE(good);
  EXPECT_EQ(good->request, "7");
  EXPECT_FALSE(good->why);
  EXPECT_EQ(good->body, text("body"));

  const auto refused = read_management_answer(
      answer({text("statusCode"), Value::from_int32(404), text("statusDescription"),
              text("no such partition"), text("error-condition"), Value::symbol("amqp:not-found")},
             text("body")));
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->why, errc::amqp_address_not_found);
  EXPECT_EQ(refused->why.message(), "$management answered 404: no such partition");
  EXPECT_TRUE(refused->body.is_null());
}

TEST(ManagementAnswer, ANumberWithoutACondition) {
  const auto code = [](int32_t status) {
    return read_management_answer(answer({text("status-code"), Value::from_int32(status)}))->why;
  };
  EXPECT_EQ(code(401), errc::iot_hub_unauthorized_access);
  EXPECT_EQ(code(404), errc::amqp_address_not_found);
  EXPECT_EQ(code(503), errc{503000});
  EXPECT_TRUE(is_transient(code(503)));
  EXPECT_EQ(code(99), errc::protocol_error);
}

TEST(ManagementAnswer, WhatIsNone) {
  EXPECT_FALSE(read_management_answer("no message"));
  EXPECT_THAT(complaint(read_management_answer(answer({}))), HasSubstr("status-code"));
  EXPECT_THAT(complaint(read_management_answer(answer({text("status-code"), text("200")}))),
              HasSubstr("status-code"));
}

TEST(EventHubProperties, AreTheirPartitions) {
  const auto read = read_event_hub_properties(Value::map(
      {text("name"), text("hub"), text("created_at"), Value::timestamp(5), text("partition_ids"),
       Value::array(amqp::Type::kString, {text("2"), text("0"), text("10")})}));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->name, "hub");
  EXPECT_EQ(read->created, wall_time(std::chrono::milliseconds(5)));
  EXPECT_THAT(read->partitions, ElementsAre(0, 2, 10));
}

TEST(EventHubProperties, AreRefusedBeyondTheirBounds) {
  const auto refused = [](const Value& body) { return complaint(read_event_hub_properties(body)); };
  EXPECT_THAT(refused({}), HasSubstr("partition_ids is not there"));
  EXPECT_THAT(refused(Value::map({text("partition_ids"), text("0")})), HasSubstr("no array"));
  EXPECT_THAT(refused(ids({})), HasSubstr("1 to 200"));
  EXPECT_THAT(refused(ids({text("0"), text("x")})), HasSubstr("no number"));
  EXPECT_THAT(refused(ids({text("1"), text("01")})), HasSubstr("twice"));
  std::vector<Value> many;
  for (size_t i = 0; i <= kPartitionsMax; ++i) many.push_back(text(std::to_string(i)));
  EXPECT_THAT(refused(ids(many)), HasSubstr("1 to 200"));
  many.pop_back();
  EXPECT_EQ(refused(ids(many)), "accepted");
}

Value partition_body(int64_t begin, int64_t last, Value offset) {
  return Value::map({text("begin_sequence_number"), Value::from_int64(begin),
                     text("last_enqueued_sequence_number"), Value::from_int64(last),
                     text("last_enqueued_offset"), std::move(offset)});
}

TEST(PartitionProperties, WithAndWithoutEvents) {
  const auto trimmed = read_partition_properties(partition_body(8, 7, text("512")));
  ASSERT_TRUE(trimmed);
  EXPECT_EQ(trimmed->begin_sequence_number, 8);
  EXPECT_EQ(trimmed->last_sequence_number, 7);
  EXPECT_EQ(trimmed->last_offset, "512");
  EXPECT_TRUE(trimmed->is_empty);
  EXPECT_FALSE(trimmed->last_enqueued);
  EXPECT_FALSE(read_partition_properties(partition_body(0, 7, text("512")))->is_empty);
}

TEST(PartitionProperties, WhatIsNone) {
  const auto refused = [](const Value& body) { return complaint(read_partition_properties(body)); };
  EXPECT_THAT(refused({}), HasSubstr("begin_sequence_number"));
  EXPECT_THAT(refused(partition_body(0, -2, text("0"))), HasSubstr("below -1"));
  EXPECT_THAT(refused(partition_body(0, 0, Value::from_int64(0))),
              HasSubstr("last_enqueued_offset"));
}

}  // namespace
}  // namespace linarite::sdk
