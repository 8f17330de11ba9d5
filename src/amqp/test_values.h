// Random AMQP values for tests: the codec's own and those that compare it with Qpid Proton.
#pragma once

#include <random>

#include "amqp/value.h"

namespace linarite::amqp::test {

inline uint64_t below(std::mt19937_64& random, uint64_t bound) { return random() % bound; }

inline Bytes random_bytes(std::mt19937_64& random, size_t size, bool ascii) {
  Bytes out;
  for (size_t i = 0; i < size; ++i) {
    out.push_back(static_cast<char>(ascii ? 32 + below(random, 95) : below(random, 256)));
  }
  return out;
}

// Numbers whose encodings differ: around 0, 127, 255 and over the whole range.
inline uint64_t random_number(std::mt19937_64& random) {
  switch (below(random, 4)) {
    case 0:
      return below(random, 3);
    case 1:
      return 126 + below(random, 4);
    case 2:
      return 0 - below(random, 300);
    default:
      return random() >> below(random, 64);
  }
}

inline Value random_scalar(std::mt19937_64& random, Type type) {
  const uint64_t n = random_number(random);
  const size_t size = below(random, 20) == 0 ? 250 + below(random, 20) : below(random, 12);
  switch (type) {
    case Type::kBoolean:
      return Value::from_bool(n % 2 == 0);
    case Type::kUbyte:
      return Value::from_uint8(static_cast<uint8_t>(n));
    case Type::kUshort:
      return Value::from_uint16(static_cast<uint16_t>(n));
    case Type::kUint:
      return Value::from_uint32(static_cast<uint32_t>(n));
    case Type::kUlong:
      return Value::from_uint64(n);
    case Type::kByte:
      return Value::from_int8(static_cast<int8_t>(n));
    case Type::kShort:
      return Value::from_int16(static_cast<int16_t>(n));
    case Type::kInt:
      return Value::from_int32(static_cast<int32_t>(n));
    case Type::kLong:
      return Value::from_int64(static_cast<int64_t>(n));
    case Type::kFloat:
      return Value::from_float(static_cast<float>(static_cast<int32_t>(n)) / 8);
    case Type::kDouble:
      return Value::from_double(static_cast<double>(static_cast<int64_t>(n)) / 8);
    case Type::kDecimal32:
      return Value::decimal32(static_cast<uint32_t>(n));
    case Type::kDecimal64:
      return Value::decimal64(n);
    case Type::kDecimal128:
      return Value::decimal128(random_bytes(random, 16, false));
    case Type::kChar:
      return Value::character(static_cast<char32_t>(n % 0xD800));
    case Type::kTimestamp:
      return Value::timestamp(static_cast<int64_t>(n));
    case Type::kUuid:
      return Value::uuid(random_bytes(random, 16, false));
    case Type::kBinary:
      return Value::binary(random_bytes(random, size, false));
    case Type::kString:
      return Value::string(random_bytes(random, size, true) + "\xC3\xA9");
    case Type::kSymbol:
      return Value::symbol(random_bytes(random, size, true));
    default:
      return {};
  }
}

inline Type random_scalar_type(std::mt19937_64& random) {
  return static_cast<Type>(below(random, static_cast<uint64_t>(Type::kSymbol) + 1));
}

// Any value of at most `depth` levels. Arrays have scalar elements: what every implementation can
// do. Without `chains` no described value is the value of another one.
inline Value random_value(std::mt19937_64& random, int depth, bool chains = true) {
  const uint64_t kind = depth <= 0 ? 9 : below(random, 10);
  std::vector<Value> items;
  const size_t count = below(random, 5);
  switch (kind) {
    case 0:
    case 1:
      for (size_t i = 0; i < count; ++i) items.push_back(random_value(random, depth - 1, chains));
      return Value::list(std::move(items));
    case 2:
    case 3:
      for (size_t i = 0; i < count; ++i) {
        items.push_back(Value::symbol("k" + std::to_string(i)));
        items.push_back(random_value(random, depth - 1, chains));
      }
      return Value::map(std::move(items));
    case 4: {
      // From boolean on: nulls have no bytes, and some implementations refuse arrays of them.
      const auto type = static_cast<Type>(1 + below(random, static_cast<uint64_t>(Type::kSymbol)));
      for (size_t i = 0; i < count; ++i) items.push_back(random_scalar(random, type));
      return Value::array(type, std::move(items));
    }
    case 5: {
      Value inner = random_value(random, depth - 1, chains);
      while (!chains && inner.type() == Type::kDescribed) inner = inner.items()[1];
      return Value::described(below(random, 2) == 0 ? Value::from_uint64(random_number(random))
                                                    : Value::symbol("my:descriptor"),
                              std::move(inner));
    }
    default:
      return random_scalar(random, random_scalar_type(random));
  }
}

}  // namespace linarite::amqp::test
