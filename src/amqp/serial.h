// Serial number arithmetic (RFC 1982) on 32 bits, as AMQP 1.0 uses it for delivery-ids,
// transfer-ids and delivery-counts (part 2, section 2.8.8).
#pragma once

#include <cstdint>

namespace linarite::amqp {

// How far `a` is after `b`; negative if before. Numbers 2^31 apart count as before.
constexpr int32_t serial_distance(uint32_t a, uint32_t b) { return static_cast<int32_t>(a - b); }
constexpr bool serial_less(uint32_t a, uint32_t b) { return serial_distance(a, b) < 0; }

// What is left of a window or credit that the peer counted from `seen`, when we are at `sent`. A
// peer that claims to have seen what was never sent gets no more than it granted.
constexpr uint32_t remaining_window(uint32_t seen, uint32_t granted, uint32_t sent) {
  const int32_t under_way = serial_distance(sent, seen);
  if (under_way <= 0) return granted;
  const auto used = static_cast<uint32_t>(under_way);
  return used < granted ? granted - used : 0;
}

}  // namespace linarite::amqp
