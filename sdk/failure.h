// What went wrong below, told in the SDK's words: which of name, port, CA, key or clock is at
// fault, and what to do.
#pragma once

#include <linarite/error.h>
#include <string_view>

#include "amqp/performative.h"
#include "base/error.h"
#include "base/time.h"
#include "http/response.h"
#include "mqtt/packet.h"

namespace linarite::sdk {

// Of connect(): its sentence, sorted by cause.
error connect_failure(const Error& failure);
// Of anything else that keeps its number: Azure's codes stay, ours become protocol_error.
error error_of(const Error& failure);
// A CONNACK other than 0.
error connack_failure(mqtt::ConnectReturnCode code, std::string_view client_id);
// An AMQP error, whose description is JSON with code and tracking id if a hub wrote it (device
// protocol, 3.13). Null: `without` stands for it.
error amqp_failure(const amqp::Error* failure, errc without);
// An HTTP response other than 2xx (service protocol, 5.12). With a Date far from `now` a refused
// token is the clock's fault.
error http_failure(const http::Response& response, WallTime now);

}  // namespace linarite::sdk
