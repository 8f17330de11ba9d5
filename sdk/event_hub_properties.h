// The answers of a hub's $management node (service protocol, 4.4).
#pragma once

#include <linarite/event_hub.h>

#include <cstddef>
#include <string>

#include "amqp/performative.h"
#include "amqp/value.h"
#include "base/bytes.h"
#include "base/error.h"

namespace linarite::sdk {

// Each costs a link, of which a connection has 256. Azure's hubs have at most 32.
inline constexpr size_t kPartitionsMax = 200;

// One answer: the properties asked for, or why there are none.
struct ManagementAnswer {
  std::string request{};  // The message-id of the request, if it was text.
  error why{};
  amqp::Value body{};
};
// kMalformed for what is no AMQP message, or has no status-code.
Result<ManagementAnswer> read_management_answer(ByteView message);

// kMalformed for a body that is not what the protocol says; the message names the key. At least
// one partition and at most kPartitionsMax, whose ids are different numbers.
Result<event_hub_properties> read_event_hub_properties(const amqp::Value& body);
Result<partition_properties> read_partition_properties(const amqp::Value& body);

// A refusal of a link or request at this endpoint: as amqp_failure(), but what is not found is no
// device.
error endpoint_failure(const amqp::Error* failure, errc without);

}  // namespace linarite::sdk
