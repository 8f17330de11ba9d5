#include "gateway/amqp_error.h"

#include <fmt/format.h>

#include <utility>

#include "wire/error_body.h"
#include "wire/error_table.h"

namespace linarite::gateway {
namespace {

amqp::Error make_error(const wire::ErrorRow& row, const Error& error, const hub::Hub& hub) {
  const WallTime now = hub.clock().wall();
  std::string tracking_id = wire::make_tracking_id(hub.random(), now);
  // An error of ours keeps its code, so that its text is not shown.
  const ErrorCode code = static_cast<int32_t>(error.code) < 1000 ? error.code : row.code;
  std::string description = wire::error_json({code, error.message}, tracking_id, now);
  return {std::string(row.amqp_condition), std::move(description),
          amqp::Value::map({amqp::Value::symbol("com.microsoft:tracking-id"),
                            amqp::Value::string(std::move(tracking_id))})};
}

}  // namespace

amqp::Error amqp_error(const Error& error, const hub::Hub& hub) {
  return make_error(wire::error_row(error.code), error, hub);
}

amqp::Error event_hub_error(const Error& error, const hub::Hub& hub) {
  const wire::ErrorRow& row = wire::error_row(error.code);
  std::string tracking_id = wire::make_tracking_id(hub.random(), hub.clock().wall());
  const std::string& text = error.message.empty() ? std::string(row.text) : error.message;
  std::string description = fmt::format("{} TrackingId:{}", text, tracking_id);
  return {std::string(row.amqp_condition), std::move(description),
          amqp::Value::map({amqp::Value::symbol("com.microsoft:tracking-id"),
                            amqp::Value::string(std::move(tracking_id))})};
}

amqp::Error amqp_send_error(const Error& error, const hub::Hub& hub) {
  return make_error(wire::c2d_send_error_row(error.code), error, hub);
}

}  // namespace linarite::gateway
