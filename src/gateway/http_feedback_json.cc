#include "gateway/http_feedback_json.h"

#include <boost/json.hpp>

#include "base/text.h"

namespace linarite::gateway {
namespace {

std::string_view outcome_word(hub::Outcome outcome) {
  switch (outcome) {
    case hub::Outcome::kSuccess:
      return "Success";
    case hub::Outcome::kExpired:
      return "Expired";
    case hub::Outcome::kDeliveryCountExceeded:
      return "DeliveryCountExceeded";
    case hub::Outcome::kRejected:
      return "Rejected";
    case hub::Outcome::kPurged:
      return "Purged";
  }
  return "Rejected";
}

}  // namespace

std::string feedback_json(const hub::FeedbackBatch& batch) {
  boost::json::array records;
  for (const hub::FeedbackRecord& record : batch.records) {
    const std::string_view word = outcome_word(record.outcome);
    const boost::json::string_view outcome(word.data(), word.size());
    // The C client reads the description, the others the status: both are the same word.
    records.push_back(boost::json::object{{"originalMessageId", record.original_message_id},
                                          {"description", outcome},
                                          {"deviceGenerationId", record.device_generation_id},
                                          {"deviceId", record.device_id},
                                          {"enqueuedTimeUtc", iso8601(record.enqueued)},
                                          {"statusCode", outcome}});
  }
  return boost::json::serialize(records);
}

}  // namespace linarite::gateway
