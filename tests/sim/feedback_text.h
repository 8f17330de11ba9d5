// Feedback as it stands in a message or a response: a JSON array of records.
#pragma once

#include <optional>
#include <string_view>

#include "hub/feedback.h"

namespace linarite::sim {

// Message ids and outcomes; nothing if the text is anything else than it must be.
std::optional<hub::FeedbackBatch> parse_feedback(std::string_view text);

}  // namespace linarite::sim
