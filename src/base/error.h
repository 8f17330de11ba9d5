// The error codes of the whole program and the Error value that carries one.
//
// Codes from 400000 on are Azure IoT Hub's own numbers (Microsoft's "Understand and resolve Azure
// IoT Hub errors"); wire/error_table.h maps each to its name, HTTP status, AMQP condition and MQTT
// behaviour. Codes below 1000 are ours and never leave the process as they are: the table maps them
// to one of Azure's.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <utility>

namespace linarite {

enum class ErrorCode : int32_t {
  // Ours. A store or loop condition; the table gives the client 503001 or 500001.
  kStoreReadOnly = 1,  // A sync failed or the disk is full: the partition takes no more writes.
  kStoreCorrupt = 2,   // A record or file fails its checksum or its sequence.
  kStoreFormat = 3,    // The data directory was written by an unknown version.
  kStoreInUse = 4,     // Another process holds the data directory.
  kShuttingDown = 5,   // The server drains and takes no new work.
  kIoError = 6,        // A file or socket operation failed.
  kMalformed = 7,      // Bytes or text that do not follow their grammar.
  kLimitExceeded = 8,  // A named limit was passed.
  // The file of master keys is missing, readable by others, damaged, or of another hub.
  kMasterKeyUnusable = 9,

  kGenericBadRequest = 400000,
  kInvalidProtocolVersion = 400001,
  kInvalidOperation = 400003,
  kArgumentInvalid = 400004,
  kArgumentNull = 400005,
  kIotHubFormatError = 400006,
  kDeserializationError = 400012,
  kConnectionForcefullyClosedOnNewConnection = 400027,
  kIotHubNotFound = 401001,
  kIotHubUnauthorizedAccess = 401002,
  kIotHubUnauthorized = 401003,
  kIotHubQuotaExceeded = 403002,
  kDeviceMaximumQueueDepthExceeded = 403004,
  kIotHubMaxCbsTokenExceeded = 403005,
  kDeviceMaximumQueueSizeExceeded = 403007,
  kInvalidMessageExpiryTime = 403009,
  kDeviceDisabled = 403012,
  kGenericNotFound = 404000,
  kDeviceNotFound = 404001,
  kAmqpAddressNotFound = 404006,
  kModuleNotFound = 404010,
  kDeviceNotOnline = 404103,
  kDeviceConnectionClosedRemotely = 404104,
  kGenericMethodNotAllowed = 405000,
  kGenericConflict = 409000,
  kDeviceAlreadyExists = 409001,
  kPreconditionFailed = 412001,
  kDeviceMessageLockLost = 412002,
  kGenericRequestEntityTooLarge = 413000,
  kMessageTooLarge = 413001,
  kTooManyDevices = 413002,
  kGenericUnsupportedMediaType = 415000,
  kThrottlingException = 429001,
  kServerError = 500001,
  kGenericTimeout = 500008,
  kNotImplemented = 501000,  // Not one of Azure's: an operation that this hub does not have.
  kServiceUnavailable = 503001,
};

// What went wrong (code) and a sentence for people (message, may be empty; never a secret).
struct Error {
  ErrorCode code;
  std::string message;
};

template <class T>
using Result = std::expected<T, Error>;
using Status = Result<void>;

inline std::unexpected<Error> fail(ErrorCode code, std::string message = {}) {
  return std::unexpected(Error{code, std::move(message)});
}

}  // namespace linarite
