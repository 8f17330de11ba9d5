#include "cli/message_arguments.h"

#include <algorithm>
#include <string>

#include "cli/files.h"
#include "cli/output.h"

namespace linarite::cli {

Outcome<property_list> parse_properties(std::string_view text) {
  property_list out;
  while (!text.empty()) {
    const std::string_view item = text.substr(0, text.find(';'));
    text.remove_prefix(std::min(text.size(), item.size() + 1));
    if (item.empty()) continue;
    const size_t equals = item.find('=');
    if (equals == std::string_view::npos || equals == 0) {
      return misused("--properties: '" + one_line(item) + "' is not key=value");
    }
    out.append(std::string(item.substr(0, equals)), std::string(item.substr(equals + 1)));
  }
  return out;
}

std::string_view text_body(const Arguments& arguments) {
  if (arguments.message_body) return *arguments.message_body;
  if (!arguments.data.empty()) return arguments.data.front();
  return "Ping from the Linarite command line";
}

Outcome<Bytes> read_message_body(const Arguments& arguments) {
  if (arguments.data_file) return read_file(*arguments.data_file, kBodySizeMax);
  return Bytes(text_body(arguments));
}

}  // namespace linarite::cli
