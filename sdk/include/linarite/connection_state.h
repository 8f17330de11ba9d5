// How a client's connection is doing.
#pragma once

#include <linarite/error.h>
#include <linarite/message.h>

namespace linarite {
inline namespace v1 {

// Where a client is between its making and its end.
enum class connection_state {
  disconnected,  // Not asked to connect yet, or the first connect failed.
  connecting,
  connected,
  waiting,  // Was connected, is not, and will try again after a pause.
  closed,   // For good.
};
// The enumerator's name.
LINARITE_API const char* to_string(connection_state state) noexcept;

// One step of a connection, as async_next_state() gives it.
struct connection_change {
  connection_state state = connection_state::disconnected;
  error reason{};        // Why it is no longer what it was; no error for an ordinary step.
  wall_time when{};      // By the network's clock.
  unsigned attempt = 0;  // Which try in a row this is or was, from 1; 0 once connected.
  unsigned missed = 0;   // Changes before this one that nobody fetched and were forgotten.
};

}  // namespace v1
}  // namespace linarite
