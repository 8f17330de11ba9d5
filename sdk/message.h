// The public message and the wire's, one made from the other.
#pragma once

#include <linarite/message.h>

#include "base/bytes.h"
#include "wire/c2d_message.h"
#include "wire/device_id.h"
#include "wire/property_bag.h"

namespace linarite::sdk {

static_assert(static_cast<int>(feedback_request::full) == static_cast<int>(wire::Ack::kFull));

// What a device received. An expiry or ack that cannot be read is left out.
message message_of(wire::PropertyBag bag, ByteView body);
// What a service sends; not checked.
wire::C2dMessage c2d_message(const message& message);
// The topic by which the device sends an event with these properties (device protocol, 1.10, 1.11).
std::string event_topic(const wire::Identity& device, const message& message);
// The wire's maps and bags have each name once.
bool has_duplicate_names(const property_list& properties);

}  // namespace linarite::sdk
