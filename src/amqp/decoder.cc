#include "amqp/decoder.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace linarite::amqp {
namespace {

// What follows a constructor: no, one, two, four, eight or sixteen bytes; a one- or four-byte size.
enum class Width : uint8_t {
  kFixed,
  kSized8,
  kSized32,
  kCompound8,
  kCompound32,
  kArray8,
  kArray32
};

struct Constructor {
  bool valid = false;
  Type type = Type::kNull;
  Width width = Width::kFixed;
  uint8_t size = 0;        // Bytes of a fixed-width value.
  bool is_signed = false;  // Sign-extend the number.
  bool has_value = false;  // The value is `value`, not bytes: true, false, uint 0, ulong 0.
  uint8_t value = 0;
};

consteval Constructor fixed(Type type, uint8_t size, bool is_signed = false) {
  return {true, type, Width::kFixed, size, is_signed, false, 0};
}
consteval Constructor constant(Type type, uint8_t value) {
  return {true, type, Width::kFixed, 0, false, true, value};
}
consteval Constructor variable(Type type, Width width) {
  return {true, type, width, 0, false, false, 0};
}

// Part 1, section 1.6: every constructor the standard defines.
consteval std::array<Constructor, 256> make_constructors() {
  std::array<Constructor, 256> table{};
  table[0x40] = constant(Type::kNull, 0);
  table[0x41] = constant(Type::kBoolean, 1);
  table[0x42] = constant(Type::kBoolean, 0);
  table[0x43] = constant(Type::kUint, 0);
  table[0x44] = constant(Type::kUlong, 0);
  table[0x45] = constant(Type::kList, 0);
  table[0x50] = fixed(Type::kUbyte, 1);
  table[0x51] = fixed(Type::kByte, 1, true);
  table[0x52] = fixed(Type::kUint, 1);
  table[0x53] = fixed(Type::kUlong, 1);
  table[0x54] = fixed(Type::kInt, 1, true);
  table[0x55] = fixed(Type::kLong, 1, true);
  table[0x56] = fixed(Type::kBoolean, 1);
  table[0x60] = fixed(Type::kUshort, 2);
  table[0x61] = fixed(Type::kShort, 2, true);
  table[0x70] = fixed(Type::kUint, 4);
  table[0x71] = fixed(Type::kInt, 4, true);
  table[0x72] = fixed(Type::kFloat, 4);
  table[0x73] = fixed(Type::kChar, 4);
  table[0x74] = fixed(Type::kDecimal32, 4);
  table[0x80] = fixed(Type::kUlong, 8);
  table[0x81] = fixed(Type::kLong, 8, true);
  table[0x82] = fixed(Type::kDouble, 8);
  table[0x83] = fixed(Type::kTimestamp, 8, true);
  table[0x84] = fixed(Type::kDecimal64, 8);
  table[0x94] = fixed(Type::kDecimal128, 16);
  table[0x98] = fixed(Type::kUuid, 16);
  table[0xA0] = variable(Type::kBinary, Width::kSized8);
  table[0xA1] = variable(Type::kString, Width::kSized8);
  table[0xA3] = variable(Type::kSymbol, Width::kSized8);
  table[0xB0] = variable(Type::kBinary, Width::kSized32);
  table[0xB1] = variable(Type::kString, Width::kSized32);
  table[0xB3] = variable(Type::kSymbol, Width::kSized32);
  table[0xC0] = variable(Type::kList, Width::kCompound8);
  table[0xC1] = variable(Type::kMap, Width::kCompound8);
  table[0xD0] = variable(Type::kList, Width::kCompound32);
  table[0xD1] = variable(Type::kMap, Width::kCompound32);
  table[0xE0] = variable(Type::kArray, Width::kArray8);
  table[0xF0] = variable(Type::kArray, Width::kArray32);
  return table;
}
constexpr std::array<Constructor, 256> kConstructors = make_constructors();
constexpr uint8_t kDescribedConstructor = 0x00;

template <std::unsigned_integral T>
bool take_number(ByteView& bytes, T& out) {
  if (bytes.size() < sizeof(T)) return false;
  T raw;
  std::memcpy(&raw, bytes.data(), sizeof(T));
  out = std::endian::native == std::endian::big ? raw : byte_swapped(raw);
  bytes.remove_prefix(sizeof(T));
  return true;
}

bool take_byte(ByteView& bytes, uint8_t& out) { return take_number(bytes, out); }

bool read_fixed(const Constructor& constructor, ByteView& bytes, ValueView& out) {
  if (constructor.has_value) {
    out.bits = constructor.value;
    return true;
  }
  if (bytes.size() < constructor.size) return false;
  if (constructor.size == 16) {
    out.bytes = bytes.substr(0, 16);
    bytes.remove_prefix(16);
    return true;
  }
  uint64_t number = 0;
  for (size_t i = 0; i < constructor.size; ++i) {
    number = (number << 8U) | static_cast<uint8_t>(bytes[i]);
  }
  bytes.remove_prefix(constructor.size);
  if (constructor.is_signed && constructor.size > 0 && constructor.size < 8) {
    const unsigned shift = 64U - 8U * constructor.size;
    number = static_cast<uint64_t>(static_cast<int64_t>(number << shift) >> shift);
  }
  out.bits = number;
  return true;
}

// Reads size and (for lists, maps and arrays) count. Every counted item but those of a zero-width
// array takes at least one byte, so a larger count is a lie.
bool read_variable(const Constructor& constructor, ByteView& bytes, ValueView& out) {
  const bool wide = constructor.width == Width::kSized32 ||
                    constructor.width == Width::kCompound32 || constructor.width == Width::kArray32;
  uint32_t size = 0;
  uint8_t small = 0;
  if (wide ? !take_number(bytes, size) : !take_byte(bytes, small)) return false;
  if (!wide) size = small;
  if (size > bytes.size()) return false;
  ByteView body = bytes.substr(0, size);
  bytes.remove_prefix(size);
  if (is_compound(constructor.type)) {
    if (wide ? !take_number(body, out.count) : !take_byte(body, small)) return false;
    if (!wide) out.count = small;
    if (constructor.type == Type::kArray) {
      if (body.empty() || (out.count > body.size() && out.count > kZeroWidthArrayMax)) return false;
    } else if (out.count > body.size()) {
      return false;
    }
  }
  out.bytes = body;
  return true;
}

// Reads the value that follows a plain (not described) constructor.
bool read_plain(uint8_t code, ByteView& bytes, ValueView& out) {
  const Constructor& constructor = kConstructors[code];
  if (!constructor.valid) return false;
  out = ValueView{};
  out.type = constructor.type;
  return constructor.width == Width::kFixed ? read_fixed(constructor, bytes, out)
                                            : read_variable(constructor, bytes, out);
}

// A descriptor must be a ulong or a symbol: the standard reserves every other type (1.2).
bool read_descriptor(ByteView& bytes, ValueView& out) {
  const ByteView start = bytes;
  uint8_t code = 0;
  if (!take_byte(bytes, code) || !read_plain(code, bytes, out)) return false;
  out.encoded = start.substr(0, start.size() - bytes.size());
  return out.type == Type::kUlong || (out.type == Type::kSymbol && is_ascii(out.bytes));
}

// The rules for the content of a scalar.
bool scalar_is_valid(const ValueView& value) {
  switch (value.type) {
    case Type::kBoolean:
      return value.bits <= 1;
    case Type::kChar:
      return value.bits <= 0x10FFFF && (value.bits < 0xD800 || value.bits > 0xDFFF);
    case Type::kString:
      return is_utf8(value.bytes);
    case Type::kSymbol:
      return is_ascii(value.bytes);
    default:
      return true;
  }
}

// A compound value that is being read. Described values have no size of their own: they read from
// their parent's bytes and hand the rest back. Left without initial values on purpose: a walker
// holds kDepthMax of them and mostly uses one.
struct Level {
  Type type;
  uint8_t element;         // Arrays: the constructor of every element, after the descriptor if any.
  bool described;          // Arrays: elements are described.
  bool described_element;  // This is itself an element of such an array.
  uint32_t remaining;
  const char* at;
  const char* end;
  const char* descriptor;  // Arrays of described values: the encoded descriptor.
  const char* descriptor_end;

