// A batch of delivery feedback as the JSON array that receivers get (service-protocol 3.1): the
// body over REST, and the Data section over AMQP.
#pragma once

#include <string>

#include "hub/feedback.h"

namespace linarite::gateway {

std::string feedback_json(const hub::FeedbackBatch& batch);

}  // namespace linarite::gateway
