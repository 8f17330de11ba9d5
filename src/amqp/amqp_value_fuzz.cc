// Any bytes: the three readers of values agree, and what was read is written and read back the
// same.
#include <cstdint>

#include "amqp/decoder.h"
#include "amqp/encoder.h"
#include "base/check.h"

using namespace linarite;
using namespace linarite::amqp;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteView bytes(reinterpret_cast<const char*>(data), size);
  ByteView checked = bytes;
  ByteView built = bytes;
  ByteView read = bytes;
  const bool ok = check_value(checked);
  const auto value = decode_value(built);
  CHECK(ok == value.has_value());
  ValueView view;
  const bool shallow = read_value(read, view);
  if (!ok) return 0;
  CHECK(shallow && checked.size() == built.size() && checked.size() == read.size());
  Bytes written;
  Encoder(written).value(*value);
  ByteView again = written;
  const auto copy = decode_value(again);
  CHECK(copy && again.empty());
  // A described array without elements loses its descriptor; all else comes back.
  Bytes twice;
  Encoder(twice).value(*copy);
  CHECK(twice == written);
  return 0;
}
