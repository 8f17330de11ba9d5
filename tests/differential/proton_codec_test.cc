// What one codec writes the other must read as the same value, in both directions, for random
// values of every type; and the same for messages.
#include <gtest/gtest.h>
#include <proton/codec.h>
#include <proton/message.h>

#include <memory>
#include <random>

#include "amqp/decoder.h"
#include "amqp/encoder.h"
#include "amqp/message.h"
#include "amqp/test_values.h"
#include "base/text.h"

namespace linarite::amqp {
namespace {

struct Free {
  void operator()(pn_data_t* data) const { pn_data_free(data); }
  void operator()(pn_message_t* message) const { pn_message_free(message); }
};
using Data = std::unique_ptr<pn_data_t, Free>;

constexpr int kRounds = 20000;

pn_bytes_t to_pn(ByteView bytes) { return pn_bytes(bytes.size(), bytes.data()); }
Bytes from_pn(pn_bytes_t bytes) { return {bytes.start, bytes.size}; }

template <class T>
T sixteen(ByteView bytes) {
  T out;
  static_assert(sizeof(out.bytes) == 16);
  std::memcpy(out.bytes, bytes.data(), 16);
  return out;
}

const pn_type_t kPnTypes[] = {
    PN_NULL,       PN_BOOL, PN_UBYTE,     PN_USHORT, PN_UINT,   PN_ULONG,     PN_BYTE,
    PN_SHORT,      PN_INT,  PN_LONG,      PN_FLOAT,  PN_DOUBLE, PN_DECIMAL32, PN_DECIMAL64,
    PN_DECIMAL128, PN_CHAR, PN_TIMESTAMP, PN_UUID,   PN_BINARY, PN_STRING,    PN_SYMBOL};

void put_scalar(pn_data_t* data, const Value& value) {
  const uint64_t bits = value.bits();
  const auto number = static_cast<int64_t>(bits);
  switch (value.type()) {
    case Type::kNull:
      pn_data_put_null(data);
      break;
    case Type::kBoolean:
      pn_data_put_bool(data, bits != 0);
      break;
    case Type::kUbyte:
      pn_data_put_ubyte(data, static_cast<uint8_t>(bits));
      break;
    case Type::kUshort:
      pn_data_put_ushort(data, static_cast<uint16_t>(bits));
      break;
    case Type::kUint:
      pn_data_put_uint(data, static_cast<uint32_t>(bits));
      break;
    case Type::kUlong:
      pn_data_put_ulong(data, bits);
      break;
    case Type::kByte:
      pn_data_put_byte(data, static_cast<int8_t>(number));
      break;
    case Type::kShort:
      pn_data_put_short(data, static_cast<int16_t>(number));
      break;
    case Type::kInt:
      pn_data_put_int(data, static_cast<int32_t>(number));
      break;
    case Type::kLong:
      pn_data_put_long(data, number);
      break;
    case Type::kFloat:
      pn_data_put_float(data, value.as_float());
      break;
    case Type::kDouble:
      pn_data_put_double(data, value.as_double());
      break;
    case Type::kDecimal32:
      pn_data_put_decimal32(data, static_cast<uint32_t>(bits));
      break;
    case Type::kDecimal64:
      pn_data_put_decimal64(data, bits);
      break;
    case Type::kDecimal128:
      pn_data_put_decimal128(data, sixteen<pn_decimal128_t>(value.bytes()));
      break;
    case Type::kChar:
      pn_data_put_char(data, static_cast<pn_char_t>(bits));
      break;
    case Type::kTimestamp:
      pn_data_put_timestamp(data, number);
      break;
    case Type::kUuid:
      pn_data_put_uuid(data, sixteen<pn_uuid_t>(value.bytes()));
      break;
    case Type::kBinary:
      pn_data_put_binary(data, to_pn(value.bytes()));
      break;
    case Type::kString:
      pn_data_put_string(data, to_pn(value.bytes()));
      break;
    default:
      pn_data_put_symbol(data, to_pn(value.bytes()));
      break;
  }
}

// Test values are a few levels deep, so recursion is fine here.
void put(pn_data_t* data, const Value& value) {
  switch (value.type()) {
    case Type::kList:
      pn_data_put_list(data);
      break;
    case Type::kMap:
      pn_data_put_map(data);
      break;
    case Type::kArray:
      pn_data_put_array(data, false, kPnTypes[static_cast<size_t>(value.element_type())]);
      break;
    case Type::kDescribed:
      pn_data_put_described(data);
      break;
    default:
      return put_scalar(data, value);
  }
  pn_data_enter(data);
  for (const Value& item : value.items()) put(data, item);
  pn_data_exit(data);
}

Type type_of(pn_type_t type) {
  for (size_t i = 0; i < std::size(kPnTypes); ++i) {
    if (kPnTypes[i] == type) return static_cast<Type>(i);
  }
  return Type::kNull;
}

Value get_scalar(pn_data_t* data) {
  switch (pn_data_type(data)) {
    case PN_BOOL:
      return Value::from_bool(pn_data_get_bool(data));
    case PN_UBYTE:
      return Value::from_uint8(pn_data_get_ubyte(data));
    case PN_USHORT:
      return Value::from_uint16(pn_data_get_ushort(data));
    case PN_UINT:
      return Value::from_uint32(pn_data_get_uint(data));
    case PN_ULONG:
      return Value::from_uint64(pn_data_get_ulong(data));
    case PN_BYTE:
      return Value::from_int8(pn_data_get_byte(data));
    case PN_SHORT:
      return Value::from_int16(pn_data_get_short(data));
    case PN_INT:
      return Value::from_int32(pn_data_get_int(data));
    case PN_LONG:
      return Value::from_int64(pn_data_get_long(data));
    case PN_FLOAT:
      return Value::from_float(pn_data_get_float(data));
    case PN_DOUBLE:
      return Value::from_double(pn_data_get_double(data));
    case PN_DECIMAL32:
      return Value::decimal32(pn_data_get_decimal32(data));
    case PN_DECIMAL64:
      return Value::decimal64(pn_data_get_decimal64(data));
    case PN_DECIMAL128: {
      const pn_decimal128_t value = pn_data_get_decimal128(data);
      return Value::decimal128({value.bytes, 16});
    }
    case PN_CHAR:
      return Value::character(pn_data_get_char(data));
    case PN_TIMESTAMP:
      return Value::timestamp(pn_data_get_timestamp(data));
    case PN_UUID: {
      const pn_uuid_t value = pn_data_get_uuid(data);
      return Value::uuid({value.bytes, 16});
    }
    case PN_BINARY:
      return Value::binary(from_pn(pn_data_get_binary(data)));
    case PN_STRING:
      return Value::string(from_pn(pn_data_get_string(data)));
    case PN_SYMBOL:
      return Value::symbol(from_pn(pn_data_get_symbol(data)));
    default:
      return {};
  }
}

Value get(pn_data_t* data) {
  const pn_type_t type = pn_data_type(data);
  if (type != PN_LIST && type != PN_MAP && type != PN_ARRAY && type != PN_DESCRIBED) {
    return get_scalar(data);
  }
  const Type element = type == PN_ARRAY ? type_of(pn_data_get_array_type(data)) : Type::kNull;
  std::vector<Value> items;
  pn_data_enter(data);
  while (pn_data_next(data)) items.push_back(get(data));
  pn_data_exit(data);
  if (type == PN_LIST) return Value::list(std::move(items));
  if (type == PN_MAP) return Value::map(std::move(items));
  if (type == PN_ARRAY) return Value::array(element, std::move(items));
  return Value::described(std::move(items.at(0)), std::move(items.at(1)));
}

Bytes encoded(const Value& value) {
  Bytes out;
  Encoder(out).value(value);
  return out;
}

TEST(ProtonCodec, ReadsWhatWeWrite) {
  std::mt19937_64 random(1);
  const Data data(pn_data(16));
  for (int i = 0; i < kRounds; ++i) {
    const Value value = test::random_value(random, 4, false);
    const Bytes bytes = encoded(value);
    pn_data_clear(data.get());
    ASSERT_EQ(pn_data_decode(data.get(), bytes.data(), bytes.size()),
              static_cast<ssize_t>(bytes.size()))
        << i << " " << hex_text(bytes);
    pn_data_rewind(data.get());
    ASSERT_TRUE(pn_data_next(data.get()));
    ASSERT_EQ(get(data.get()), value) << i << " " << hex_text(bytes);
  }
}

TEST(ProtonCodec, WritesWhatWeRead) {
  std::mt19937_64 random(2);
  const Data data(pn_data(16));
  Bytes buffer(1U << 20U, '\0');
  for (int i = 0; i < kRounds; ++i) {
    const Value value = test::random_value(random, 4, false);
    pn_data_clear(data.get());
    put(data.get(), value);
    const ssize_t size = pn_data_encode(data.get(), buffer.data(), buffer.size());
    ASSERT_GT(size, 0);
    ByteView bytes(buffer.data(), static_cast<size_t>(size));
    const Bytes copy(bytes);
    const auto read = decode_value(bytes);
    ASSERT_TRUE(read) << i << " " << hex_text(copy);
    ASSERT_TRUE(bytes.empty());
    ASSERT_EQ(*read, value) << i << " " << hex_text(copy);
  }
}

Value random_map(std::mt19937_64& random, bool symbols) {
  std::vector<Value> items;
  for (uint64_t i = test::below(random, 4) + 1; i > 0; --i) {
    const std::string key = "key" + std::to_string(i);
    items.push_back(symbols ? Value::symbol(key) : Value::string(key));
    items.push_back(test::random_scalar(random, test::random_scalar_type(random)));
  }
  return Value::map(std::move(items));
}

Value random_id(std::mt19937_64& random) {
  static constexpr Type kTypes[] = {Type::kNull, Type::kUlong, Type::kUuid, Type::kBinary,
                                    Type::kString};
  return test::random_scalar(random, kTypes[test::below(random, std::size(kTypes))]);
}

Message random_message(std::mt19937_64& random) {
  const auto maybe = [&random](auto value) {
    return test::below(random, 2) == 0 ? std::optional(std::move(value)) : std::nullopt;
  };
  Message message;
  // Proton writes priority and delivery-count always, so the header is always there.
  message.header = Header{.durable = test::below(random, 2) == 0,
                          .priority = static_cast<uint8_t>(random()),
                          .ttl_ms = 1 + static_cast<uint32_t>(test::below(random, 100000)),
                          .first_acquirer = test::below(random, 2) == 0,
                          .delivery_count = static_cast<uint32_t>(random())};
  if (test::below(random, 2) == 0) message.delivery_annotations = random_map(random, true);
  if (test::below(random, 2) == 0) message.message_annotations = random_map(random, true);
  Properties& properties = message.properties;
  properties.message_id = random_id(random);
  properties.user_id = "user";
  properties.to = maybe(std::string("/devices/d/messages/devicebound"));
  properties.subject = maybe(std::string("subject"));
  properties.reply_to = maybe(std::string("reply"));
  properties.correlation_id = random_id(random);
  properties.content_type = maybe(std::string("application/json"));
  properties.content_encoding = maybe(std::string("utf-8"));
  properties.absolute_expiry_time_ms = 1 + static_cast<int64_t>(test::below(random, 1ULL << 45U));
  properties.creation_time_ms = 1 + static_cast<int64_t>(test::below(random, 1ULL << 45U));
  properties.group_id = "group";
  properties.group_sequence = static_cast<uint32_t>(random());
  properties.reply_to_group_id = maybe(std::string("other"));
  if (test::below(random, 2) == 0) message.application_properties = random_map(random, false);
  if (test::below(random, 2) == 0) {
    message.body_kind = BodyKind::kData;
    message.data = {test::random_bytes(random, test::below(random, 600), false)};
  } else {
    message.body_kind = BodyKind::kValue;
    // Proton leaves a body of null out.
    do {
      message.value = test::random_value(random, 3, false);
    } while (message.value.is_null());
  }
  return message;
}

TEST(ProtonMessage, MessagesSurviveProton) {
  std::mt19937_64 random(3);
  const std::unique_ptr<pn_message_t, Free> peer(pn_message());
  Bytes buffer(1U << 20U, '\0');
  for (int i = 0; i < kRounds / 4; ++i) {
    Bytes bytes;
    write_message(random_message(random), bytes);
    pn_message_clear(peer.get());
    ASSERT_EQ(pn_message_decode(peer.get(), bytes.data(), bytes.size()), 0) << hex_text(bytes);
    size_t size = buffer.size();
    ASSERT_EQ(pn_message_encode(peer.get(), buffer.data(), &size), 0);
    const auto message = decode_message(ByteView(buffer).substr(0, size));
    ASSERT_TRUE(message) << i << " " << hex_text(ByteView(buffer).substr(0, size));
    Bytes again;
    write_message(*message, again);
    ASSERT_EQ(hex_text(again), hex_text(bytes)) << i;
  }
}

}  // namespace
}  // namespace linarite::amqp
