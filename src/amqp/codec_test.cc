// The type system: literal encodings, limits, and random values there and back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "amqp/decoder.h"
#include "amqp/encoder.h"
#include "amqp/test_values.h"

namespace linarite::amqp {
namespace {

using namespace std::string_literals;

Bytes encoded(const Value& value) {
  Bytes out;
  Encoder(out).value(value);
  return out;
}

std::optional<Value> decoded(ByteView bytes) {
  auto value = decode_value(bytes);
  if (!value || !bytes.empty()) return std::nullopt;
  return *value;
}

bool refused(ByteView bytes) {
  ByteView again = bytes;
  const bool checked = check_value(again);
  const bool built = decode_value(bytes).has_value();
  EXPECT_EQ(checked, built);
  return !built;
}

const Bytes kUuid = "0123456789abcdef";

struct Literal {
  Value value;
  Bytes encoding;
};

// Part 1, section 1.6: the shortest form of each type.
const Literal kLiterals[] = {
    {Value(), "\x40"s},
    {Value::from_bool(true), "\x41"s},
    {Value::from_bool(false), "\x42"s},
    {Value::from_uint8(0xFE), "\x50\xFE"s},
    {Value::from_uint16(0x1234), "\x60\x12\x34"s},
    {Value::from_uint32(0), "\x43"s},
    {Value::from_uint32(255), "\x52\xFF"s},
    {Value::from_uint32(256), "\x70\0\0\1\0"s},
    {Value::from_uint64(0), "\x44"s},
    {Value::from_uint64(255), "\x53\xFF"s},
    {Value::from_uint64(256), "\x80\0\0\0\0\0\0\1\0"s},
    {Value::from_int8(-2), "\x51\xFE"s},
    {Value::from_int16(-2), "\x61\xFF\xFE"s},
    {Value::from_int32(-128), "\x54\x80"s},
    {Value::from_int32(128), "\x71\0\0\0\x80"s},
    {Value::from_int64(-1), "\x55\xFF"s},
    {Value::from_int64(-129), "\x81\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F"s},
    {Value::from_float(1.5F), "\x72\x3F\xC0\0\0"s},
    {Value::from_double(-2.0), "\x82\xC0\0\0\0\0\0\0\0"s},
    {Value::decimal32(7), "\x74\0\0\0\7"s},
    {Value::decimal64(7), "\x84\0\0\0\0\0\0\0\7"s},
    {Value::decimal128(kUuid), "\x94" + kUuid},
    {Value::character(0x1F600), "\x73\0\1\xF6\0"s},
    {Value::timestamp(-1), "\x83\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"s},
    {Value::uuid(kUuid), "\x98" + kUuid},
    {Value::binary("\0\1"s), "\xA0\2\0\1"s},
    {Value::string("h\xC3\xA9"), "\xA1\3h\xC3\xA9"s},
    {Value::symbol("s"), "\xA3\1s"s},
    {Value::list({}), "\x45"s},
    {Value::list({Value(), Value::from_bool(true)}), "\xC0\3\2\x40\x41"s},
    {Value::map({Value::symbol("k"), Value::from_uint32(1)}), "\xC1\6\2\xA3\1k\x52\1"s},
    {Value::array(Type::kSymbol, {Value::symbol("a"), Value::symbol("bc")}),
     "\xF0\0\0\0\x0A\0\0\0\2\xA3\1a\2bc"s},
    {Value::described(Value::from_uint64(0x24), Value::list({})), "\0\x53\x24\x45"s},
};

TEST(Codec, EachTypeHasItsShortestEncodingAndComesBack) {
  for (const Literal& literal : kLiterals) {
    EXPECT_EQ(encoded(literal.value), literal.encoding) << testing::PrintToString(literal.encoding);
    EXPECT_EQ(decoded(literal.encoding), literal.value) << testing::PrintToString(literal.encoding);
  }
}

TEST(Codec, OtherEncodingsOfTheSameValuesAreRead) {
  EXPECT_EQ(decoded("\x56\1"s), Value::from_bool(true));
  EXPECT_EQ(decoded("\x70\0\0\0\1"s), Value::from_uint32(1));
  EXPECT_EQ(decoded("\x80\0\0\0\0\0\0\0\1"s), Value::from_uint64(1));
  EXPECT_EQ(decoded("\x71\xFF\xFF\xFF\xFF"s), Value::from_int32(-1));
  EXPECT_EQ(decoded("\xB1\0\0\0\1x"s), Value::string("x"));
  EXPECT_EQ(decoded("\xD0\0\0\0\4\0\0\0\0"s), Value::list({}));
  EXPECT_EQ(decoded("\xC0\1\0"s), Value::list({}));
  EXPECT_EQ(decoded("\xE0\5\3\x56\1\0\1"s),
            Value::array(Type::kBoolean, {Value::from_bool(true), Value::from_bool(false),
                                          Value::from_bool(true)}));
}

TEST(Value, NumbersAreReadWhateverTheirWidth) {
  for (const Value& value :
       {Value::from_uint8(7), Value::from_uint16(7), Value::from_uint32(7), Value::from_uint64(7),
        Value::from_int8(7), Value::from_int16(7), Value::from_int32(7), Value::from_int64(7),
        Value::timestamp(7), Value::character(7)}) {
    EXPECT_EQ(value.integer(), 7);
  }
  EXPECT_EQ(Value::from_int8(-7).integer(), -7);
  EXPECT_EQ(Value::from_uint64(UINT64_MAX).integer(), std::nullopt) << "larger than any integer";
  EXPECT_EQ(Value::string("7").integer(), std::nullopt);
  EXPECT_EQ(decoded(encoded(Value::from_float(1.5F)))->as_float(), 1.5F);
  EXPECT_EQ(decoded(encoded(Value::from_double(-2.5)))->as_double(), -2.5);
}

TEST(Value, MapsAreSearchedByTextOfEitherKind) {
  const Value map = Value::map({Value::symbol("a"), Value::from_uint32(1), Value::string("b"),
                                Value::from_uint32(2), Value::from_uint64(3), Value()});
  EXPECT_EQ(*map.find("a"), Value::from_uint32(1));
  EXPECT_EQ(*map.find("b"), Value::from_uint32(2));
  EXPECT_EQ(map.find("c"), nullptr);
  EXPECT_EQ(Value::list({Value::symbol("a"), Value()}).find("a"), nullptr);
}

TEST(Codec, LargeValuesUseTheWideForms) {
  const Value string = Value::string(std::string(256, 'x'));
  EXPECT_EQ(encoded(string).substr(0, 5), "\xB1\0\0\1\0"s);
  const Value list = Value::list(std::vector<Value>(300, Value::from_uint8(7)));
  EXPECT_EQ(encoded(list).substr(0, 9), "\xD0\0\0\2\x5C\0\0\1\x2C"s);
  for (const Value& value : {string, list, Value::list({list, string, list})}) {
    EXPECT_EQ(decoded(encoded(value)), value);
  }
}

TEST(Codec, EverySmallSizeAroundTheWideFormComesBack) {
  for (size_t size = 240; size < 270; ++size) {
    const Value list = Value::list({Value::binary(Bytes(size, 'b')), Value::from_bool(true)});
    EXPECT_EQ(decoded(encoded(list)), list) << size;
    const Value map = Value::map({Value::string(Bytes(size, 'k')), list});
    EXPECT_EQ(decoded(encoded(map)), map) << size;
  }
}

TEST(Codec, ArraysOfEveryKindComeBack) {
  const Value numbers =
      Value::array(Type::kUint, {Value::from_uint32(0), Value::from_uint32(UINT32_MAX)});
  const Value lists = Value::array(Type::kList, {Value::list({numbers, Value()}), Value::list({})});
  const Value maps =
      Value::array(Type::kMap, {Value::map({Value::symbol("k"), lists}), Value::map({})});
  const Value arrays = Value::array(
      Type::kArray,
      {Value::array(Type::kLong, {Value::from_int64(-5)}), Value::array(Type::kLong, {})});
  const auto described = [](Value value) {
    return Value::described(Value::symbol("my:type"), std::move(value));
  };
  const Value described_lists = Value::array(
      Type::kDescribed, {described(Value::list({numbers})), described(Value::list({}))});
  const Value described_longs = Value::array(
      Type::kDescribed, {described(Value::from_int64(1)), described(Value::from_int64(2))});
  for (const Value& value :
       {numbers, lists, maps, arrays, described_lists, described_longs,
        Value::array(Type::kString, {}), Value::array(Type::kNull, {Value(), Value()}),
        Value::list({described_lists, maps})}) {
    EXPECT_EQ(decoded(encoded(value)), value);
  }
  // The descriptor of no element is not known.
  EXPECT_EQ(decoded(encoded(Value::array(Type::kDescribed, {}))), Value::array(Type::kNull, {}));
}

TEST(Codec, RandomValuesComeBackAndEveryPrefixIsRefused) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 3000; ++i) {
    const Value value = test::random_value(random, 4);
    const Bytes bytes = encoded(value);
    ASSERT_EQ(decoded(bytes), value);
    ByteView view = bytes;
    ValueView shallow;
    ASSERT_TRUE(read_value(view, shallow) && view.empty());
    ASSERT_EQ(shallow.encoded, bytes);
    if (i % 20 != 0) continue;
    for (size_t size = 0; size < bytes.size(); ++size) {
      ASSERT_TRUE(refused(ByteView(bytes).substr(0, size)));
    }
  }
}

