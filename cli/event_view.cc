#include "cli/event_view.h"

#include <boost/json/object.hpp>

#include "base/text.h"
#include "wire/json_text.h"

namespace linarite::cli {
namespace {

namespace json = boost::json;

constexpr size_t kPayloadSizeMax = size_t{1} << 20U;  // A hub's messages are smaller.

std::string annotation(const event& one, std::string_view name) {
  for (const auto& [key, value] : one.annotations) {
    const auto* const text = std::get_if<std::string>(&value);
    if (key == name && text != nullptr) return printable(*text);
  }
  return "";
}

json::value payload(const event& one, std::string_view type) {
  const std::string text = printable(one.content.text());
  if (ascii_lower(type).find("application/json") != std::string::npos) {
    if (auto parsed = wire::parse_json(text, {.size_max = kPayloadSizeMax})) return *parsed;
  }
  return json::value(text);
}

json::object system_properties(const message& content) {
  json::object out;
  const auto add = [&](const char* name, const std::optional<std::string>& value) {
    if (value) out[name] = printable(*value);
  };
  add("message_id", content.message_id);
  add("user_id", content.user_id);
  add("to", content.to);
  add("correlation_id", content.correlation_id);
  add("content_type", content.content_type);
  add("content_encoding", content.content_encoding);
  if (content.expiry) out["absolute_expiry_time"] = content.expiry->time_since_epoch().count();
  return out;
}

json::object application_properties(const message& content) {
  json::object out;
  for (const auto& [name, value] : content.properties) out[printable(name)] = printable(value);
  return out;
}

json::object annotations_of(const event& one) {
  json::object out;
  for (const auto& [name, value] : one.annotations) {
    if (const auto* const text = std::get_if<std::string>(&value)) {
      out[printable(name)] = printable(*text);
    } else {
      out[printable(name)] = std::get<std::int64_t>(value);
    }
  }
  return out;
}

}  // namespace

// The last '*' takes one byte more each time that what follows it does not fit.
bool matches_id(std::string_view wanted, std::string_view id) {
  if (wanted.empty()) return true;
  size_t w = 0;
  size_t i = 0;
  size_t star = std::string_view::npos;
  size_t taken = 0;
  while (i < id.size()) {
    if (w < wanted.size() && wanted[w] == '*') {
      star = w++;
      taken = i;
    } else if (w < wanted.size() && (wanted[w] == '?' || wanted[w] == id[i])) {
      ++w;
      ++i;
    } else if (star != std::string_view::npos) {
      w = star + 1;
      i = ++taken;
    } else {
      return false;
    }
  }
  while (w < wanted.size() && wanted[w] == '*') ++w;
  return w == wanted.size();
}

std::string interface_of(const event& one) { return annotation(one, "dt-dataschema"); }

Outcome<EventView> EventView::of(const std::vector<std::string>& words, std::string content_type) {
  EventView out;
  out.content_type = std::move(content_type);
  for (const std::string& word : words) {
    const std::string lower = ascii_lower(word);
    const bool all = lower == "all";
    if (!all && lower != "sys" && lower != "app" && lower != "anno") {
      return misused("--properties: '" + one_line(word) + "' is not one of: all, anno, app, sys");
    }
    out.system = out.system || all || lower == "sys";
    out.application = out.application || all || lower == "app";
    out.annotations = out.annotations || all || lower == "anno";
  }
  return out;
}

json::value EventView::shown(const event& one, OutputForm form) const {
  const std::string type =
      content_type.empty() ? one.content.content_type.value_or("") : content_type;
  if (form != OutputForm::kJson) {
    return json::object{{"enqueued", iso8601(one.enqueued)},
                        {"origin", printable(one.device_id)},
                        {"partition", one.partition},
                        {"payload", printable(one.content.text())},
                        {"sequenceNumber", one.sequence_number}};
  }
  json::object out{{"origin", printable(one.device_id)},
                   {"module", printable(one.module_id)},
                   {"interface", interface_of(one)},
                   {"component", annotation(one, "dt-subject")},
                   {"payload", payload(one, type)}};
  if (annotations) out["annotations"] = annotations_of(one);
  if (system || application || annotations) {
    json::object properties;
    json::object of_system = system_properties(one.content);
    if (system && !of_system.empty()) properties["system"] = std::move(of_system);
    if (application) properties["application"] = application_properties(one.content);
    out["properties"] = std::move(properties);
  }
  return json::object{{"event", std::move(out)}};
}

}  // namespace linarite::cli
