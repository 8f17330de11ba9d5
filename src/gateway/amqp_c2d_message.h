// Cloud-to-device messages as back ends send them over AMQP (service-protocol 2.2).
#pragma once

#include "amqp/message.h"
#include "base/error.h"
#include "wire/c2d_message.h"

namespace linarite::gateway {

// kArgumentInvalid (400004) for a property that has no text form, an unknown iothub-ack, or a body
// that is neither data, text nor binary. Ids that are uuids or numbers become text; so do the
// values of application properties. The result has not passed wire::check_c2d_message.
Result<wire::C2dMessage> c2d_message_of(const amqp::MessageView& message);

// The text of a scalar value: numbers in decimal, uuids with dashes, times in ISO 8601, null as the
// empty text. Nothing for binary that is not UTF-8, for decimals, and for compound values.
std::optional<std::string> scalar_text(const amqp::ValueView& value);

}  // namespace linarite::gateway
