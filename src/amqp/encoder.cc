#include "amqp/encoder.h"

#include <algorithm>
#include <limits>

#include "base/check.h"

namespace linarite::amqp {
namespace {

constexpr size_t kSmallMax = 255;

// The constructor of every element of an array. Numbers take their full width, so that one
// constructor fits all.
uint8_t array_constructor(const Value& array) {
  const auto all_small = [&array] {
    return std::all_of(array.items().begin(), array.items().end(),
                       [](const Value& item) { return item.bytes().size() <= kSmallMax; });
  };
  switch (array.element_type()) {
    case Type::kNull:
      return 0x40;
    case Type::kBoolean:
      return 0x56;
    case Type::kUbyte:
      return 0x50;
    case Type::kUshort:
      return 0x60;
    case Type::kUint:
      return 0x70;
    case Type::kUlong:
      return 0x80;
    case Type::kByte:
      return 0x51;
    case Type::kShort:
      return 0x61;
    case Type::kInt:
      return 0x71;
    case Type::kLong:
      return 0x81;
    case Type::kFloat:
      return 0x72;
    case Type::kDouble:
      return 0x82;
    case Type::kDecimal32:
      return 0x74;
    case Type::kDecimal64:
      return 0x84;
    case Type::kDecimal128:
      return 0x94;
    case Type::kChar:
      return 0x73;
    case Type::kTimestamp:
      return 0x83;
    case Type::kUuid:
      return 0x98;
    case Type::kBinary:
      return all_small() ? 0xA0 : 0xB0;
    case Type::kString:
      return all_small() ? 0xA1 : 0xB1;
    case Type::kSymbol:
      return all_small() ? 0xA3 : 0xB3;
    case Type::kList:
      return 0xD0;
    case Type::kMap:
      return 0xD1;
    case Type::kArray:
      return 0xF0;
    case Type::kDescribed:
      return 0x00;
  }
  return 0x40;
}

// Writes the content that follows a constructor of fixed or variable width.
void write_content(uint8_t constructor, const Value& value, Bytes& out) {
  ByteWriter writer(out);
  switch (constructor >> 4U) {
    case 0x4:
      break;
    case 0x5:
      writer.number(static_cast<uint8_t>(value.bits()));
      break;
    case 0x6:
      writer.number(static_cast<uint16_t>(value.bits()));
      break;
    case 0x7:
      writer.number(static_cast<uint32_t>(value.bits()));
      break;
    case 0x8:
      writer.number(value.bits());
      break;
    case 0x9:
      writer.bytes(value.bytes());
      break;
    case 0xA:
      writer.number(static_cast<uint8_t>(value.bytes().size()));
      writer.bytes(value.bytes());
      break;
    default:
      writer.number(static_cast<uint32_t>(value.bytes().size()));
      writer.bytes(value.bytes());
      break;
  }
}

}  // namespace

// Writes a Value with an explicit stack instead of recursion.
class ValueEncoder {
 public:
  explicit ValueEncoder(Encoder& encoder) : encoder_(encoder) {}

  void write(const Value& root) {
    begin(root);
    while (!open_.empty()) {
      Item& top = open_.back();
      if (top.next == top.value->items().size()) {
        end();
        continue;
      }
      const Value& item = top.value->items()[top.next++];
      if (top.value->type() == Type::kArray) {
        write_element(top.element, item);
      } else {
        begin(item);
      }
    }
  }

 private:
  struct Item {
    const Value* value;
    size_t next;
    Encoder::Compound compound;  // Lists and maps.
    size_t size_at;              // Arrays and array elements: where the 32-bit size goes.
    uint8_t element;             // Arrays: the constructor of the elements.
  };
  static constexpr size_t kNoSize = std::numeric_limits<size_t>::max();