// reliability.md 3.2: nested lists, maps, described types 10^5 deep.
TEST(Codec, DepthIsLimited) {
  const auto nested = [](size_t depth) {
    Value value = Value::list({});
    for (size_t i = 1; i < depth; ++i) value = Value::list({std::move(value)});
    return value;
  };
  const Value deepest = nested(kDepthMax + 1);
  EXPECT_FALSE(refused(encoded(nested(kDepthMax))));
  EXPECT_TRUE(refused(encoded(deepest)));

  Bytes lists = "\x45";
  for (int i = 0; i < 3000; ++i) {
    Bytes outer = "\xD0"s;
    ByteWriter writer(outer);
    writer.number(static_cast<uint32_t>(lists.size() + 4));
    writer.number(uint32_t{1});
    lists = outer + lists;
  }
  Bytes described;
  for (int i = 0; i < 100000; ++i) described += "\0\x53\x70"s;
  described += "\x40"s;
  EXPECT_TRUE(refused(described));
  ByteView view = described;
  ValueView shallow;
  EXPECT_FALSE(read_value(view, shallow));
  EXPECT_TRUE(refused(lists));
}

TEST(Codec, DescriptorMustBeAUlongOrASymbol) {
  EXPECT_TRUE(refused("\0\0\x53\1\x44\x40"s));  // A described descriptor.
  EXPECT_TRUE(refused("\0\x45\x40"s));
  EXPECT_TRUE(refused("\0\xA1\1s\x40"s));
  EXPECT_FALSE(refused("\0\xA3\1s\x40"s));
}

