// Requests to the admin listener of the hub on this machine: plain HTTP on the loopback interface,
// where what no service API offers is had with the token of the data directory. It is no part of
// Azure's protocols, so the SDK does not know it.
#pragma once

#include <cstdint>

#include "base/error.h"
#include "http/request.h"
#include "http/response.h"

namespace linarite::cli {

// Makes one request on a connection of its own and waits for the response. The error is one of
// net::connect() or http::ClientConnection, or kGenericTimeout.
Result<http::Response> call_admin(uint16_t port, http::Request request);

}  // namespace linarite::cli