  void begin(const Value& value) {
    switch (value.type()) {
      case Type::kList:
      case Type::kMap:
        if (value.type() == Type::kList && value.items().empty()) return encoder_.prepare(0x45);
        open_.push_back({&value, 0,
                         value.type() == Type::kList ? encoder_.open_list() : encoder_.open_map(),
                         kNoSize, 0});
        return;
      case Type::kArray:
        encoder_.prepare(0xF0);
        return begin_array(value);
      case Type::kDescribed:
        encoder_.prepare(0x00);
        // Descriptor and value are not counted by themselves: the described value counts as one.
        --encoder_.count_;
        open_.push_back({&value, 0, {0, 0}, kNoSize, 0});
        begin(value.items()[0]);
        --encoder_.count_;
        open_.back().next = 1;
        return;
      default:
        return scalar(value);
    }
  }

  void scalar(const Value& value) {
    const auto bits = value.bits();
    const auto number = static_cast<int64_t>(bits);
    switch (value.type()) {
      case Type::kNull:
        return encoder_.null();
      case Type::kBoolean:
        return encoder_.boolean(bits != 0);
      case Type::kUint:
        return encoder_.uint(static_cast<uint32_t>(bits));
      case Type::kUlong:
        return encoder_.ulong(bits);
      case Type::kInt:
        return encoder_.int32(static_cast<int32_t>(number));
      case Type::kLong:
        return encoder_.int64(number);
      case Type::kBinary:
        return encoder_.binary(value.bytes());
      case Type::kString:
        return encoder_.string(value.bytes());
      case Type::kSymbol:
        return encoder_.symbol(value.bytes());
      default: {
        const uint8_t constructor = array_constructor(Value::array(value.type(), {}));
        encoder_.prepare(constructor);
        return write_content(constructor, value, encoder_.out_);
      }
    }
  }

  // Size and count placeholders, then the one constructor of all elements.
  void begin_array(const Value& array) {
    ByteWriter writer(encoder_.out_);
    const size_t size_at = writer.size();
    writer.number(uint32_t{0});
    writer.number(static_cast<uint32_t>(array.items().size()));
    uint8_t element = array_constructor(array);
    if (array.element_type() == Type::kDescribed) {
      if (array.items().empty()) {
        element = 0x40;  // The descriptor of no element is not known.
      } else {
        encoder_.raw(0x00);
        const Value& first = array.items().front();
        const uint32_t count = encoder_.count_;
        scalar(first.items()[0]);
        encoder_.count_ = count;
        std::vector<Value> inner;
        for (const Value& item : array.items()) inner.push_back(item.items()[1]);
        element = array_constructor(Value::array(first.items()[1].type(), std::move(inner)));
      }
    }
    encoder_.raw(element);
    open_.push_back({&array, 0, {0, encoder_.count_}, size_at, element});
  }

  void write_element(uint8_t constructor, const Value& item) {
    const Value& value = item.type() == Type::kDescribed ? item.items()[1] : item;
    if (value.type() == Type::kArray) return begin_array(value);
    if (value.type() != Type::kList && value.type() != Type::kMap) {
      return write_content(constructor, value, encoder_.out_);
    }
    ByteWriter writer(encoder_.out_);
    const size_t size_at = writer.size();
    writer.number(uint32_t{0});
    writer.number(static_cast<uint32_t>(value.items().size()));
    open_.push_back({&value, 0, {0, encoder_.count_}, size_at, 0});
  }

  void end() {
    const Item item = open_.back();
    open_.pop_back();
    if (item.value->type() == Type::kDescribed) return;
    if (item.size_at == kNoSize) return encoder_.close(item.compound);
    encoder_.count_ = item.compound.outer_count;
    const size_t size = encoder_.out_.size() - item.size_at - 4;
    const uint32_t big = byte_swapped(static_cast<uint32_t>(size));
    std::memcpy(encoder_.out_.data() + item.size_at, &big, 4);
  }