  ByteView bytes() const { return {at, static_cast<size_t>(end - at)}; }
  void set_bytes(ByteView view) {
    at = view.data();
    end = view.data() + view.size();
  }
};

// Reads the element constructor of an array and checks the count against it. A described inner
// constructor is refused: no standard type needs one.
bool open_array(const ValueView& array, Level& level) {
  ByteView bytes = array.bytes;
  uint8_t code = 0;
  if (!take_byte(bytes, code)) return false;
  if (code == kDescribedConstructor) {
    ValueView descriptor;
    if (!read_descriptor(bytes, descriptor) || !take_byte(bytes, code)) return false;
    level.described = true;
    level.descriptor = descriptor.encoded.data();
    level.descriptor_end = level.descriptor + descriptor.encoded.size();
  }
  const Constructor& constructor = kConstructors[code];
  if (!constructor.valid) return false;
  level.element = code;
  level.set_bytes(bytes);
  const bool zero_width = constructor.width == Width::kFixed && constructor.size == 0;
  return array.count <= (zero_width ? kZeroWidthArrayMax : bytes.size());
}

// The sink of check_value(); ValueBuilder below is the other one.
struct NoSink {
  void scalar(const ValueView& /*value*/) {}
  void open(const ValueView& /*value*/, Type /*element*/) {}
  void open_described(const ValueView& /*descriptor*/) {}
  void close() {}
};

// Reads one whole value, iteratively, and tells a sink what it meets.
template <class Sink>
class Walker {
 public:
  explicit Walker(Sink& sink) : sink_(sink) {}

