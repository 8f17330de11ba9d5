// Base64 (RFC 4648, 4) with padding. Decoding is strict: no blanks, no URL alphabet, no missing or
// misplaced padding, no stray bits; anything else is nothing.
#pragma once

#include <optional>
#include <string>

#include "base/bytes.h"

namespace linarite {

std::string base64_encode(ByteView bytes);
std::optional<Bytes> base64_decode(std::string_view text);

}  // namespace linarite
