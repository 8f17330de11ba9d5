#include "wire/error_body.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "wire/error_table.h"
#include "wire/json_text.h"

namespace linarite::wire {
namespace {

std::string_view shown_text(const Error& error) {
  const ErrorRow& row = error_row(error.code);
  const bool own_code = row.code != error.code;
  if (own_code || error.message.empty() || !is_utf8(error.message)) return row.text;
  return error.message;
}

}  // namespace

std::string make_tracking_id(Random& random, WallTime now) {
  return fmt::format("{}-G:0-TimeStamp:{}", random.hex(16), us_date_time(now));
}

std::string error_body(const Error& error, std::string_view tracking_id) {
  // The SDKs cut this text at ';', so the part for people must not hold one.
  std::string text(shown_text(error));
  std::ranges::replace(text, ';', ',');
  return fmt::format(R"({{"Message":{},"ExceptionMessage":{}}})",
                     json_string(fmt::format("ErrorCode:{};{}", error_row(error.code).name, text)),
                     json_string(fmt::format("Tracking ID:{}", tracking_id)));
}

std::string method_error_body(const Error& error, std::string_view tracking_id, WallTime now) {
  return fmt::format(R"({{"Message":{},"ExceptionMessage":""}})",
                     json_string(error_json(error, tracking_id, now)));
}

std::string error_json(const Error& error, std::string_view tracking_id, WallTime now) {
  return fmt::format(R"({{"errorCode":{},"trackingId":{},"message":{},"timestampUtc":"{}"}})",
                     error_row(error.code).number(), json_string(tracking_id),
                     json_string(shown_text(error)), iso8601(now));
}

}  // namespace linarite::wire