  bool walk(ByteView& bytes) {
    if (!read_one(bytes)) return false;
    while (depth_ > 0) {
      Level& level = levels_[depth_ - 1];
      if (level.remaining == 0) {
        if (!close_level(bytes)) return false;
        continue;
      }
      --level.remaining;
      ByteView rest = level.bytes();
      if (!(level.type == Type::kArray ? read_element(level, rest) : read_one(rest))) return false;
    }
    return true;
  }

 private:
  // Hands the unread bytes back to the level they came from. A described value pushed just now
  // reads them itself and hands them back when it closes.
  bool read_one(ByteView& bytes) {
    const size_t reader = depth_;
    uint8_t code = 0;
    if (!take_byte(bytes, code)) return false;
    if (code == kDescribedConstructor) {
      ValueView descriptor;
      return read_descriptor(bytes, descriptor) && push_described(descriptor, bytes);
    }
    if (!read_content(code, bytes)) return false;
    if (reader > 0) levels_[reader - 1].set_bytes(bytes);
    return true;
  }

  bool read_element(Level& level, ByteView rest) {
    const size_t reader = depth_;
    if (level.described) {
      ByteView encoded{level.descriptor,
                       static_cast<size_t>(level.descriptor_end - level.descriptor)};
      ValueView descriptor;
      if (!read_descriptor(encoded, descriptor)) return false;
      sink_.open_described(descriptor);
    }
    if (!read_content(level.element, rest)) return false;
    level.set_bytes(rest);
    if (!level.described) return true;
    if (depth_ > reader) {
      levels_[reader].described_element = true;
    } else {
      sink_.close();
    }
    return true;
  }

