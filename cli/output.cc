#include "cli/output.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <map>
#include <vector>

#include "base/text.h"

namespace linarite::cli {
namespace {

namespace json = boost::json;

// Boost writes every double with an exponent.
std::string scalar(const json::value& value) {
  const auto* const number = value.if_double();
  return number == nullptr ? json::serialize(value) : fmt::format("{}", *number);
}

using SortedMembers = std::map<std::string_view, const json::value*>;

SortedMembers sorted(const json::object& object) {
  SortedMembers out;
  for (const auto& member : object) {
    out.emplace(std::string_view(member.key().data(), member.key().size()), &member.value());
  }
  return out;
}

// Values come from wire::parse_json, which bounds their depth, so recursion here is bounded too.
// An indent of nothing keeps everything on one line.
void write_json(std::string& out, const json::value& value, std::optional<size_t> indent) {
  const auto inner = indent ? std::optional(*indent + 2) : std::nullopt;
  const auto line = [&](std::optional<size_t> width) {
    if (width) out.append("\n").append(*width, ' ');
  };
  const std::string_view comma = indent ? "," : ", ";
  bool first = true;
  const auto next = [&] {
    if (!first) out += comma;
    first = false;
    line(inner);
  };
  if (const auto* object = value.if_object(); object != nullptr && !object->empty()) {
    out += '{';
    for (const auto& [name, member] : sorted(*object)) {
      next();
      out += json::serialize(json::string(name.data(), name.size())) + ": ";
      write_json(out, *member, inner);
    }
    line(indent);
    out += '}';
  } else if (const auto* array = value.if_array(); array != nullptr && !array->empty()) {
    out += '[';
    for (const json::value& element : *array) {
      next();
      write_json(out, element, inner);
    }
    line(indent);
    out += ']';
  } else {
    out += scalar(value);
  }
}

std::string without_control_characters(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c == '\t' || c == '\n' || c == '\r') {
      c = ' ';
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      c = '?';
    }
  }
  return out;
}

// az is Python, and so are its words for what is neither text nor number.
std::string plain(const json::value& value) {
  if (const auto* text = value.if_string()) {
    return without_control_characters({text->data(), text->size()});
  }
  if (const auto* yes = value.if_bool()) return *yes ? "True" : "False";
  if (value.is_null()) return "None";
  return scalar(value);
}

std::string tsv_cell(const json::value& value) {
  if (const auto* array = value.if_array()) return std::to_string(array->size());
  return value.is_object() ? std::string() : plain(value);
}

std::string tsv_row(const json::value& value) {
  std::string out;
  auto add = [&, first = true](const json::value& cell) mutable {
    if (!first) out += '\t';
    first = false;
    out += tsv_cell(cell);
  };
  if (const auto* object = value.if_object()) {
    for (const auto& [name, member] : sorted(*object)) add(*member);
  } else if (const auto* array = value.if_array()) {
    for (const json::value& element : *array) add(element);
  } else if (const auto* yes = value.if_bool()) {
    out = *yes ? "true" : "false";
  } else {
    out = plain(value);
  }
  return out + "\n";
}

bool is_column(std::string_view name, const json::value& value) {
  if (name == "id" || name == "type" || name == "etag") return false;
  return !value.is_null() && !value.is_object() && !value.is_array();
}

using Row = std::map<std::string, std::string>;

Row table_row(const json::value& value) {
  Row out;
  const auto* object = value.if_object();
  if (object == nullptr) return {{"Result", plain(value)}};
  for (const auto& member : *object) {
    std::string name(member.key());
    if (!is_column(name, member.value())) continue;
    if (!name.empty() && name[0] >= 'a' && name[0] <= 'z') {
      name[0] = static_cast<char>(name[0] - 'a' + 'A');
    }
    out[without_control_characters(name)] = plain(member.value());
  }
  return out;
}

// The width on a terminal, near enough: code points.
size_t width_of(std::string_view text) {
  return static_cast<size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

std::string table(const std::vector<const json::value*>& values) {
  std::vector<Row> rows;
  std::vector<std::pair<std::string, size_t>> columns;  // Name and width, in order of appearance.
  for (const json::value* value : values) {
    rows.push_back(table_row(*value));
    for (const auto& [name, cell] : rows.back()) {
      const auto found = std::ranges::find(columns, name, &std::pair<std::string, size_t>::first);
      const size_t width = std::max(width_of(name), width_of(cell));
      if (found == columns.end()) {
        columns.emplace_back(name, width);
      } else {
        found->second = std::max(found->second, width);
      }
    }
  }
  std::string out;
  const auto write_line = [&](const auto& cell_of) {
    std::string line;
    for (const auto& [name, width] : columns) {
      const std::string cell = cell_of(name, width);
      line += cell + std::string(width - width_of(cell) + 2, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  };
  if (columns.empty()) return out;
  write_line([](const std::string& name, size_t) { return name; });
  write_line([](const std::string&, size_t width) { return std::string(width, '-'); });
  for (const Row& row : rows) {
    write_line([&](const std::string& name, size_t) {
      const auto found = row.find(name);
      return found == row.end() ? std::string() : found->second;
    });
  }
  return out;
}

std::vector<const json::value*> elements(const json::value& result) {
  std::vector<const json::value*> out;
  if (const auto* array = result.if_array()) {
    for (const json::value& element : *array) out.push_back(&element);
  } else {
    out.push_back(&result);
  }
  return out;
}

}  // namespace

std::optional<OutputForm> parse_output_form(std::string_view word) {
  const std::string lower = ascii_lower(word);
  if (lower == "json" || lower == "jsonc") return OutputForm::kJson;
  if (lower == "tsv") return OutputForm::kTsv;
  if (lower == "table") return OutputForm::kTable;
  if (lower == "none") return OutputForm::kNone;
  return std::nullopt;
}

std::string format_result(const json::value& result, OutputForm form) {
  std::string out;
  if (result.is_null()) return out;
  switch (form) {
    case OutputForm::kJson:
      write_json(out, result, 0);
      return out + "\n";
    case OutputForm::kTsv:
      for (const json::value* element : elements(result)) out += tsv_row(*element);
      return out;
    case OutputForm::kTable:
      return table(elements(result));
    case OutputForm::kNone:
      return out;
  }
  return out;
}

std::string format_stream_item(const json::value& item, OutputForm form) {
  if (form != OutputForm::kJson) return format_result(item, form);
  std::string out;
  write_json(out, item, std::nullopt);
  return out + "\n";
}

std::string printable(std::string_view bytes) {
  if (is_utf8(bytes)) return std::string(bytes);
  std::string out;
  for (const char c : bytes) {
    if (static_cast<unsigned char>(c) < 0x80) {
      out += c;
    } else {
      out += "\xEF\xBF\xBD";
    }
  }
  return out;
}

std::string one_line(std::string_view text) { return without_control_characters(text); }

}  // namespace linarite::cli
