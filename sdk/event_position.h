// Where a reader begins, as the filter of its link says it (service protocol, 4.6).
#pragma once

#include <linarite/events.h>

#include <string>

namespace linarite::sdk {

// invalid_argument for an offset or a number that no hub would take.
error check_position(const event_position& position);

// Of a position that check_position() finds good.
std::string selector_text(const event_position& position);

}  // namespace linarite::sdk