  bool read_content(uint8_t code, ByteView& bytes) {
    ValueView value;
    if (!read_plain(code, bytes, value)) return false;
    if (!is_compound(value.type)) {
      if (!scalar_is_valid(value)) return false;
      sink_.scalar(value);
      return true;
    }
    if (depth_ == kDepthMax || (value.type == Type::kMap && value.count % 2 != 0)) return false;
    items_ += value.count;
    if (items_ > kValueItemsMax) return false;
    Level& level = push(value.type, value.count, value.bytes);
    Type element = Type::kNull;
    if (value.type == Type::kArray) {
      if (!open_array(value, level)) return false;
      element = level.described ? Type::kDescribed : kConstructors[level.element].type;
    }
    sink_.open(value, element);
    return true;
  }

  bool push_described(const ValueView& descriptor, ByteView bytes) {
    if (depth_ == kDepthMax || ++items_ > kValueItemsMax) return false;
    push(Type::kDescribed, 1, bytes);
    sink_.open_described(descriptor);
    return true;
  }

  Level& push(Type type, uint32_t count, ByteView bytes) {
    Level& level = levels_[depth_++];
    level.type = type;
    level.remaining = count;
    level.described = false;
    level.described_element = false;
    level.set_bytes(bytes);
    return level;
  }

  bool close_level(ByteView& outermost) {
    const Level& level = levels_[--depth_];
    if (level.type == Type::kDescribed) {
      if (depth_ == 0) {
        outermost = level.bytes();
      } else {
        levels_[depth_ - 1].set_bytes(level.bytes());
      }
    } else if (level.at != level.end) {
      return false;
    }
    sink_.close();
    if (level.described_element) sink_.close();
    return true;
  }

  Sink& sink_;
  std::array<Level, kDepthMax> levels_;
  size_t depth_ = 0;
  size_t items_ = 0;
};

}  // namespace

// Builds a Value from what a Walker meets. At most kDepthMax values, and the wrappers of array
// elements, are open at once.
class ValueBuilder {
 public:
  void scalar(const ValueView& view) {
    Value value;
    value.type_ = view.type;
    value.bits_ = view.bits;
    value.bytes_ = Bytes(view.bytes);
    add(std::move(value));
  }
  void open(const ValueView& view, Type element) {
    Value value;
    value.type_ = view.type;
    value.bits_ = static_cast<uint64_t>(element);
    value.items_.reserve(view.count);
    open_.push_back(std::move(value));
  }
  void open_described(const ValueView& descriptor) {
    Value value;
    value.type_ = Type::kDescribed;
    value.items_.reserve(2);
    open_.push_back(std::move(value));
    scalar(descriptor);
  }
  void close() {
    Value value = std::move(open_.back());
    open_.pop_back();
    add(std::move(value));
  }
  Value take() { return std::move(result_); }

 private:
  void add(Value value) {
    if (open_.empty()) {
      result_ = std::move(value);
    } else {
      open_.back().items_.push_back(std::move(value));
    }
  }
  std::vector<Value> open_;
  Value result_;
};

bool read_value(ByteView& bytes, ValueView& out) {
  const ByteView start = bytes;
  uint8_t code = 0;
  if (!take_byte(bytes, code)) return false;
  if (code != kDescribedConstructor) {
    if (!read_plain(code, bytes, out)) return false;
    out.encoded = start.substr(0, start.size() - bytes.size());
    return true;
  }
  // A chain of described values around one plain value.
  for (size_t depth = 0; code == kDescribedConstructor; ++depth) {
    ValueView descriptor;
    if (depth == kDepthMax || !read_descriptor(bytes, descriptor) || !take_byte(bytes, code))
      return false;
  }
  ValueView inner;
  if (!read_plain(code, bytes, inner)) return false;
  out = ValueView{};
  out.type = Type::kDescribed;
  out.encoded = start.substr(0, start.size() - bytes.size());
  out.bytes = out.encoded.substr(1);
  return true;
}

bool check_value(ByteView& bytes) {
  NoSink sink;
  return Walker<NoSink>(sink).walk(bytes);
}

