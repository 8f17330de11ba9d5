// What each ErrorCode is called on the wire: Azure IoT Hub's number and name, the HTTP status and
// the AMQP error condition (service-protocol 11.1, device-protocol 9.1).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/error.h"

namespace linarite::wire {

struct ErrorRow {
  ErrorCode code;  // the row's own code, always one of Azure's; its number is the one sent
  std::string_view name;
  int http_status;
  std::string_view amqp_condition;
  std::string_view text;  // for people, when the Error carries no message; contains no ';'

  int32_t number() const { return static_cast<int32_t>(code); }
};

// The row of `code`. Codes below 1000 (ours) give the row of 503001 or 500001; so does, with
// 500001, a number that is in no row.
const ErrorRow& error_row(ErrorCode code);

// The row to answer a service's cloud-to-device send with; differs from error_row in what the
// service SDKs expect there (service-protocol 2.3): a disabled device reads as not found, for
// example.
const ErrorRow& c2d_send_error_row(ErrorCode code);

// All rows of error_row in ascending order, for documentation and tests.
std::span<const ErrorRow> error_rows();

}  // namespace linarite::wire
