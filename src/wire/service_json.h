// Small JSON answers of the service API: statistics, purge (service-protocol 5.8) and delivery
// feedback (3.1).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "wire/device_id.h"

namespace linarite::wire {

// GET /statistics/devices.
std::string device_statistics_json(uint64_t total, uint64_t enabled, uint64_t disabled);
// GET /statistics/service.
std::string service_statistics_json(uint64_t connected);
// DELETE /devices/{d}/commands; both ids must be UTF-8.
std::string purge_json(uint64_t messages_purged, const Identity& identity);

inline constexpr std::string_view kFeedbackContentType =
    "application/vnd.microsoft.iothub.feedback.json";
inline constexpr size_t kFeedbackJsonSizeMax = 262144;  // bytes a reader accepts
inline constexpr size_t kFeedbackRecordsMax = 1024;     // records a reader accepts

enum class FeedbackStatus : uint8_t {
  kSuccess,
  kExpired,
  kDeliveryCountExceeded,
  kRejected,
  kPurged
};
// Success, Expired, DeliveryCountExceeded, Rejected, Purged.
std::string_view feedback_word(FeedbackStatus status);

struct FeedbackRecord {
  std::string original_message_id;  // empty if the message had none
  WallTime enqueued;                // when the outcome was decided
  FeedbackStatus status = FeedbackStatus::kSuccess;
  std::string device_id;
  std::string device_generation_id;
  std::string module_id;  // empty for a device; then not written

  bool operator==(const FeedbackRecord&) const = default;
};

// The body of one feedback message: an array. All text must be UTF-8.
std::string feedback_json(std::span<const FeedbackRecord> records);

// Reads such a body, for receivers. Member names and status words ignore case. Fails with 413000,
// 400006 (see parse_json), or 400004 when it is no array of at most kFeedbackRecordsMax records
// with a device id, a known status and a time.
Result<std::vector<FeedbackRecord>> parse_feedback(std::string_view json);

}  // namespace linarite::wire
