// What the flags of commands that send a message say about it.
#pragma once

#include <linarite/message.h>

#include <string_view>

#include "base/bytes.h"
#include "cli/arguments.h"
#include "cli/failure.h"

namespace linarite::cli {

// Of one message that is read from a file. The hub allows less, and says how much.
inline constexpr size_t kBodySizeMax = size_t{1} << 20U;

// "key=value;key=value"
Outcome<property_list> parse_properties(std::string_view text);

// --da, else --data, else a greeting. --data-file-path is read_message_body()'s.
std::string_view text_body(const Arguments& arguments);
// The file of --data-file-path, else the text.
Outcome<Bytes> read_message_body(const Arguments& arguments);

}  // namespace linarite::cli
