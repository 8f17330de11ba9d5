// What the Event Hubs-compatible endpoint of a hub is, and what it tells about itself: for readers
// of events (events.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <linarite/identity.h>
#include <linarite/message.h>

namespace linarite {
inline namespace v1 {

// Whom a reader speaks for, and where.
struct event_hub_identity : service_identity {
  // Its name at the endpoint. Empty: as hubs of this kind name it, after host_name.
  std::string event_hub{};
  // AMQP without TLS, where a token can be overheard: for a hub on the same machine.
  bool plain = false;
  // Besides client_options::endpoint.port, which counts first. None: 5671, or 5672 if plain.
  std::optional<std::uint16_t> port{};

  event_hub_identity() = default;
  // The hub of this name itself; tokens are for host_name.
  event_hub_identity(service_identity service) : service_identity(std::move(service)) {}

  // What the portal and `linarite hub connection-string show --eh` give to Event Hubs clients,
  // "Endpoint=sb://host/;SharedAccessKeyName=...;SharedAccessKey=...;EntityPath=...", with
  // "UseDevelopmentEmulator=true" for `plain`; or a service's "HostName=...". Any other text is
  // errc::invalid_connection_string; the message names the field and shows no value.
  //
  // With an Endpoint tokens are for "sb://host/event_hub", also those of a token_provider, and the
  // credential's key is the base64 of the one in the text: Event Hubs sign with the text itself.
  LINARITE_API static event_hub_identity parse(std::string_view connection_string, error& problem);
  // The same, throwing linarite::exception.
  LINARITE_API static event_hub_identity parse(std::string_view connection_string);
};

// An event hub.
struct event_hub_properties {
  std::string name{};
  std::optional<wall_time> created{};
  std::vector<std::uint32_t> partitions{};  // Their ids; in ascending order.
};

// The log of one partition, at the time of the answer.
struct partition_properties {
  std::uint32_t partition = 0;
  std::int64_t begin_sequence_number = 0;  // Of the oldest event that is kept.
  // Of the newest event, which may be gone already; -1 and "-1" if there never was one.
  std::int64_t last_sequence_number = -1;
  std::string last_offset = "-1";
  std::optional<wall_time> last_enqueued{};
  bool is_empty = true;  // Nothing is kept.
};

}  // namespace v1
}  // namespace linarite
