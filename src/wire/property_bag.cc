#include "wire/property_bag.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <unordered_map>

#include "base/text.h"
#include "wire/percent.h"

namespace linarite::wire {
namespace {

using System = PropertyBag::System;

struct SystemName {
  std::string_view name;
  std::optional<std::string> System::* field;
};

constexpr std::array kSystemNames = std::to_array<SystemName>({
    {"$.mid", &System::message_id},
    {"$.cid", &System::correlation_id},
    {"$.uid", &System::user_id},
    {"$.to", &System::to},
    {"$.ct", &System::content_type},
    {"$.ce", &System::content_encoding},
    {"$.exp", &System::expiry},
    {"$.on", &System::output_name},
    {"$.ctime", &System::creation_time},
    {"$.ifid", &System::interface_id},
    {"$.sub", &System::component},
    {"$.schema", &System::message_schema},
    {"$.diagid", &System::diagnostic_id},
    {"$.diagctx", &System::diagnostic_context},
    {"iothub-ack", &System::ack},
    {"iothub-operation", &System::operation},
});

bool is_stamped_by_hub(std::string_view name) {
  constexpr std::string_view kConnection = "iothub-connection-";
  return name == "$.cdid" || name == "$.cmid" ||
         equal_ignoring_case(name.substr(0, kConnection.size()), kConnection);
}

std::optional<std::string>* system_field(System& system, std::string_view name) {
  const auto known = std::ranges::find(kSystemNames, name, &SystemName::name);
  return known == kSystemNames.end() ? nullptr : &(system.*known->field);
}

// Collects properties with the rule "last wins". The index keeps a bag of many names linear.
class BagBuilder {
 public:
  Status add(std::string name, std::string value) {
    if (name.empty() || is_stamped_by_hub(name)) return {};
    if (!is_utf8(name) || !is_utf8(value)) {
      return fail(ErrorCode::kArgumentInvalid, "a property is not UTF-8");
    }
    // Stands for the creation time and stays a property as well (device-protocol 1.11).
    if (name == "iothub-creation-time-utc") bag_.system.creation_time = value;
    if (auto* field = system_field(bag_.system, name)) {
      *field = std::move(value);
      return {};
    }
    const auto [place, is_new] = index_.try_emplace(name, bag_.properties.size());
    if (!is_new) {
      bag_.properties[place->second].second = std::move(value);
      return {};
    }
    if (bag_.properties.size() == kPropertyCountMax) {
      return fail(ErrorCode::kArgumentInvalid,
                  fmt::format("more than {} properties", kPropertyCountMax));
    }
    bag_.properties.emplace_back(std::move(name), std::move(value));
    return {};
  }

  PropertyBag take() { return std::move(bag_); }

 private:
  PropertyBag bag_;
  std::unordered_map<std::string, size_t> index_;
};

void append_item(std::string& out, std::string_view encoded_name,
                 const std::optional<std::string>& value) {
  if (!value || value->empty()) return;
  out += encoded_name;
  append_percent_encoded(out, *value);
  out += '&';
}

}  // namespace

Result<PropertyBag> parse_property_bag(std::string_view bag) {
  bag = bag.substr(0, bag.find('/'));
  BagBuilder builder;
  while (!bag.empty()) {
    const size_t end = std::min(bag.find('&'), bag.size());
    const std::string_view item = bag.substr(0, end);
    bag.remove_prefix(std::min(end + 1, bag.size()));
    const size_t equals = std::min(item.find('='), item.size());
    const std::string_view value = item.substr(std::min(equals + 1, item.size()));
    auto status = builder.add(percent_decoded(item.substr(0, equals)), percent_decoded(value));
    if (!status) return std::unexpected(std::move(status.error()));
  }
  return builder.take();
}

void append_c2d_bag(std::string& out, const C2dMessage& message, std::string_view default_to) {
  // Java finds the bag by its first "%24", so a system property must come first; `to` always
  // exists.
  if (message.expiry) append_item(out, "%24.exp=", iso8601(*message.expiry));
  append_item(out, "%24.mid=", message.message_id);
  out += "%24.to=";
  append_percent_encoded(out, message.to && !message.to->empty() ? *message.to : default_to);
  out += '&';
  append_item(out, "%24.cid=", message.correlation_id);
  append_item(out, "%24.uid=", message.user_id);
  append_item(out, "%24.ct=", message.content_type);
  append_item(out, "%24.ce=", message.content_encoding);
  if (message.ack) {
    out += "iothub-ack=";
    out += ack_word(*message.ack);
    out += '&';
  }
  for (const auto& [name, value] : message.properties) {
    append_percent_encoded(out, name);
    out += '=';
    append_percent_encoded(out, value);
    out += '&';
  }
  out.pop_back();
}

}  // namespace linarite::wire
