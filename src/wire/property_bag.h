// The property bag: the `name=value&name=value` at the end of an MQTT topic (device-protocol 1.11).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "wire/c2d_message.h"

namespace linarite::wire {

// The properties of an inbound message, decoded. System properties are those of the table in
// device-protocol 1.11; a time stays text. Of duplicates the last wins, in the place of the first.
struct PropertyBag {
  struct System {
    std::optional<std::string> message_id;          // $.mid
    std::optional<std::string> correlation_id;      // $.cid
    std::optional<std::string> user_id;             // $.uid
    std::optional<std::string> to;                  // $.to
    std::optional<std::string> content_type;        // $.ct
    std::optional<std::string> content_encoding;    // $.ce
    std::optional<std::string> expiry;              // $.exp
    std::optional<std::string> output_name;         // $.on
    std::optional<std::string> creation_time;       // $.ctime
    std::optional<std::string> interface_id;        // $.ifid
    std::optional<std::string> component;           // $.sub
    std::optional<std::string> message_schema;      // $.schema
    std::optional<std::string> diagnostic_id;       // $.diagid
    std::optional<std::string> diagnostic_context;  // $.diagctx
    std::optional<std::string> ack;                 // iothub-ack
    std::optional<std::string> operation;           // iothub-operation

    bool operator==(const System&) const = default;
  };

  System system;
  std::vector<std::pair<std::string, std::string>> properties;
};

// Parses what follows `…/events/`, tolerantly: it stops at the first unencoded '/', skips items
// without a name, keeps '=' in values, takes a broken escape literally, and gives an item without
// '=' an empty value. The names by which the hub stamps the sender's identity ($.cdid, $.cmid and
// everything that starts with iothub-connection-, in any case) are dropped: nobody may set them.
// Fails with 400004 above kPropertyCountMax different properties and for text that is not UTF-8.
Result<PropertyBag> parse_property_bag(std::string_view bag);

// Appends the bag of a cloud-to-device message exactly as device-protocol 1.12 orders it. `to` is
// always written; `default_to` stands in when the message has none. Empty system properties are
// left out, because the Java SDK refuses them.
void append_c2d_bag(std::string& out, const C2dMessage& message, std::string_view default_to);

}  // namespace linarite::wire
