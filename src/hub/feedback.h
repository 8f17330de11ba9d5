// Delivery feedback: what becomes of messages whose sender asked (service-protocol 3).
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/time.h"

namespace linarite::hub {

inline constexpr size_t kFeedbackBatchMax = 64;  // Records in one message to a receiver.

// The values are stored: never renumber.
enum class Outcome : uint8_t {
  kSuccess = 0,
  kExpired = 1,
  kDeliveryCountExceeded = 2,
  kRejected = 3,
  kPurged = 4,
};

struct FeedbackRecord {
  std::string original_message_id;
  WallTime enqueued;  // When the outcome was decided.
  Outcome outcome = Outcome::kSuccess;
  std::string device_id;
  std::string device_generation_id;
  bool operator==(const FeedbackRecord&) const = default;
};

// Names one delivery of one batch: 16 bytes in the order they go on the wire as a delivery tag.
using FeedbackToken = std::array<uint8_t, 16>;

struct FeedbackBatch {
  FeedbackToken token{};
  WallTime enqueued;  // Of the youngest record.
  std::vector<FeedbackRecord> records;
};

// How a receiver ends a batch: removed; offered again (delivery count raised); dropped.
enum class FeedbackSettlement : uint8_t { kAccept, kRelease, kReject };

}  // namespace linarite::hub
