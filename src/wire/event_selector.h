// Where a receiver of events wants to start: the text of the filter
// `apache.org:selector-filter:string` (service-protocol 4.6).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/time.h"

namespace linarite::wire {

inline constexpr size_t kEventSelectorSizeMax = 512;  // bytes

// The filter's key in a source's filter set, and the number that may stand for it as a descriptor.
inline constexpr std::string_view kSelectorFilter = "apache.org:selector-filter:string";
inline constexpr uint64_t kSelectorFilterCode = 0x0000468C00000004;

struct EventSelector {
  enum class Kind : uint8_t { kStart, kLatest, kOffset, kSequence, kEnqueued };
  Kind kind = Kind::kStart;
  uint64_t number = 0;     // kOffset, kSequence
  WallTime time;           // kEnqueued
  bool inclusive = false;  // ">="

  bool operator==(const EventSelector&) const = default;
};

// Reads `amqp.annotation.{name} {> | >=} {'value' | value}` with any white space; no text at all is
// kStart. Fails with kArgumentInvalid for anything else: another annotation, another operator, a
// value that is not a number of that annotation, a text over kEventSelectorSizeMax.
Result<EventSelector> parse_event_selector(std::string_view text);

// The selector as a text that parse_event_selector() reads back.
std::string event_selector_text(const EventSelector& selector);

// The name of the entity under which Event Hubs clients find the events of the hub with this host
// name (`{eh}`): the host's first label, as the original names it after the hub; all of a host that
// is an address. Lower case; what is no letter, digit, '-', '.' or '_' becomes a '-'.
std::string event_hub_name(std::string_view host);

}  // namespace linarite::wire
