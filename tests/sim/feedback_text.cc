#include "sim/feedback_text.h"

#include <boost/json.hpp>

namespace linarite::sim {
namespace {

std::optional<hub::Outcome> outcome_of(std::string_view word) {
  if (word == "Success") return hub::Outcome::kSuccess;
  if (word == "Expired") return hub::Outcome::kExpired;
  if (word == "DeliveryCountExceeded") return hub::Outcome::kDeliveryCountExceeded;
  if (word == "Rejected") return hub::Outcome::kRejected;
  if (word == "Purged") return hub::Outcome::kPurged;
  return std::nullopt;
}

std::optional<std::string> field(const boost::json::object& record, std::string_view name) {
  const auto* value = record.if_contains(boost::json::string_view(name.data(), name.size()));
  if (value == nullptr || !value->is_string()) return std::nullopt;
  return std::string(value->as_string().c_str());
}

}  // namespace

std::optional<hub::FeedbackBatch> parse_feedback(std::string_view text) {
  boost::json::error_code error;
  const auto json = boost::json::parse(boost::json::string_view(text.data(), text.size()), error);
  if (error || !json.is_array()) return std::nullopt;
  hub::FeedbackBatch batch;
  for (const auto& value : json.as_array()) {
    if (!value.is_object()) return std::nullopt;
    const auto id = field(value.as_object(), "originalMessageId");
    const auto outcome = outcome_of(field(value.as_object(), "statusCode").value_or(""));
    if (!id || !outcome) return std::nullopt;
    batch.records.push_back({.original_message_id = *id, .outcome = *outcome});
  }
  return batch;
}

}  // namespace linarite::sim