bool check_value(const ValueView& value) {
  if (!is_compound(value.type)) return scalar_is_valid(value);
  ByteView bytes = value.encoded;
  return check_value(bytes) && bytes.empty();
}

Result<Value> decode_value(ByteView& bytes) {
  ValueBuilder builder;
  if (!Walker<ValueBuilder>(builder).walk(bytes)) {
    return fail(ErrorCode::kMalformed, "not a well-formed AMQP value");
  }
  return builder.take();
}

Result<Value> decode_value(const ValueView& value) {
  ByteView bytes = value.encoded;
  return decode_value(bytes);
}

std::optional<uint64_t> descriptor_code(const ValueView& descriptor) {
  if (descriptor.type == Type::kUlong) return descriptor.bits;
  if (descriptor.type != Type::kSymbol) return std::nullopt;
  struct Name {
    std::string_view symbol;
    uint64_t code;
  };
  static constexpr Name kNames[] = {
      {"amqp:open:list", 0x10},
      {"amqp:begin:list", 0x11},
      {"amqp:attach:list", 0x12},
      {"amqp:flow:list", 0x13},
      {"amqp:transfer:list", 0x14},
      {"amqp:disposition:list", 0x15},
      {"amqp:detach:list", 0x16},
      {"amqp:end:list", 0x17},
      {"amqp:close:list", 0x18},
      {"amqp:error:list", 0x1D},
      {"amqp:received:list", 0x23},
      {"amqp:accepted:list", 0x24},
      {"amqp:rejected:list", 0x25},
      {"amqp:released:list", 0x26},
      {"amqp:modified:list", 0x27},
      {"amqp:source:list", 0x28},
      {"amqp:target:list", 0x29},
      {"amqp:coordinator:list", 0x30},
      {"amqp:sasl-mechanisms:list", 0x40},
      {"amqp:sasl-init:list", 0x41},
      {"amqp:sasl-challenge:list", 0x42},
      {"amqp:sasl-response:list", 0x43},
      {"amqp:sasl-outcome:list", 0x44},
      {"amqp:header:list", 0x70},
      {"amqp:delivery-annotations:map", 0x71},
      {"amqp:message-annotations:map", 0x72},
      {"amqp:properties:list", 0x73},
      {"amqp:application-properties:map", 0x74},
      {"amqp:data:binary", 0x75},
      {"amqp:amqp-sequence:list", 0x76},
      {"amqp:amqp-value:*", 0x77},
      {"amqp:footer:map", 0x78},
  };
  for (const Name& name : kNames) {
    if (name.symbol == descriptor.bytes) return name.code;
  }
  return std::nullopt;
}

bool read_described(ByteView& bytes, ValueView& descriptor, ValueView& value) {
  uint8_t code = 0;
  return take_byte(bytes, code) && code == kDescribedConstructor &&
         read_descriptor(bytes, descriptor) && read_value(bytes, value);
}

bool split_described(const ValueView& described, ValueView& descriptor, ValueView& value) {
  if (described.type != Type::kDescribed) return false;
  ByteView bytes = described.bytes;
  return read_descriptor(bytes, descriptor) && read_value(bytes, value) && bytes.empty();
}

MapReader::MapReader(const ValueView& map)
    : bytes_(map.bytes), remaining_(map.count), ok_(map.type == Type::kMap && map.count % 2 == 0) {}

bool MapReader::next(ValueView& key, ValueView& value) {
  if (!ok_) return false;
  if (remaining_ == 0) {
    ok_ = bytes_.empty();
    return false;
  }
  remaining_ -= 2;
  ok_ = read_value(bytes_, key) && read_value(bytes_, value);
  return ok_;
}

FieldReader::FieldReader(const ValueView& list)
    : bytes_(list.bytes), remaining_(list.count), ok_(list.type == Type::kList) {}

ValueView FieldReader::any() {
  ValueView value;
  if (!ok_ || remaining_ == 0) return value;
  --remaining_;
  ok_ = read_value(bytes_, value);
  return ok_ ? value : ValueView{};
}

