// Percent encoding (RFC 3986, 2.1) as Azure IoT Hub uses it in topics, addresses and tokens. It is
// not form encoding: '+' is a plus, a space is %20.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace linarite::wire {

// Appends `text` with every byte but A-Z a-z 0-9 - . _ ~ as upper-case %XX (device-protocol 1.11).
// Appends at most three times the size of `text`.
void append_percent_encoded(std::string& out, std::string_view text);
std::string percent_encoded(std::string_view text);

// Decodes %XX, with hex digits of either case, once. A '%' that two hex digits do not follow stands
// for itself. The result may be any bytes and is never longer than `text`.
std::string percent_decoded(std::string_view text);

// The same, but nothing when a '%' is not followed by two hex digits.
std::optional<std::string> percent_decoded_strictly(std::string_view text);

}  // namespace linarite::wire
