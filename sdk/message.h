// The public message and the wire's, one made from the other.
#pragma once

#include <linarite/message.h>

#include "base/bytes.h"
#include "wire/c2d_message.h"
#include "wire/property_bag.h"

namespace linarite::sdk {

static_assert(static_cast<int>(feedback_request::full) == static_cast<int>(wire::Ack::kFull));

// What a device received. An expiry or ack that cannot be read is left out.
message message_of(wire::PropertyBag bag, ByteView body);
// What a service sends; not checked.
wire::C2dMessage c2d_message(const message& message);

}  // namespace linarite::sdk
