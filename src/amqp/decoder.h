// Reads AMQP 1.0 encoded values (part 1, section 1.2 to 1.6) from memory that the peer filled.
//
// Nothing here allocates unless it says so, recurses, or reads past the view it was given. Every
// size and count is compared with the bytes that are really there before it is used. All views
// point into the bytes given and live as long as those.
#pragma once

#include <cstdint>
#include <optional>

#include "amqp/value.h"
#include "base/bytes.h"
#include "base/error.h"

namespace linarite::amqp {

// Levels of lists, maps, arrays and described values inside each other.
inline constexpr size_t kDepthMax = 32;
// Elements of an array whose elements take no bytes (null, true, uint 0, empty list).
inline constexpr uint32_t kZeroWidthArrayMax = 256;
// Values in one decoded Value, counted over all levels: a byte on the wire becomes up to 80 in
// memory.
inline constexpr size_t kValueItemsMax = 16384;

// One value read in place.
struct ValueView {
  Type type = Type::kNull;
  uint32_t count = 0;  // Items of a list, keys plus values of a map, elements of an array.
  // The number of a fixed-width type, as Value::bits().
  uint64_t bits = 0;
  // Content of string, symbol, binary, uuid and decimal128; the encoded items of a list or map; an
  // array from its element constructor on; a described value from its descriptor on.
  ByteView bytes;
  // The whole encoding, constructor included.
  ByteView encoded;

  bool is_null() const { return type == Type::kNull; }
};

// Reads the next value without looking into it: a list, map, array or described value is one value
// whose inside has not been checked. Strings are not checked for UTF-8. Consumes it from `bytes`.
// False when the bytes are not a value; `bytes` is then unspecified.
bool read_value(ByteView& bytes, ValueView& out);

// Reads one value and everything in it, checking all of it: depth, counts, UTF-8 of strings, ASCII
// of symbols, booleans and characters in range, even maps. False when anything is wrong.
bool check_value(ByteView& bytes);
// The same for a value that read_value() has given.
bool check_value(const ValueView& value);

// Reads one value into an owned Value with the same checks. Allocates. Fails with kMalformed.
Result<Value> decode_value(ByteView& bytes);
Result<Value> decode_value(const ValueView& value);

// The numeric code of a descriptor: a ulong, or the symbolic name of one of the standard's own
// types
// ("amqp:data:binary"). Nothing for other symbols and other types.
std::optional<uint64_t> descriptor_code(const ValueView& descriptor);
// Reads a described value, its descriptor and what follows it, in one pass; otherwise as
// read_value().
bool read_described(ByteView& bytes, ValueView& descriptor, ValueView& value);
// Splits a described value. `value` is what follows the descriptor.
bool split_described(const ValueView& described, ValueView& descriptor, ValueView& value);

// Walks over keys and values of a map that read_value() has given. A map with an odd count, or with
// bytes left over, ends in ok() == false.
class MapReader {
 public:
  explicit MapReader(const ValueView& map);
  // False at the end and on malformed bytes; ok() tells which.
  bool next(ValueView& key, ValueView& value);
  bool ok() const { return ok_; }

 private:
  ByteView bytes_;
  uint32_t remaining_;
  bool ok_;
};

// Reads the fields of a composite type in their order (part 1, section 1.4): a field that is null
// or was left out at the end is absent. A field of another type than asked for makes ok() false for
// good.
class FieldReader {
 public:
  // `list` must be of type list; anything else makes ok() false.
  explicit FieldReader(const ValueView& list);

  bool ok() const { return ok_; }
  // True if every field was read and nothing is left over. Fields beyond those we know are refused:
  // the standard's types have a fixed number of them.
  bool done() const { return ok_ && remaining_ == 0 && bytes_.empty(); }
  // Marks the composite as malformed: a mandatory field is absent, or a number is out of range.
  void refuse() { ok_ = false; }

  ValueView any();  // Null when absent.
  std::optional<bool> boolean();
  std::optional<uint8_t> ubyte();
  std::optional<uint16_t> ushort();
  std::optional<uint32_t> uint();
  std::optional<uint64_t> ulong();
  std::optional<int64_t> timestamp();
  std::optional<ByteView> binary();
  std::optional<std::string_view> string();  // UTF-8 was checked.
  std::optional<std::string_view> symbol();  // ASCII was checked.
  // A string or a symbol: some clients send one where the standard has the other.
  std::optional<std::string_view> text();
  // One symbol or an array of symbols (a field with multiple="true"); empty when absent. Allocates.
  std::vector<std::string> symbols();
  // A map, checked in depth; its keys are symbols or, as some clients send them, strings, and no
  // key comes twice. Null when absent. Allocates.
  Value map();

 private:
  bool field(Type type, ValueView& out);
  ByteView bytes_;
  uint32_t remaining_ = 0;
  bool ok_;
};

// True if no two keys are equal: the rule for maps (part 1, section 1.6.23). Sorts them.
bool all_different(std::vector<std::string_view>& keys);

// True if all bytes are ASCII: the rule for symbols (part 1, section 1.6.21).
bool is_ascii(ByteView bytes);

}  // namespace linarite::amqp
