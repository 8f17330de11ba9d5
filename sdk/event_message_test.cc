#include "sdk/event_message.h"

#include <gtest/gtest.h>

#include "amqp/message.h"

namespace linarite::sdk {
namespace {

using amqp::Value;

Bytes written(const amqp::Message& message) {
  Bytes out;
  amqp::write_message(message, out);
  return out;
}

TEST(EventMessage, WhatTheHubAndTheDeviceSay) {
  amqp::Message message;
  message.message_annotations = Value::map(
      {Value::symbol("x-opt-sequence-number"), Value::from_int64(7), Value::symbol("x-opt-offset"),
       Value::string("512"), Value::symbol("x-opt-enqueued-time"), Value::timestamp(1'700),
       Value::symbol("iothub-connection-device-id"), Value::string("d1"),
       Value::symbol("iothub-connection-module-id"), Value::string("m")});
  message.properties.message_id = Value::string("m1");
  message.properties.correlation_id = Value::from_uint64(12);
  message.properties.content_type = "application/json";
  message.properties.absolute_expiry_time_ms = 5;
  message.application_properties =
      Value::map({Value::string("color"), Value::string("red"), Value::string("count"),
                  Value::from_int32(-3), Value::string("nothing"), Value()});
  message.body_kind = amqp::BodyKind::kData;
  message.data = {"a", "b"};
  const auto read = read_event(written(message));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->sequence_number, 7);
  EXPECT_EQ(read->offset, "512");
  EXPECT_EQ(read->enqueued.time_since_epoch().count(), 1'700);
  EXPECT_EQ(read->device_id + "/" + read->module_id, "d1/m");
  EXPECT_EQ(read->annotations.size(), 5U);
  EXPECT_EQ(read->content.message_id, "m1");
  EXPECT_EQ(read->content.correlation_id, "12");
  EXPECT_EQ(read->content.content_type, "application/json");
  EXPECT_EQ(read->content.expiry->time_since_epoch().count(), 5);
  EXPECT_EQ(read->content.properties, (property_list{{"color", "red"}, {"count", "-3"}}));
  EXPECT_EQ(read->content.text(), "ab");
}

TEST(EventMessage, OtherTypesAreLeftOut) {
  amqp::Message message;
  message.message_annotations =
      Value::map({Value::symbol("x-opt-offset"), Value::from_int32(1), Value::from_uint64(3),
                  Value::string("x"), Value::symbol("list"), Value::list({})});
  message.body_kind = amqp::BodyKind::kValue;
  message.value = Value::string("text");
  const auto read = read_event(written(message));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->offset, "");
  EXPECT_EQ(read->annotations.size(), 1U);
  EXPECT_EQ(read->content.text(), "text");
  EXPECT_FALSE(read_event("no message"));
}

}  // namespace
}  // namespace linarite::sdk