  Encoder& encoder_;
  std::vector<Item> open_;
};

void Encoder::flush_nulls() {
  count_ += pending_nulls_;
  out_.append(pending_nulls_, '\x40');
  pending_nulls_ = 0;
}

void Encoder::prepare(uint8_t constructor) {
  if (pending_nulls_ != 0) flush_nulls();
  ++count_;
  raw(constructor);
}

void Encoder::ubyte(uint8_t value) {
  prepare(0x50);
  raw(value);
}

void Encoder::ushort(uint16_t value) {
  prepare(0x60);
  ByteWriter(out_).number(value);
}

void Encoder::uint(uint32_t value) {
  if (value == 0) return prepare(0x43);
  if (value <= kSmallMax) {
    prepare(0x52);
    return raw(static_cast<uint8_t>(value));
  }
  prepare(0x70);
  ByteWriter(out_).number(value);
}

void Encoder::ulong(uint64_t value) {
  if (value == 0) return prepare(0x44);
  if (value <= kSmallMax) {
    prepare(0x53);
    return raw(static_cast<uint8_t>(value));
  }
  prepare(0x80);
  ByteWriter(out_).number(value);
}

void Encoder::int32(int32_t value) {
  if (value >= -128 && value <= 127) {
    prepare(0x54);
    return raw(static_cast<uint8_t>(value));
  }
  prepare(0x71);
  ByteWriter(out_).number(static_cast<uint32_t>(value));
}

void Encoder::int64(int64_t value) {
  if (value >= -128 && value <= 127) {
    prepare(0x55);
    return raw(static_cast<uint8_t>(value));
  }
  prepare(0x81);
  ByteWriter(out_).number(static_cast<uint64_t>(value));
}

void Encoder::timestamp(int64_t milliseconds) {
  prepare(0x83);
  ByteWriter(out_).number(static_cast<uint64_t>(milliseconds));
}

void Encoder::variable(uint8_t small_constructor, ByteView bytes) {
  if (bytes.size() <= kSmallMax) {
    prepare(small_constructor);
    raw(static_cast<uint8_t>(bytes.size()));
  } else {
    CHECK(bytes.size() <= std::numeric_limits<uint32_t>::max());
    prepare(static_cast<uint8_t>(small_constructor + 0x10));
    ByteWriter(out_).number(static_cast<uint32_t>(bytes.size()));
  }
  out_.append(bytes);
}

void Encoder::symbols(std::span<const std::string> values) {
  size_t size = 2;  // Count and element constructor.
  for (const std::string& text : values) size += 1 + text.size();
  if (size > kSmallMax) {
    std::vector<Value> items;
    for (const std::string& text : values) items.push_back(Value::symbol(text));
    return value(Value::array(Type::kSymbol, std::move(items)));
  }
  prepare(0xE0);
  raw(static_cast<uint8_t>(size));
  raw(static_cast<uint8_t>(values.size()));
  raw(0xA3);
  for (const std::string& text : values) {
    raw(static_cast<uint8_t>(text.size()));
    out_ += text;
  }
}

void Encoder::value(const Value& value) { ValueEncoder(*this).write(value); }

void Encoder::descriptor(uint64_t code) {
  if (pending_nulls_ != 0) flush_nulls();
  raw(0x00);
  const uint32_t count = count_;
  ulong(code);
  count_ = count;
}

Encoder::Compound Encoder::open(uint8_t small_constructor) {
  prepare(small_constructor);
  const Compound compound{out_.size() - 1, count_};
  raw(0);
  raw(0);
  count_ = 0;
  return compound;
}

// Part 1, 1.6.22: the size counts the count field too. Most compounds fit the one-byte form; a
// larger one is moved up by the six bytes that the four-byte form needs more.
void Encoder::close(Compound compound) {
  pending_nulls_ = 0;
  char* start = out_.data() + compound.start;
  const size_t content = out_.size() - compound.start - 3;
  if (content + 1 <= kSmallMax && count_ <= kSmallMax) {
    start[1] = static_cast<char>(content + 1);
    start[2] = static_cast<char>(count_);
  } else {
    CHECK(content + 4 <= std::numeric_limits<uint32_t>::max());
    out_.insert(compound.start + 1, 6, '\0');
    start = out_.data() + compound.start;
    start[0] = static_cast<char>(static_cast<uint8_t>(start[0]) + 0x10);
    const uint32_t size = byte_swapped(static_cast<uint32_t>(content + 4));
    const uint32_t count = byte_swapped(count_);
    std::memcpy(start + 1, &size, 4);
    std::memcpy(start + 5, &count, 4);
  }
  count_ = compound.outer_count;
}

}  // namespace linarite::amqp
