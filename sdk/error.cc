#include <linarite/connection_state.h>
#include <linarite/error.h>

#include "wire/error_table.h"

namespace linarite {
inline namespace v1 {
namespace {

const char* own_text(errc code) {
  switch (code) {
    case errc::invalid_connection_string:
      return "the connection string is not valid";
    case errc::invalid_argument:
      return "an argument is not valid";
    case errc::connection_failed:
      return "no connection";
    case errc::server_not_trusted:
      return "the hub's certificate is not trusted";
    case errc::wrong_host_name:
      return "the hub's certificate is for another name";
    case errc::certificate_not_current:
      return "the hub's certificate is not valid at this time";
    case errc::bad_local_file:
      return "a file cannot be used";
    case errc::token_unavailable:
      return "no valid token";
    case errc::clock_wrong:
      return "this machine's clock differs from the hub's";
    case errc::timed_out:
      return "the deadline passed";
    case errc::outcome_unknown:
      return "no answer came; whether it was done is unknown";
    case errc::operation_aborted:
      return "cancelled";
    case errc::closed:
      return "the client is closed";
    case errc::connection_lost:
      return "the connection was lost";
    case errc::offline_queue_full:
      return "the offline queue is full";
    case errc::dropped_from_queue:
      return "dropped from the full offline queue";
    case errc::protocol_error:
      return "the peer broke the protocol";
    case errc::not_granted:
      return "the hub did not grant the subscription";
    case errc::message_already_decided:
      return "the message was decided about before";
    case errc::server_unavailable:
      return "the hub takes no connection of this device now";
    case errc::token_renewal:
      return "reconnecting with a new token";
    case errc::consumer_disconnected:
      return "another reader has taken a partition";
    case errc::too_many_receivers:
      return "the consumer group has no place for another reader";
    default:
      return nullptr;
  }
}

class Category final : public std::error_category {
 public:
  const char* name() const noexcept override { return "linarite"; }
  std::string message(int number) const override {
    if (const char* text = own_text(static_cast<errc>(number))) return text;
    for (const wire::ErrorRow& row : wire::error_rows()) {
      if (row.number() == number) return std::string(row.text);
    }
    return "error " + std::to_string(number) + " of the hub";
  }
  std::error_condition default_error_condition(int number) const noexcept override {
    switch (static_cast<errc>(number)) {
      case errc::timed_out:
        return std::errc::timed_out;
      case errc::operation_aborted:
        return std::errc::operation_canceled;
      case errc::invalid_argument:
      case errc::invalid_connection_string:
      case errc::argument_invalid:
        return std::errc::invalid_argument;
      case errc::iot_hub_unauthorized_access:
      case errc::iot_hub_unauthorized:
        return std::errc::permission_denied;
      case errc::connection_lost:
        return std::errc::connection_aborted;
      default:
        return {number, *this};
    }
  }
};

std::string what_of(const error& why) {
  std::string text = why.message();
  if (const std::string id = why.tracking_id(); !id.empty()) text += " (tracking id " + id + ")";
  return text;
}

}  // namespace

const std::error_category& category() noexcept {
  static const Category instance;
  return instance;
}

struct error::text {
  std::string message;
  std::string tracking_id;
};

error::error(std::error_code code, std::string message, std::string tracking_id) : code_(code) {
  if (message.empty() && tracking_id.empty()) return;
  text_ = std::make_shared<const text>(text{std::move(message), std::move(tracking_id)});
}

std::string error::message() const {
  if (text_ && !text_->message.empty()) return text_->message;
  return code_ ? code_.message() : std::string();
}

std::string error::tracking_id() const { return text_ ? text_->tracking_id : std::string(); }

bool is_transient(const error& why) noexcept {
  if (why.code().category() != category()) return false;
  switch (static_cast<errc>(why.code().value())) {
    case errc::connection_failed:
    case errc::connection_lost:
    case errc::timed_out:
    case errc::outcome_unknown:
    case errc::server_unavailable:
    case errc::offline_queue_full:
    case errc::dropped_from_queue:
    case errc::device_maximum_queue_depth_exceeded:
    case errc::throttled:
    case errc::server_error:
    case errc::service_unavailable:
      return true;
    default:
      return why.code().value() / 1000 >= 500;
  }
}

exception::exception(error why)
    : std::system_error(why.code()),
      error_(std::move(why)),
      what_(std::make_shared<const std::string>(what_of(error_))) {}
exception::~exception() = default;

const char* to_string(connection_state state) noexcept {
  switch (state) {
    case connection_state::disconnected:
      return "disconnected";
    case connection_state::connecting:
      return "connecting";
    case connection_state::connected:
      return "connected";
    case connection_state::waiting:
      return "waiting";
    case connection_state::closed:
      return "closed";
  }
  return "unknown";
}

}  // namespace v1
}  // namespace linarite
