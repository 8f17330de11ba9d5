#include "wire/service_json.h"

#include <fmt/format.h>

#include <array>
#include <boost/json/array.hpp>
#include <optional>

#include "base/text.h"
#include "wire/json_text.h"

namespace linarite::wire {
namespace {

constexpr std::array<std::string_view, 5> kWords{"Success", "Expired", "DeliveryCountExceeded",
                                                 "Rejected", "Purged"};

std::optional<FeedbackStatus> status_of(std::string_view word) {
  for (size_t i = 0; i < kWords.size(); ++i) {
    if (equal_ignoring_case(kWords[i], word)) return static_cast<FeedbackStatus>(i);
  }
  return std::nullopt;
}

Result<FeedbackRecord> read_record(const boost::json::value& value) {
  const boost::json::object* object = value.if_object();
  if (object == nullptr) {
    return fail(ErrorCode::kArgumentInvalid, "a feedback record must be an object");
  }
  JsonReader reader(*object, "feedback.");
  FeedbackRecord out;
  out.original_message_id = reader.text("originalMessageId").value_or("");
  const auto enqueued = parse_iso8601(reader.text("enqueuedTimeUtc").value_or(""));
  const auto status = status_of(reader.text("statusCode").value_or(""));
  out.device_id = reader.text("deviceId").value_or("");
  out.device_generation_id = reader.text("deviceGenerationId").value_or("");
  out.module_id = reader.text("moduleId").value_or("");
  if (reader.error()) return std::unexpected(*reader.error());
  if (!enqueued) return fail(ErrorCode::kArgumentInvalid, "feedback.enqueuedTimeUtc is no time");
  if (!status) return fail(ErrorCode::kArgumentInvalid, "feedback.statusCode is not known");
  if (out.device_id.empty())
    return fail(ErrorCode::kArgumentInvalid, "feedback.deviceId is missing");
  out.enqueued = *enqueued;
  out.status = *status;
  return out;
}

}  // namespace

std::string device_statistics_json(uint64_t total, uint64_t enabled, uint64_t disabled) {
  return fmt::format(
      R"({{"totalDeviceCount":{},"enabledDeviceCount":{},"disabledDeviceCount":{}}})", total,
      enabled, disabled);
}

std::string service_statistics_json(uint64_t connected) {
  return fmt::format(R"({{"connectedDeviceCount":{}}})", connected);
}

std::string purge_json(uint64_t messages_purged, const Identity& identity) {
  return fmt::format(R"({{"totalMessagesPurged":{},"deviceId":{},"moduleId":{}}})", messages_purged,
                     json_string(identity.device_id),
                     identity.is_module() ? json_string(identity.module_id) : "null");
}

std::string_view feedback_word(FeedbackStatus status) {
  return kWords[static_cast<size_t>(status)];
}

std::string feedback_json(std::span<const FeedbackRecord> records) {
  std::string out = "[";
  for (const FeedbackRecord& record : records) {
    if (out.size() > 1) out += ',';
    // The C SDK reads only `description`, the others only `statusCode`: both hold the same word.
    out += fmt::format(
        R"({{"originalMessageId":{},"enqueuedTimeUtc":"{}","statusCode":"{}","description":"{}",)"
        R"("deviceId":{},"deviceGenerationId":{})",
        json_string(record.original_message_id), iso8601(record.enqueued),
        feedback_word(record.status), feedback_word(record.status), json_string(record.device_id),
        json_string(record.device_generation_id));
    if (!record.module_id.empty()) out += ",\"moduleId\":" + json_string(record.module_id);
    out += '}';
  }
  return out + "]";
}

Result<std::vector<FeedbackRecord>> parse_feedback(std::string_view json) {
  const auto value = parse_json(json, {.size_max = kFeedbackJsonSizeMax});
  if (!value) return std::unexpected(value.error());
  const boost::json::array* array = value->if_array();
  if (array == nullptr || array->size() > kFeedbackRecordsMax) {
    return fail(
        ErrorCode::kArgumentInvalid,
        fmt::format("feedback must be an array of at most {} records", kFeedbackRecordsMax));
  }
  std::vector<FeedbackRecord> out;
  for (const boost::json::value& item : *array) {
    auto record = read_record(item);
    if (!record) return std::unexpected(std::move(record.error()));
    out.push_back(*std::move(record));
  }
  return out;
}

}  // namespace linarite::wire
