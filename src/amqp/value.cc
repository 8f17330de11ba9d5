#include "amqp/value.h"

#include <array>
#include <bit>
#include <limits>

#include "base/check.h"

namespace linarite::amqp {

Value Value::from_float(float value) { return {Type::kFloat, std::bit_cast<uint32_t>(value)}; }
Value Value::from_double(double value) { return {Type::kDouble, std::bit_cast<uint64_t>(value)}; }

Value Value::decimal128(ByteView sixteen_bytes) {
  CHECK(sixteen_bytes.size() == 16);
  return {Type::kDecimal128, Bytes(sixteen_bytes)};
}

Value Value::uuid(ByteView sixteen_bytes) {
  CHECK(sixteen_bytes.size() == 16);
  return {Type::kUuid, Bytes(sixteen_bytes)};
}

Value Value::map(std::vector<Value> items) {
  CHECK(items.size() % 2 == 0);
  return {Type::kMap, 0, std::move(items)};
}

Value Value::array(Type element, std::vector<Value> items) {
  for (const Value& item : items) CHECK(item.type() == element);
  return {Type::kArray, static_cast<uint64_t>(element), std::move(items)};
}

Value Value::described(Value descriptor, Value value) {
  CHECK(descriptor.type() == Type::kUlong || descriptor.type() == Type::kSymbol);
  std::vector<Value> items;
  items.reserve(2);
  items.push_back(std::move(descriptor));
  items.push_back(std::move(value));
  return {Type::kDescribed, 0, std::move(items)};
}

float Value::as_float() const { return std::bit_cast<float>(static_cast<uint32_t>(bits_)); }
double Value::as_double() const { return std::bit_cast<double>(bits_); }

std::optional<int64_t> Value::integer() const {
  switch (type_) {
    case Type::kUlong:
      if (bits_ > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return std::nullopt;
      return static_cast<int64_t>(bits_);
    case Type::kUbyte:
    case Type::kUshort:
    case Type::kUint:
    case Type::kByte:
    case Type::kShort:
    case Type::kInt:
    case Type::kLong:
    case Type::kChar:
    case Type::kTimestamp:
      return static_cast<int64_t>(bits_);
    default:
      return std::nullopt;
  }
}

std::optional<std::string_view> Value::text() const {
  if (type_ != Type::kString && type_ != Type::kSymbol) return std::nullopt;
  return bytes_;
}

const Value* Value::find(std::string_view key) const {
  if (type_ != Type::kMap) return nullptr;
  for (size_t i = 0; i + 1 < items_.size(); i += 2) {
    if (items_[i].text() == key) return &items_[i + 1];
  }
  return nullptr;
}

}  // namespace linarite::amqp
