// The attach of a client that has nothing special to say, for the peers in tests.
#pragma once

#include <string>
#include <utility>

#include "amqp/performative.h"

namespace linarite::amqp {

// A sender names its target, a receiver its source (2.7.3); the other one is there and empty.
inline Attach client_attach(std::string name, Role role, const std::string& address) {
  Attach body;
  body.name = std::move(name);
  body.role = role;
  body.source = Source{};
  body.target = Target{};
  (role == Role::kSender ? body.target->address : body.source->address) = address;
  return body;
}

}  // namespace linarite::amqp
