// Any bytes: a message that reads in place also copies, and its copy is written and read back the
// same.
#include <cstdint>

#include "amqp/message.h"
#include "base/check.h"

using namespace linarite;
using namespace linarite::amqp;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteView bytes(reinterpret_cast<const char*>(data), size);
  MessageView view;
  if (!read_message(bytes, view)) return 0;
  const auto message = decode_message(bytes);
  if (!message) return 0;  // More items than a Value may have.
  Bytes data_bytes;
  for (const Bytes& part : message->data) data_bytes += part;
  if (view.body_kind == BodyKind::kData) CHECK(view.data() == data_bytes);
  Bytes written;
  write_message(*message, written);
  const auto again = decode_message(written);
  CHECK(again);
  Bytes twice;
  write_message(*again, twice);
  CHECK(twice == written);
  return 0;
}
