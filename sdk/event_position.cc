#include "sdk/event_position.h"

#include <algorithm>

#include "wire/event_selector.h"

namespace linarite::sdk {
namespace {

constexpr size_t kOffsetSizeMax = 128;

}  // namespace

error check_position(const event_position& position) {
  if (position.where == event_position::kind::sequence_number && position.sequence_number < -1) {
    return {errc::invalid_argument, "a sequence number to begin at is below -1"};
  }
  const auto allowed = [](char c) { return c > ' ' && c <= '~' && c != '\''; };
  const std::string& offset = position.offset;
  if (position.where == event_position::kind::offset &&
      (offset.empty() || offset.size() > kOffsetSizeMax || !std::ranges::all_of(offset, allowed))) {
    return {errc::invalid_argument, "an offset to begin at is not one that an event can have"};
  }
  return {};
}

std::string selector_text(const event_position& position) {
  using Kind = wire::EventSelector::Kind;
  wire::EventSelector out;
  switch (position.where) {
    case event_position::kind::earliest:
      break;
    case event_position::kind::latest:
      out.kind = Kind::kLatest;
      break;
    case event_position::kind::enqueued_after:
      out.kind = Kind::kEnqueued;
      out.time = position.time;
      break;
    case event_position::kind::offset:
      // Text, because it is only the original's choice that all its characters are digits.
      return std::string("amqp.annotation.x-opt-offset ") + (position.inclusive ? ">=" : ">") +
             " '" + position.offset + "'";
    case event_position::kind::sequence_number:
      if (position.sequence_number < 0) break;
      out.kind = Kind::kSequence;
      out.number = static_cast<uint64_t>(position.sequence_number);
      out.inclusive = position.inclusive;
      break;
  }
  return wire::event_selector_text(out);
}

}  // namespace linarite::sdk
