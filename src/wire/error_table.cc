#include "wire/error_table.h"

#include <algorithm>
#include <array>

namespace linarite::wire {
namespace {

using enum ErrorCode;

constexpr std::string_view kArgumentError = "com.microsoft:argument-error";
constexpr std::string_view kNotAllowed = "amqp:not-allowed";
constexpr std::string_view kNotFound = "amqp:not-found";
constexpr std::string_view kUnauthorized = "amqp:unauthorized-access";
constexpr std::string_view kResourceLimit = "amqp:resource-limit-exceeded";
constexpr std::string_view kMessageSize = "amqp:link:message-size-exceeded";
constexpr std::string_view kTimeout = "com.microsoft:timeout";
constexpr std::string_view kInternal = "amqp:internal-error";

// Sorted by code. Where neither reference names a condition, the nearest that SDKs can map is used.
constexpr std::array kRows = std::to_array<ErrorRow>({
    {kGenericBadRequest, "GenericBadRequest", 400, kArgumentError, "Bad request"},
    {kInvalidProtocolVersion, "InvalidProtocolVersion", 400, kArgumentError,
     "The api-version is missing or not supported"},
    {kInvalidOperation, "InvalidOperation", 400, kNotAllowed, "The operation is not allowed"},
    {kArgumentInvalid, "ArgumentInvalid", 400, kArgumentError, "An argument is invalid"},
    {kArgumentNull, "ArgumentNull", 400, kArgumentError, "A required argument is missing"},
    {kIotHubFormatError, "IotHubFormatError", 400, kArgumentError, "The format is invalid"},
    {kDeserializationError, "DeserializationError", 400, "amqp:decode-error",
     "The content could not be decoded"},
    {kConnectionForcefullyClosedOnNewConnection, "ConnectionForcefullyClosedOnNewConnection", 400,
     "amqp:link:stolen", "Closed by a new connection of the same identity"},
    {kIotHubNotFound, "IotHubNotFound", 401, "com.microsoft:iot-hub-not-found-error",
     "Unauthorized"},
    {kIotHubUnauthorizedAccess, "IotHubUnauthorizedAccess", 401, kUnauthorized, "Unauthorized"},
    {kIotHubUnauthorized, "IotHubUnauthorized", 401, kUnauthorized,
     "The authorization rule does not allow this access"},
    {kIotHubQuotaExceeded, "IotHubQuotaExceeded", 403, kResourceLimit,
     "The daily message quota is used up"},
    {kDeviceMaximumQueueDepthExceeded, "DeviceMaximumQueueDepthExceeded", 403, kResourceLimit,
     "C2D messages enqueued for the device exceeded the queue limit"},
    {kIotHubMaxCbsTokenExceeded, "IotHubMaxCbsTokenExceeded", 403, kResourceLimit,
     "Too many tokens on one connection"},
    {kDeviceMaximumQueueSizeExceeded, "DeviceMaximumQueueSizeExceeded", 403, kResourceLimit,
     "C2D messages enqueued for the device exceeded the size limit"},
    {kInvalidMessageExpiryTime, "InvalidMessageExpiryTime", 403, kArgumentError,
     "The expiry time is in the past or too far away"},
    {kDeviceDisabled, "DeviceDisabled", 403, kUnauthorized, "The device is disabled"},
    {kGenericNotFound, "GenericNotFound", 404, kNotFound, "Not found"},
    {kDeviceNotFound, "DeviceNotFound", 404, kNotFound, "The device is not registered"},
    {kAmqpAddressNotFound, "AmqpAddressNotFound", 404, kNotFound, "The address does not exist"},
    {kModuleNotFound, "ModuleNotFound", 404, kNotFound, "The module is not registered"},
    {kDeviceNotOnline, "DeviceNotOnline", 404, kNotFound,
     "Timed out waiting for device to connect."},
    {kDeviceConnectionClosedRemotely, "DeviceConnectionClosedRemotely", 404, kNotFound,
     "The device closed its connection"},
    {kGenericMethodNotAllowed, "GenericMethodNotAllowed", 405, kNotAllowed, "Method not allowed"},
    {kGenericConflict, "GenericConflict", 409, kNotAllowed, "Conflict"},
    {kDeviceAlreadyExists, "DeviceAlreadyExists", 409, "com.microsoft:device-already-exists",
     "The device is already registered"},
    {kPreconditionFailed, "PreconditionFailed", 412, "com.microsoft:precondition-failed",
     "Precondition failed"},
    {kDeviceMessageLockLost, "DeviceMessageLockLost", 412, "com.microsoft:message-lock-lost",
     "The message lock was lost"},
    {kGenericRequestEntityTooLarge, "GenericRequestEntityTooLarge", 413, kMessageSize,
     "The request is too large"},
    {kMessageTooLarge, "MessageTooLarge", 413, kMessageSize, "The message is too large"},
    {kTooManyDevices, "TooManyDevices", 413, kResourceLimit, "The device limit is reached"},
    {kGenericUnsupportedMediaType, "GenericUnsupportedMediaType", 415, kArgumentError,
     "Unsupported media type"},
    {kThrottlingException, "ThrottlingException", 429, "com.microsoft:device-container-throttled",
     "Too many requests"},
    {kServerError, "ServerError", 500, kInternal, "Internal server error"},
    {kGenericTimeout, "GenericTimeout", 500, kTimeout, "Timed out"},
    {kNotImplemented, "NotImplemented", 501, "amqp:not-implemented",
     "This hub does not have this operation"},
    {kServiceUnavailable, "ServiceUnavailable", 503, kInternal,
     "The service is temporarily unavailable"},
});
static_assert(std::ranges::is_sorted(kRows, {}, &ErrorRow::code));

// service-protocol 2.3: the answers to a cloud-to-device send that differ from the table above.
constexpr ErrorRow kC2dQuotaExceeded{kIotHubQuotaExceeded, "IotHubQuotaExceeded", 403,
                                     "com.microsoft:quota-exceeded",
                                     "The daily message quota is used up"};
constexpr ErrorRow kC2dUnavailable{kServiceUnavailable, "ServiceUnavailable", 503, kTimeout,
                                   "The service is temporarily unavailable"};

// Our own conditions: those that pass with time are "unavailable", the others "internal error".
ErrorCode azure_code(ErrorCode code) {
  switch (code) {
    case kStoreReadOnly:
    case kStoreInUse:
    case kShuttingDown:
    case kIoError:
    case kLimitExceeded:
      return kServiceUnavailable;
    case kStoreCorrupt:
    case kStoreFormat:
    case kMalformed:
    case kMasterKeyUnusable:
      return kServerError;
    default:
      return code;
  }
}

}  // namespace

const ErrorRow& error_row(ErrorCode code) {
  const ErrorCode wanted = azure_code(code);
  const auto row = std::ranges::lower_bound(kRows, wanted, {}, &ErrorRow::code);
  if (row != kRows.end() && row->code == wanted) return *row;
  return error_row(kServerError);
}

const ErrorRow& c2d_send_error_row(ErrorCode code) {
  switch (azure_code(code)) {
    case kDeviceDisabled:
      return error_row(kDeviceNotFound);
    case kIotHubQuotaExceeded:
      return kC2dQuotaExceeded;
    case kServiceUnavailable:
    case kGenericTimeout:
      return kC2dUnavailable;
    default:
      return error_row(code);
  }
}

std::span<const ErrorRow> error_rows() { return kRows; }

}  // namespace linarite::wire
