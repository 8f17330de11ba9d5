// AMQP link addresses and the `to` of a cloud-to-device message (service-protocol
// 0.3, 2.2, 3.1, 4.2, 4.5; device-protocol 3.5).
//
// An address is an absolute path or a full URI; scheme, user information, host, port and one
// leading
// '/' are dropped. Its fixed segments are compared ignoring case, its ids keep theirs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "wire/device_id.h"

namespace linarite::wire {

inline constexpr size_t kAddressSizeMax = 2048;  // bytes

enum class AddressKind : uint8_t {
  kUnknown,            // refuse the link: 404006
  kCbs,                // $cbs
  kManagement,         // $management of an Event Hubs client, also under an entity name (`entity`)
  kDevicebound,        // messages/devicebound: the service sends to devices
  kFeedback,           // messages/servicebound/feedback
  kFileNotifications,  // messages/servicebound/filenotifications or …/fileuploadnotifications
  kHubEvents,          // messages/events[/…]: redirected to the Event Hubs name; `rest` is the tail
  kPartition,          // {entity}/ConsumerGroups/{group}/Partitions/{partition}
  kDeviceTelemetry,    // devices/{d}[/modules/{m}]/messages/events
  kDeviceC2d,          // devices/{d}[/modules/{m}]/messages/devicebound
  kDeviceMethods,      // devices/{d}[/modules/{m}]/methods/devicebound
  kDeviceTwin,         // devices/{d}[/modules/{m}]/twin
};

// Whom an address names. SDKs send ids raw or percent-encoded, and an id may hold a '%': look `raw`
// up first, then `decoded`. They are equal when there is nothing to decode. Not validated.
struct AddressedIdentity {
  Identity raw;
  Identity decoded;
};

struct Address {
  AddressKind kind = AddressKind::kUnknown;
  AddressedIdentity identity;  // of the four kDevice kinds
  std::string entity;          // kPartition, kManagement; decoded
  std::string consumer_group;  // kPartition; decoded
  std::string partition;       // kPartition; decoded, not checked to be a number
  std::string rest;            // kHubEvents: decoded, without '/' at either end
};

// Never fails: what has no meaning, is empty or longer than kAddressSizeMax is kUnknown. An address
// that is unknown as it stands is tried once more percent-decoded as a whole.
Address classify_address(std::string_view address);

// Reads the `to` of a cloud-to-device message, `/devices/{d}[/modules/{m}]/messages/devicebound`.
// Fails with 400003 when it is missing (empty) or anything else.
Result<AddressedIdentity> parse_c2d_to(std::string_view to);

// The address a cloud-to-device message for `identity` is sent to, ids percent-encoded.
std::string c2d_to(const Identity& identity);

// The address without scheme, user information, host, port and one leading '/': what may be logged.
std::string_view address_path(std::string_view address);

}  // namespace linarite::wire
