// Errors of the hub as AMQP errors: condition, a JSON description with Azure's number, and the
// tracking id in the info map (service-protocol 2.3, device-protocol 3.13).
#pragma once

#include "amqp/performative.h"
#include "base/error.h"
#include "hub/hub.h"

namespace linarite::gateway {

// For close, detach and $cbs.
amqp::Error amqp_error(const Error& error, const hub::Hub& hub);
// For the rejected outcome of a cloud-to-device message.
amqp::Error amqp_send_error(const Error& error, const hub::Hub& hub);

// For links of the Event Hubs-compatible endpoint, whose clients show the description as it is.
amqp::Error event_hub_error(const Error& error, const hub::Hub& hub);

}  // namespace linarite::gateway
