// What ends a session or a link between two honest parties only if one of them broke a rule of
// AMQP.
#pragma once

#include <algorithm>
#include <array>
#include <memory>

#include "amqp/conditions.h"
#include "amqp/performative.h"

namespace linarite::sim {

inline bool breaks_a_rule(const std::shared_ptr<const amqp::Error>& error) {
  static constexpr std::array kConditions{
      amqp::condition::kWindowViolation, amqp::condition::kErrantLink,
      amqp::condition::kHandleInUse,     amqp::condition::kUnattachedHandle,
      amqp::condition::kInvalidField,    amqp::condition::kTransferLimitExceeded};
  return error != nullptr && std::ranges::find(kConditions, error->condition) != kConditions.end();
}

}  // namespace linarite::sim