// reliability.md 3.2: list32 with a count of 2^31 in 4 bytes; arrays of zero-width elements.
TEST(Codec, CountsAreComparedWithTheBytesThereAre) {
  EXPECT_TRUE(refused("\xD0\0\0\0\4\x80\0\0\0"s));
  EXPECT_TRUE(refused("\xD1\0\0\0\4\x80\0\0\0"s));
  EXPECT_TRUE(refused("\xD0\0\0\0\5\0\0\0\2\x40"s));
  EXPECT_TRUE(refused("\xC0\2\2\x40"s));
  EXPECT_TRUE(refused("\xC0\3\1\x40\x40"s));  // Bytes left over.
  for (const char element : {'\x40', '\x41', '\x43', '\x44', '\x45'}) {
    EXPECT_TRUE(refused("\xF0\0\0\0\5\x80\0\0\0"s + element));
    EXPECT_TRUE(refused("\xF0\0\0\0\5\0\0\1\1"s + element));   // 257
    EXPECT_FALSE(refused("\xF0\0\0\0\5\0\0\1\0"s + element));  // 256
  }
  EXPECT_TRUE(refused("\xF0\0\0\0\6\0\0\0\2\x50\1"s));
  EXPECT_TRUE(refused("\xE0\1\0"s));  // No element constructor.
  EXPECT_TRUE(refused("\xA0\xFF\1"s));
  EXPECT_TRUE(refused("\xB0\xFF\xFF\xFF\xFF\1"s));
}

TEST(Codec, ItemsOfOneValueAreCapped) {
  const Value half = Value::list(std::vector<Value>(kValueItemsMax / 2));
  EXPECT_FALSE(refused(encoded(Value::list(std::vector<Value>(kValueItemsMax)))));
  EXPECT_TRUE(refused(encoded(Value::list(std::vector<Value>(kValueItemsMax + 1)))));
  EXPECT_TRUE(refused(encoded(Value::list({half, half}))));
}

