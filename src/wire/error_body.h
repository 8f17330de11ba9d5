// The texts that tell a client of a failure: HTTP bodies, twin error payloads, AMQP descriptions
// (service-protocol 5.12, device-protocol 1.13 and 3.13).
//
// The message of the Error is shown to the client; when it is empty or not UTF-8 the text of the
// error table stands in for it. Codes of ours are mapped by the table, and their message is not
// shown.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "base/random.h"
#include "base/time.h"

namespace linarite::wire {

// HTTP header of every error response; its value is the row's name (service-protocol 5.1).
inline constexpr std::string_view kErrorCodeHeader = "iothub-errorcode";

// `{32 hex}-G:0-TimeStamp:MM/dd/yyyy HH:mm:ss`.
std::string make_tracking_id(Random& random, WallTime now);

// Form (a), for everything but methods:
// {"Message":"ErrorCode:{Name};{text}","ExceptionMessage":"Tracking ID:{tracking id}"}
std::string error_body(const Error& error, std::string_view tracking_id);

// Form (b), for method calls: {"Message":"{error_json as a string}","ExceptionMessage":""}
std::string method_error_body(const Error& error, std::string_view tracking_id, WallTime now);

// {"errorCode":n,"trackingId":"…","message":"…","timestampUtc":"…"}: the payload of a failed twin
// request and the description of an AMQP error.
std::string error_json(const Error& error, std::string_view tracking_id, WallTime now);

}  // namespace linarite::wire