// True if the field is there and of this type.
bool FieldReader::field(Type type, ValueView& out) {
  if (!ok_ || remaining_ == 0) return false;
  --remaining_;
  ok_ = read_value(bytes_, out) && (out.type == type || out.type == Type::kNull);
  return ok_ && out.type == type;
}

std::optional<bool> FieldReader::boolean() {
  ValueView value;
  if (!field(Type::kBoolean, value)) return std::nullopt;
  ok_ = value.bits <= 1;
  return value.bits == 1;
}

std::optional<uint8_t> FieldReader::ubyte() {
  ValueView value;
  if (!field(Type::kUbyte, value)) return std::nullopt;
  return static_cast<uint8_t>(value.bits);
}

std::optional<uint16_t> FieldReader::ushort() {
  ValueView value;
  if (!field(Type::kUshort, value)) return std::nullopt;
  return static_cast<uint16_t>(value.bits);
}

std::optional<uint32_t> FieldReader::uint() {
  ValueView value;
  if (!field(Type::kUint, value)) return std::nullopt;
  return static_cast<uint32_t>(value.bits);
}

std::optional<uint64_t> FieldReader::ulong() {
  ValueView value;
  if (!field(Type::kUlong, value)) return std::nullopt;
  return value.bits;
}

std::optional<int64_t> FieldReader::timestamp() {
  ValueView value;
  if (!field(Type::kTimestamp, value)) return std::nullopt;
  return static_cast<int64_t>(value.bits);
}

std::optional<ByteView> FieldReader::binary() {
  ValueView value;
  if (!field(Type::kBinary, value)) return std::nullopt;
  return value.bytes;
}

std::optional<std::string_view> FieldReader::string() {
  ValueView value;
  if (!field(Type::kString, value)) return std::nullopt;
  ok_ = is_utf8(value.bytes);
  return value.bytes;
}

std::optional<std::string_view> FieldReader::symbol() {
  ValueView value;
  if (!field(Type::kSymbol, value)) return std::nullopt;
  ok_ = is_ascii(value.bytes);
  return value.bytes;
}

std::optional<std::string_view> FieldReader::text() {
  const ValueView value = any();
  if (!ok_ || value.is_null()) return std::nullopt;
  ok_ = (value.type == Type::kString || value.type == Type::kSymbol) && scalar_is_valid(value);
  return value.bytes;
}

std::vector<std::string> FieldReader::symbols() {
  std::vector<std::string> out;
  const ValueView view = any();
  if (!ok_ || view.is_null()) return out;
  if (view.type == Type::kSymbol) {
    ok_ = is_ascii(view.bytes);
    out.emplace_back(view.bytes);
    return out;
  }
  const Result<Value> array = decode_value(view);
  ok_ = array && array->type() == Type::kArray &&
        (array->element_type() == Type::kSymbol || array->items().empty());
  if (!ok_) return out;
  for (const Value& item : array->items()) out.emplace_back(item.bytes());
  return out;
}

Value FieldReader::map() {
  ValueView view;
  if (!field(Type::kMap, view)) return {};
  Result<Value> value = decode_value(view);
  std::vector<std::string_view> keys;
  for (size_t i = 0; value && i < value->items().size(); i += 2) {
    const auto key = value->items()[i].text();
    if (!key) ok_ = false;
    keys.push_back(key.value_or(""));
  }
  ok_ = ok_ && value.has_value() && all_different(keys);
  return ok_ ? std::move(*value) : Value{};
}

bool all_different(std::vector<std::string_view>& keys) {
  std::sort(keys.begin(), keys.end());
  return std::adjacent_find(keys.begin(), keys.end()) == keys.end();
}

bool is_ascii(ByteView bytes) {
  for (const char c : bytes) {
    if (static_cast<unsigned char>(c) > 0x7F) return false;
  }
  return true;
}

}  // namespace linarite::amqp
