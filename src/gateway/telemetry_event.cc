#include "gateway/telemetry_event.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "amqp/encoder.h"
#include "amqp/message.h"
#include "base/text.h"
#include "hub/event_block.h"

namespace linarite::gateway {
namespace {

using System = wire::PropertyBag::System;

// Map entries without the map around them.
class Entries {
 public:
  explicit Entries(Bytes& out) : encoder_(out) {}

  void text(std::string_view key, std::string_view value) {
    encoder_.symbol(key);
    encoder_.string(value);
    ++count_;
  }
  void text_if(std::string_view key, const std::optional<std::string>& value) {
    if (value) text(key, *value);
  }
  void time(std::string_view key, WallTime value) {
    encoder_.symbol(key);
    encoder_.timestamp(value.time_since_epoch().count());
    ++count_;
  }
  uint32_t count() const { return count_; }

 private:
  amqp::Encoder encoder_;
  uint32_t count_ = 0;
};

size_t size_of(const Telemetry& telemetry) {
  const System& system = telemetry.bag.system;
  size_t size = telemetry.body.size();
  for (const auto* value :
       {&system.message_id, &system.correlation_id, &system.user_id, &system.to,
        &system.content_type, &system.content_encoding, &system.expiry, &system.output_name,
        &system.creation_time, &system.interface_id, &system.component, &system.message_schema,
        &system.diagnostic_id, &system.diagnostic_context, &system.ack, &system.operation}) {
    if (*value) size += (*value)->size();
  }
  for (const auto& [name, value] : telemetry.bag.properties) size += name.size() + value.size();
  return size;
}

// What the message itself says in its annotations (device-protocol 9.2).
void put_annotations(Entries& entries, const Telemetry& telemetry) {
  const System& system = telemetry.bag.system;
  entries.time("iothub-enqueuedtime", telemetry.taken);
  entries.text_if("dt-subject", system.component);
  entries.text_if("iothub-interface-id", system.interface_id);
  entries.text_if("iothub-creation-time-utc", system.creation_time);
  entries.text_if("iothub-message-schema", system.message_schema);
  entries.text_if("Diagnostic-Id", system.diagnostic_id);
  entries.text_if("Correlation-Context", system.diagnostic_context);
}

void put_properties(System& system, Bytes& out) {
  amqp::Properties properties;
  if (system.message_id) properties.message_id = amqp::Value::string(*std::move(system.message_id));
  if (system.correlation_id) {
    properties.correlation_id = amqp::Value::string(*std::move(system.correlation_id));
  }
  properties.user_id = std::move(system.user_id);
  properties.to = std::move(system.to);
  properties.content_type = std::move(system.content_type);
  properties.content_encoding = std::move(system.content_encoding);
  const auto expiry = system.expiry ? parse_iso8601(*system.expiry) : std::nullopt;
  if (expiry) properties.absolute_expiry_time_ms = expiry->time_since_epoch().count();
  if (!properties.empty()) amqp::write_properties(properties, out);
}

using Named = std::vector<std::pair<std::string, std::string>>;

void set(Named& properties, std::string_view name, std::string value) {
  const auto found = std::ranges::find(properties, name, &Named::value_type::first);
  if (found == properties.end()) {
    properties.emplace_back(name, std::move(value));
  } else {
    found->second = std::move(value);
  }
}

// The device's own and those by which the hub tells how the message came (device-protocol 1.8).
void put_application_properties(Telemetry& telemetry, Bytes& out) {
  Named& properties = telemetry.bag.properties;
  System& system = telemetry.bag.system;
  if (system.output_name) set(properties, "iothub-outputname", *std::move(system.output_name));
  if (system.ack) set(properties, "iothub-ack", *std::move(system.ack));
  if (system.operation) set(properties, "iothub-operation", *std::move(system.operation));
  if (telemetry.retain) set(properties, "mqtt-retain", "true");
  if (telemetry.will) set(properties, "iothub-MessageType", "Will");
  if (properties.empty()) return;
  amqp::Encoder encoder(out);
  encoder.descriptor(static_cast<uint64_t>(amqp::Section::kApplicationProperties));
  const auto map = encoder.open_map();
  for (const auto& [name, value] : properties) {
    encoder.string(name);
    encoder.string(value);
  }
  encoder.close(map);
}

}  // namespace

TelemetryEncoder::TelemetryEncoder(const TelemetrySender& sender) {
  Entries entries(sender_annotations_);
  entries.text("iothub-connection-device-id", sender.device_id);
  entries.text("iothub-connection-auth-method",
               fmt::format(R"({{"scope":"{}","type":"sas","issuer":"iothub",)"
                           R"("acceptingIpFilterRule":null}})",
                           sender.by_policy ? "hub" : "device"));
  entries.text("iothub-connection-auth-generation-id", sender.generation_id);
  entries.text("iothub-message-source", "Telemetry");
  if (!sender.model_id.empty()) entries.text("dt-dataschema", sender.model_id);
  sender_annotation_count_ = entries.count();
}

Result<hub::NewEvent> TelemetryEncoder::encode(Telemetry telemetry) const {
  const auto too_large = [] {
    return fail(ErrorCode::kMessageTooLarge, "the message is larger than 256 KB");
  };
  const size_t size = size_of(telemetry);
  if (size > kTelemetrySizeMax) return too_large();
  hub::NewEvent event;
  event.annotations = sender_annotations_;
  Entries entries(event.annotations);
  put_annotations(entries, telemetry);
  event.annotation_count = sender_annotation_count_ + entries.count();
  event.sections.reserve(size + 128);
  put_properties(telemetry.bag.system, event.sections);
  put_application_properties(telemetry, event.sections);
  amqp::write_data(telemetry.body, event.sections);
  if (event.annotations.size() > hub::kEventAnnotationsSizeMax ||
      event.sections.size() > hub::kEventSectionsSizeMax) {
    return too_large();
  }
  return event;
}

}  // namespace linarite::gateway
