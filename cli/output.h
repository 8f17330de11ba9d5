// What a command prints, in az's forms (knack's output.py): JSON with sorted members and an indent
// of two, tab-separated values, or a table.
#pragma once

#include <boost/json/value.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace linarite::cli {

enum class OutputForm { kJson, kTsv, kTable, kNone };

// json, jsonc (the same: we print no colours), tsv, table, none; in any case.
std::optional<OutputForm> parse_output_form(std::string_view word);

// The text of a result with its line end; empty for kNone. A null result prints nothing.
//
// tsv: a line for each element of an array, else one; the values of an object in the order of its
// sorted names, nothing for an object and the count for an array in it.
// table: a header, a line of dashes, and the same lines; only members with a plain value, without
// `id`, `type` and `etag`. In both, control characters are shown as blanks or '?': no value of a
// device drives a terminal.
std::string format_result(const boost::json::value& result, OutputForm form);

// One line for one of many results that come over time: JSON without line breaks, else as above.
std::string format_stream_item(const boost::json::value& item, OutputForm form);

// Bytes as text for JSON. Of what is not UTF-8 every byte that is not ASCII becomes U+FFFD.
std::string printable(std::string_view bytes);

// The text without anything that would break out of its line.
std::string one_line(std::string_view text);

}  // namespace linarite::cli
