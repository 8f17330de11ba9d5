// Messages: sections there and back, the rules of their order, and what clients really send.
#include "amqp/message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace linarite::amqp {
namespace {

using namespace std::string_literals;

Bytes section(Section code, const Value& value) {
  Bytes out;
  write_section(code, value, out);
  return out;
}

bool refused(const Bytes& bytes) {
  MessageView view;
  const bool read = read_message(bytes, view).has_value();
  EXPECT_EQ(read, decode_message(bytes).has_value());
  return !read;
}

const Value kProperties = Value::list({Value::string("id")});
const Value kText = Value::map({Value::string("k"), Value::string("v")});
const Value kAnnotation = Value::map({Value::symbol("k"), Value::string("v")});

Message full_message() {
  Message message;
  message.header = Header{
      .durable = true, .priority = 7, .ttl_ms = 1000, .first_acquirer = true, .delivery_count = 3};
  message.delivery_annotations = kAnnotation;
  message.message_annotations =
      Value::map({Value::symbol("iothub-enqueuedtime"), Value::timestamp(5)});
  message.properties.message_id = Value::from_uint64(42);
  message.properties.user_id = "user";
  message.properties.to = "/devices/d/messages/devicebound";
  message.properties.subject = "subject";
  message.properties.reply_to = "reply";
  message.properties.correlation_id = Value::uuid("0123456789abcdef");
  message.properties.content_type = "application/json";
  message.properties.content_encoding = "utf-8";
  message.properties.absolute_expiry_time_ms = 1700000000000;
  message.properties.creation_time_ms = 1600000000000;
  message.properties.group_id = "group";
  message.properties.group_sequence = 9;
  message.properties.reply_to_group_id = "other";
  message.application_properties = Value::map(
      {Value::string("n"), Value::from_int32(-1), Value::string("b"), Value::from_bool(true)});
  message.body_kind = BodyKind::kData;
  message.data = {"one ", "two"};
  message.footer = kAnnotation;
  return message;
}

TEST(Message, EverySectionComesBack) {
  const Message message = full_message();
  Bytes bytes;
  write_message(message, bytes);
  MessageView view;
  ASSERT_TRUE(read_message(bytes, view));
  EXPECT_EQ(view.header->priority, 7);
  EXPECT_EQ(view.properties.message_id.type, Type::kUlong);
  EXPECT_EQ(view.properties.to, "/devices/d/messages/devicebound");
  EXPECT_EQ(view.properties.absolute_expiry_time_ms, 1700000000000);
  EXPECT_EQ(view.body_sections, 2U);
  EXPECT_EQ(view.data(), "one two");
  const auto copy = decode_message(bytes);
  ASSERT_TRUE(copy);
  Bytes again;
  write_message(*copy, again);
  EXPECT_EQ(again, bytes);
}

TEST(Message, EveryPrefixIsAShorterMessageOrRefused) {
  Bytes bytes;
  write_message(full_message(), bytes);
  size_t taken = 0;
  for (size_t size = 0; size < bytes.size(); ++size) {
    taken += refused(bytes.substr(0, size)) ? 0 : 1;
  }
  EXPECT_EQ(taken, 8U);  // Cut exactly between two of the nine sections, or before the first.
}

// CBS replies must carry the request's message-id with the same type.
TEST(Message, IdsKeepTheirType) {
  for (const Value& id : {Value::from_uint64(0), Value::uuid("0123456789abcdef"),
                          Value::binary("b"), Value::string("s")}) {
    Message message;
    message.properties.message_id = id;
    Bytes bytes;
    write_message(message, bytes);
    EXPECT_EQ(decode_message(bytes)->properties.message_id, id);
  }
  EXPECT_TRUE(refused(section(Section::kProperties, Value::list({Value::from_int32(1)}))));
  EXPECT_TRUE(refused(section(Section::kProperties, Value::list({Value::symbol("s")}))));
}

TEST(Message, ValueAndSequenceBodiesComeBack) {
  Message value;
  value.body_kind = BodyKind::kValue;
  value.value = Value::string("token");
  Bytes bytes;
  write_message(value, bytes);
  EXPECT_EQ(bytes, "\0\x53\x77\xA1\5token"s);
  EXPECT_EQ(decode_message(bytes)->value, value.value);
  Message sequence;
  sequence.body_kind = BodyKind::kSequence;
  sequence.sequences = {Value::list({Value()}), Value::list({})};
  bytes.clear();
  write_message(sequence, bytes);
  EXPECT_EQ(decode_message(bytes)->sequences, sequence.sequences);
}

TEST(Message, MayHaveNoBodyOrNothingAtAll) {
  MessageView view;
  EXPECT_TRUE(read_message("", view));
  EXPECT_TRUE(read_message(section(Section::kProperties, kProperties), view));
  EXPECT_EQ(view.body_kind, BodyKind::kNone);
  EXPECT_EQ(view.data(), "");
}

// reliability.md 3.2: sections out of order or repeated; several body kinds.
TEST(Message, SectionsOutOfOrderOrRepeatedAreRefused) {
  const Bytes data = section(Section::kData, Value::binary("x"));
  const Bytes value = section(Section::kValue, Value());
  const Bytes sequence = section(Section::kSequence, Value::list({}));
  const Bytes properties = section(Section::kProperties, kProperties);
  const Bytes header = section(Section::kHeader, Value::list({}));
  const Bytes texts = section(Section::kApplicationProperties, kText);
  const Bytes footer = section(Section::kFooter, kAnnotation);
  EXPECT_TRUE(refused(properties + header));
  EXPECT_TRUE(refused(texts + properties));
  EXPECT_TRUE(refused(data + texts));
  EXPECT_TRUE(refused(footer + data));
  EXPECT_TRUE(refused(properties + properties));
  EXPECT_TRUE(refused(footer + footer));
  EXPECT_TRUE(refused(data + value));
  EXPECT_TRUE(refused(value + value));
  EXPECT_TRUE(refused(sequence + data));
  EXPECT_FALSE(refused(sequence + sequence));
  EXPECT_FALSE(refused(data + data + footer));
}

TEST(Message, SectionsOfTheWrongTypeAreRefused) {
  EXPECT_TRUE(refused(section(Section::kData, Value::string("x"))));
  EXPECT_TRUE(refused(section(Section::kSequence, Value::map({}))));
  EXPECT_TRUE(refused(section(Section::kProperties, kText)));
  EXPECT_TRUE(refused(section(Section::kApplicationProperties, Value::list({}))));
  EXPECT_TRUE(refused(section(Section::kHeader, Value::list(std::vector<Value>(6)))));
  EXPECT_TRUE(refused("\0\x53\x79\x40"s));
  EXPECT_TRUE(refused("\x40"s));
  EXPECT_TRUE(refused("junk"));
}

TEST(Message, MapKeysHaveTheirTypesAndComeOnce) {
  const auto app = [](std::vector<Value> items) {
    return section(Section::kApplicationProperties, Value::map(std::move(items)));
  };
  EXPECT_TRUE(refused(app({Value::symbol("k"), Value::string("v")})));
  EXPECT_TRUE(refused(app({Value::string("k"), Value::list({})})));
  EXPECT_TRUE(refused(app({Value::string("k"), Value(), Value::string("k"), Value()})));
  EXPECT_FALSE(refused(app({Value::string("k"), Value(), Value::string("K"), Value()})));
  EXPECT_TRUE(
      refused(section(Section::kMessageAnnotations, Value::map({Value::from_int32(1), Value()}))));
  EXPECT_FALSE(refused(section(Section::kMessageAnnotations, kAnnotation)));
  std::vector<Value> many;
  for (int i = 0; i < 100; ++i) {
    many.push_back(Value::string(std::to_string(i)));
    many.push_back(Value::from_int32(i));
  }
  EXPECT_FALSE(refused(app(many)));
  many.push_back(Value::string("50"));
  many.push_back(Value());
  EXPECT_TRUE(refused(app(many)));
}

TEST(Message, SymbolicDescriptorsAreUnderstood) {
  Bytes bytes;
  Encoder(bytes).value(Value::described(Value::symbol("amqp:data:binary"), Value::binary("x")));
  MessageView view;
  ASSERT_TRUE(read_message(bytes, view));
  EXPECT_EQ(view.data(), "x");
  Bytes unknown;
  Encoder(unknown).value(Value::described(Value::symbol("amqp:date:binary"), Value::binary("x")));
  EXPECT_TRUE(refused(unknown));
}

// uAMQP sends content-type as a string where the standard has a symbol.
TEST(Message, ContentTypeMayBeAString) {
  std::vector<Value> fields(6);
  fields.push_back(Value::string("text/plain"));
  fields.push_back(Value::string("utf-8"));
  const Bytes bytes = section(Section::kProperties, Value::list(std::move(fields)));
  MessageView view;
  ASSERT_TRUE(read_message(bytes, view));
  EXPECT_EQ(view.properties.content_type, "text/plain");
}

TEST(Message, BodySectionsAreCapped) {
  const Bytes one = section(Section::kData, Value::binary("x"));
  Bytes bytes;
  for (size_t i = 0; i < kBodySectionsMax; ++i) bytes += one;
  EXPECT_FALSE(refused(bytes));
  EXPECT_TRUE(refused(bytes + one));
}

}  // namespace
}  // namespace linarite::amqp
