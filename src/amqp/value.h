// Values of the AMQP 1.0 type system (part 1) as owned objects, for everything that is not on the
// hot path: annotations, application properties, error info, filters, tests. The hot path reads
// ValueView (decoder.h) and writes through Encoder (encoder.h).
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace linarite::amqp {

// The types of part 1, section 1.6, without regard to how wide an encoding was used.
enum class Type : uint8_t {
  kNull,
  kBoolean,
  kUbyte,
  kUshort,
  kUint,
  kUlong,
  kByte,
  kShort,
  kInt,
  kLong,
  kFloat,
  kDouble,
  kDecimal32,
  kDecimal64,
  kDecimal128,
  kChar,
  kTimestamp,
  kUuid,
  kBinary,
  kString,
  kSymbol,
  kList,
  kMap,
  kArray,
  kDescribed,
};

constexpr bool is_compound(Type type) { return type >= Type::kList; }

// One value. Copies are deep. A value that was decoded is at most kDepthMax (decoder.h) levels
// deep, so copying, comparing and destroying it need a bounded stack.
class Value {
 public:
  Value() = default;  // null
  static Value from_bool(bool value) { return {Type::kBoolean, value ? 1U : 0U}; }
  static Value from_uint8(uint8_t value) { return {Type::kUbyte, value}; }
  static Value from_uint16(uint16_t value) { return {Type::kUshort, value}; }
  static Value from_uint32(uint32_t value) { return {Type::kUint, value}; }
  static Value from_uint64(uint64_t value) { return {Type::kUlong, value}; }
  static Value from_int8(int8_t value) { return from_signed(Type::kByte, value); }
  static Value from_int16(int16_t value) { return from_signed(Type::kShort, value); }
  static Value from_int32(int32_t value) { return from_signed(Type::kInt, value); }
  static Value from_int64(int64_t value) { return from_signed(Type::kLong, value); }
  static Value from_float(float value);
  static Value from_double(double value);
  static Value decimal32(uint32_t bits) { return {Type::kDecimal32, bits}; }
  static Value decimal64(uint64_t bits) { return {Type::kDecimal64, bits}; }
  static Value decimal128(ByteView sixteen_bytes);
  static Value character(char32_t value) { return {Type::kChar, value}; }
  static Value timestamp(int64_t milliseconds) {
    return from_signed(Type::kTimestamp, milliseconds);
  }
  static Value uuid(ByteView sixteen_bytes);
  static Value binary(Bytes bytes) { return {Type::kBinary, std::move(bytes)}; }
  static Value string(std::string text) { return {Type::kString, std::move(text)}; }
  static Value symbol(std::string text) { return {Type::kSymbol, std::move(text)}; }
  static Value list(std::vector<Value> items) { return {Type::kList, 0, std::move(items)}; }
  // Keys and values in turn; an odd number of items is our own mistake.
  static Value map(std::vector<Value> items);
  // All items have the type `element`; for kDescribed also the same descriptor and inner type.
  static Value array(Type element, std::vector<Value> items);
  static Value described(Value descriptor, Value value);

  Type type() const { return type_; }
  bool is_null() const { return type_ == Type::kNull; }
  // The number of a fixed-width type: sign-extended for signed ones, the bit pattern for float,
  // double and decimals, the element type for an array.
  uint64_t bits() const { return bits_; }
  // The content of string, symbol, binary, uuid and decimal128; empty otherwise.
  std::string_view bytes() const { return bytes_; }
  // The items of a list or array, the keys and values of a map, descriptor and value of a described
  // value; empty otherwise.
  const std::vector<Value>& items() const { return items_; }

  bool as_bool() const { return type_ == Type::kBoolean && bits_ != 0; }
  float as_float() const;    // type kFloat
  double as_double() const;  // type kDouble
  Type element_type() const { return static_cast<Type>(bits_); }
  // Any integer type, char or timestamp, if it fits into 64 signed bits.
  std::optional<int64_t> integer() const;
  // The text of a string or symbol; nothing for any other type.
  std::optional<std::string_view> text() const;
  // The value of a string or symbol key of a map; null pointer if this is no map or has no such
  // key.
  const Value* find(std::string_view key) const;

  bool operator==(const Value&) const = default;

 private:
  friend class ValueBuilder;
  Value(Type type, uint64_t bits) : type_(type), bits_(bits) {}
  Value(Type type, Bytes bytes) : type_(type), bytes_(std::move(bytes)) {}
  Value(Type type, uint64_t bits, std::vector<Value> items)
      : type_(type), bits_(bits), items_(std::move(items)) {}
  static Value from_signed(Type type, int64_t value) {
    return {type, static_cast<uint64_t>(value)};
  }

  Type type_ = Type::kNull;
  uint64_t bits_ = 0;
  Bytes bytes_;
  std::vector<Value> items_;
};

}  // namespace linarite::amqp
