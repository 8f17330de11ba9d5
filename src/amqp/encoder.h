// Writes AMQP 1.0 encoded values (part 1, section 1.6) at the end of a byte string, each in its
// shortest form. Sizes and counts of compound values are filled in when they are closed.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "amqp/value.h"
#include "base/bytes.h"

namespace linarite::amqp {

struct ValueView;

// Appends to a string owned by the caller, which nobody else may change while a compound is open.
class Encoder {
 public:
  explicit Encoder(Bytes& out) : out_(out) {}

  void null() { prepare(0x40); }
  // Leaves a field of a composite out. It is written as null only if another field follows it in
  // the same list (part 1, section 1.4).
  void absent() { ++pending_nulls_; }
  void boolean(bool value) { prepare(value ? 0x41 : 0x42); }
  void ubyte(uint8_t value);
  void ushort(uint16_t value);
  void uint(uint32_t value);
  void ulong(uint64_t value);
  void int32(int32_t value);
  void int64(int64_t value);
  void timestamp(int64_t milliseconds);
  void binary(ByteView bytes) { variable(0xA0, bytes); }
  void string(std::string_view text) { variable(0xA1, text); }
  void symbol(std::string_view text) { variable(0xA3, text); }
  // An array of symbols, also for one or none: some clients do not read a lone symbol.
  void symbols(std::span<const std::string> values);
  // Any value, iteratively.
  void value(const Value& value);

  // Writes the descriptor of the value that comes next.
  void descriptor(uint64_t code);

  // An open list or map. Everything written until close() is in it.
  struct Compound {
    size_t start;
    uint32_t outer_count;
  };
  Compound open_list() { return open(0xC0); }
  Compound open_map() { return open(0xC1); }
  void close(Compound compound);
  // The same for a list whose last fields, if absent, are to be written as null.
  void close_whole(Compound compound) {
    flush_nulls();
    close(compound);
  }

 private:
  friend class ValueEncoder;
  // Writes pending nulls, counts one value, and writes its constructor.
  void prepare(uint8_t constructor);
  void flush_nulls();
  void variable(uint8_t small_constructor, ByteView bytes);
  Compound open(uint8_t small_constructor);
  void raw(uint8_t byte) { out_.push_back(static_cast<char>(byte)); }

  Bytes& out_;
  uint32_t count_ = 0;  // Values in the innermost open compound.
  uint32_t pending_nulls_ = 0;
};

}  // namespace linarite::amqp