TEST(Codec, OddMapsAreRefused) {
  EXPECT_TRUE(refused("\xC1\2\1\x40"s));
  const Bytes bytes = "\xC1\2\1\x40"s;
  ByteView view = bytes;
  ValueView map;
  ASSERT_TRUE(read_value(view, map));
  MapReader reader(map);
  ValueView key;
  ValueView value;
  EXPECT_FALSE(reader.next(key, value));
  EXPECT_FALSE(reader.ok());
}

TEST(Codec, ContentOfScalarsIsChecked) {
  EXPECT_TRUE(refused("\x56\2"s));
  EXPECT_TRUE(refused("\x73\0\x11\0\0"s));  // Above U+10FFFF.
  EXPECT_TRUE(refused("\x73\0\0\xD8\0"s));  // A surrogate.
  EXPECT_TRUE(refused("\xA1\1\xFF"s));
  EXPECT_TRUE(refused("\xA1\2\xC0\x80"s));  // Overlong.
  EXPECT_TRUE(refused("\xA3\1\x80"s));
  for (const int unknown : {0x01, 0x46, 0x57, 0x62, 0x75, 0x85, 0x99, 0xA2, 0xC2, 0xE1, 0xFF}) {
    EXPECT_TRUE(refused(Bytes(1, static_cast<char>(unknown)) + Bytes(20, '\0')));
  }
}

TEST(Encoder, NullsAtTheEndOfACompositeAreLeftOut) {
  Bytes out;
  Encoder encoder(out);
  encoder.descriptor(0x10);
  const auto list = encoder.open_list();
  encoder.absent();
  encoder.boolean(true);
  encoder.absent();
  encoder.absent();
  encoder.close(list);
  EXPECT_EQ(out, "\0\x53\x10\xC0\3\2\x40\x41"s);
}

TEST(Encoder, ManySymbolsTakeTheWideForm) {
  const std::vector<std::string> names(100, "capability");
  Bytes out;
  Encoder(out).symbols(names);
  const auto value = decoded(out);
  ASSERT_TRUE(value);
  EXPECT_EQ(value->items().size(), names.size());
  EXPECT_EQ(value->items().back(), Value::symbol("capability"));
}

TEST(FieldReader, RefusesWrongTypesAndFieldsTooMany) {
  const auto fields = [](const Bytes& bytes, ValueView& list) {
    ByteView view = bytes;
    EXPECT_TRUE(read_value(view, list));
    return FieldReader(list);
  };
  ValueView list;
  const Bytes text = encoded(Value::list({Value::string("x")}));
  FieldReader wrong = fields(text, list);
  EXPECT_EQ(wrong.uint(), std::nullopt);
  EXPECT_FALSE(wrong.ok());
  FieldReader many = fields(text, list);
  EXPECT_TRUE(many.ok());
  EXPECT_FALSE(many.done());
  FieldReader absent = fields(text, list);
  EXPECT_EQ(absent.string(), "x");
  EXPECT_EQ(absent.string(), std::nullopt);
  EXPECT_TRUE(absent.done());
  const Bytes twice = encoded(
      Value::list({Value::map({Value::symbol("k"), Value(), Value::symbol("k"), Value()})}));
  FieldReader duplicate = fields(twice, list);
  duplicate.map();
  EXPECT_FALSE(duplicate.ok());
  const Bytes number_key = encoded(Value::list({Value::map({Value::from_uint8(1), Value()})}));
  FieldReader key = fields(number_key, list);
  key.map();
  EXPECT_FALSE(key.ok());
}

TEST(FieldReader, SymbolsMayBeOneOrAnArray) {
  for (const Value& value :
       {Value::symbol("a"), Value::array(Type::kSymbol, {Value::symbol("a")})}) {
    const Bytes bytes = encoded(Value::list({value}));
    ByteView view = bytes;
    ValueView list;
    ASSERT_TRUE(read_value(view, list));
    FieldReader fields(list);
    EXPECT_THAT(fields.symbols(), testing::ElementsAre("a"));
    EXPECT_TRUE(fields.done());
  }
}

}  // namespace
}  // namespace linarite::amqp
