// Requests to $management of any bytes.
#include "base/check.h"
#include "gateway/amqp_management.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace linarite;
  const ByteView input(reinterpret_cast<const char*>(data), size);
  amqp::MessageView message;
  if (!amqp::read_message(input, message)) return 0;
  const auto read = gateway::read_management_request(message, "hub", 4);
  if (read) CHECK(!read->partition || *read->partition < 4);
  return 0;
}
