// What goes wrong, as a value and as an exception.
//
// Every operation has both forms: a callback gets a linarite::error (which is also a
// std::error_code), a coroutine or a future throws linarite::exception. as_tuple(use_awaitable)
// gives a coroutine the value instead.
#pragma once

#include <memory>
#include <string>
#include <system_error>

#include <linarite/export.h>

namespace linarite {
inline namespace v1 {

// Numbers from 400000 on are Azure IoT Hub's own, as the hub sent them; the hub may send numbers
// that have no name here. The first three digits are the HTTP status. Numbers below are ours.
enum class errc : int {
  invalid_connection_string = 1,  // The message names the field.
  invalid_argument = 2,           // A value that no hub would take; the message names it.
  connection_failed = 3,          // No such host, nobody on the port, or the network is away.
  server_not_trusted = 4,         // The hub's certificate leads to no CA that is trusted here.
  wrong_host_name = 5,            // The certificate belongs to another name.
  certificate_not_current = 6,    // The certificate is not valid at this machine's time.
  bad_local_file = 7,             // A CA, certificate or key file cannot be read or used.
  token_unavailable = 8,          // The token provider failed, or its token has expired.
  clock_wrong = 9,                // This machine's clock and the hub's differ too much.
  timed_out = 10,                 // The deadline passed, and nothing was done.
  outcome_unknown = 11,           // It was sent, and no answer came: it was done, or it was not.
  operation_aborted = 12,         // Cancelled by the caller; nothing was done.
  closed = 13,                    // The client was closed or destroyed.
  connection_lost = 14,           // The hub or the network ended a connection that was up.
  offline_queue_full = 15,        // No room while the hub is away.
  dropped_from_queue = 16,        // A newer one took its place in the full queue.
  protocol_error = 17,            // The peer does not speak the protocol as its standard says.
  not_granted = 18,               // The hub refused the subscription.
  message_already_decided = 19,   // Completed, accepted or abandoned before.
  server_unavailable = 20,        // CONNACK 3: disabled device, or the hub takes nobody now.
  token_renewal = 21,             // A reason, not a failure: reconnecting with a new token.
  consumer_disconnected = 22,     // Another reader of events has taken a partition.
  too_many_receivers = 23,        // A partition has as many readers as its consumer group may have.

  bad_request = 400000,
  invalid_operation = 400003,
  argument_invalid = 400004,
  iot_hub_unauthorized_access = 401002,
  iot_hub_unauthorized = 401003,
  quota_exceeded = 403002,
  device_maximum_queue_depth_exceeded = 403004,
  invalid_message_expiry_time = 403009,
  device_disabled = 403012,
  not_found = 404000,
  device_not_found = 404001,
  amqp_address_not_found = 404006,
  conflict = 409000,
  device_already_exists = 409001,
  precondition_failed = 412001,
  device_message_lock_lost = 412002,
  message_too_large = 413001,
  too_many_devices = 413002,
  throttled = 429001,
  server_error = 500001,
  service_unavailable = 503001,
};

// The category of errc; a hub's number without a name here has it too.
LINARITE_API const std::error_category& category() noexcept;
// Lets an errc become a std::error_code by itself.
inline std::error_code make_error_code(errc code) noexcept {
  return {static_cast<int>(code), category()};
}

// A plain value; copies are cheap. Holds no key, token or message body.
class error {
 public:
  error() noexcept = default;  // No error.
  LINARITE_API error(std::error_code code, std::string message = {}, std::string tracking_id = {});
  error(errc code, std::string message = {}, std::string tracking_id = {})
      : error(make_error_code(code), std::move(message), std::move(tracking_id)) {}

  explicit operator bool() const noexcept { return static_cast<bool>(code_); }
  operator std::error_code() const noexcept { return code_; }
  const std::error_code& code() const noexcept { return code_; }
  // A sentence for people: what, where, and what to do about it.
  LINARITE_API std::string message() const;
  // By which the hub's operators find the request in their logs; empty if the hub gave none.
  LINARITE_API std::string tracking_id() const;

  friend bool operator==(const error& a, errc b) noexcept { return a.code_ == make_error_code(b); }

 private:
  struct text;
  std::error_code code_;
  std::shared_ptr<const text> text_;
};

// Whether trying again may help: the hub or the way to it is away, slow or busy. False for whatever
// stays wrong until somebody changes something.
LINARITE_API bool is_transient(const error& why) noexcept;

// What the throwing forms throw. code() is the error's, what() its message with the tracking id.
class LINARITE_API exception : public std::system_error {
 public:
  explicit exception(error why);
  ~exception() override;
  const char* what() const noexcept override { return what_->c_str(); }
  const error& reason() const noexcept { return error_; }
  std::string tracking_id() const { return error_.tracking_id(); }

 private:
  error error_;
  std::shared_ptr<const std::string> what_;
};

}  // namespace v1
}  // namespace linarite

template <>
struct std::is_error_code_enum<linarite::errc> : std::true_type {};
