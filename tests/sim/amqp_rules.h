// What ends a session or a link between two honest parties only if one of them broke a rule of
// AMQP.
#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string>

#include "amqp/conditions.h"
#include "amqp/performative.h"

namespace linarite::sim {

// What to say of such an end; nothing if it broke none.
inline std::optional<std::string> broken_rule(const std::shared_ptr<const amqp::Error>& error) {
  static constexpr std::array kConditions{
      amqp::condition::kWindowViolation, amqp::condition::kErrantLink,
      amqp::condition::kHandleInUse,     amqp::condition::kUnattachedHandle,
      amqp::condition::kInvalidField,    amqp::condition::kTransferLimitExceeded};
  if (!error || std::ranges::find(kConditions, error->condition) == kConditions.end()) return {};
  return "a rule of AMQP was broken: " + error->condition + ", " + error->description;
}

}  // namespace linarite::sim
