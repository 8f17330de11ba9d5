#include "hub/stand_in_policy.h"

#include "base/base64.h"

namespace linarite::hub {

const Policy& stand_in_policy() {
  static const std::string key = base64_encode(Bytes(kGeneratedKeySize, '\0'));
  static const Policy made{.name = {}, .rights = 0, .primary_key = key, .secondary_key = key};
  return made;
}

}  // namespace linarite::hub
