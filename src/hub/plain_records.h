// For tests: identities and policies as programs before store format 3 wrote them, with their keys
// for everybody to read.
#pragma once

#include <string_view>

#include "base/bytes.h"
#include "hub/identity.h"
#include "hub/policies.h"

namespace linarite::hub {

inline void add_text(Bytes& out, std::string_view text) {
  ByteWriter writer(out);
  writer.number(static_cast<uint32_t>(text.size()));
  writer.bytes(text);
}

// Without a time of the status.
inline Bytes plain_identity(const Identity& identity) {
  Bytes out("\1");
  for (const auto* text : {&identity.device_id, &identity.generation_id, &identity.etag}) {
    add_text(out, *text);
  }
  out += static_cast<char>(identity.status);
  add_text(out, identity.status_reason);
  out += '\0';
  out += static_cast<char>(identity.authentication);
  for (const auto* text : {&identity.primary_key, &identity.secondary_key,
                           &identity.primary_thumbprint, &identity.secondary_thumbprint}) {
    add_text(out, *text);
  }
  out += static_cast<char>(identity.iot_edge ? 1 : 0);
  add_text(out, identity.device_scope);
  return out;
}

inline Bytes plain_policy(const Policy& policy) {
  Bytes out("\1");
  add_text(out, policy.name);
  ByteWriter(out).number(policy.rights);
  add_text(out, policy.primary_key);
  add_text(out, policy.secondary_key);
  return out;
}

}  // namespace linarite::hub
