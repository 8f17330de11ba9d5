// How events are shown, and which: the forms and filters of az's monitor-events.
#pragma once

#include <linarite/events.h>

#include <boost/json/value.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "cli/failure.h"
#include "cli/output.h"

namespace linarite::cli {

// Whether `id` is the wanted one: the same, or, if `wanted` has one of '*' and '?', like the
// pattern. Nothing wanted: all are.
bool matches_id(std::string_view wanted, std::string_view id);

// The DTMI of the device's model, printable; empty if it told none.
std::string interface_of(const event& one);

struct EventView {
  bool system = false, application = false, annotations = false;
  std::string content_type;  // If not empty it counts instead of the event's own.

  // Of the words sys, app, anno and all.
  static Outcome<EventView> of(const std::vector<std::string>& words, std::string content_type);

  // {"event": {"origin", "module", "interface", "component", "payload"}}, with "properties" and
  // "annotations" as far as asked for. The payload is JSON if its type says so and it is, else
  // text. In the forms of lines the members that have a place in one.
  boost::json::value shown(const event& one, OutputForm form) const;
};

}  // namespace linarite::cli
