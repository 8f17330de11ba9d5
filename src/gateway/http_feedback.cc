// Delivery feedback over REST (service-protocol 3.2).
#include <algorithm>
#include <charconv>
#include <utility>

#include "base/text.h"
#include "gateway/http_call.h"
#include "gateway/http_feedback_json.h"

namespace linarite::gateway {
namespace {

// A lock token is shown as 32 hexadecimal digits.
std::string token_text(const hub::FeedbackToken& token) {
  return hex_text({reinterpret_cast<const char*>(token.data()), token.size()});
}

std::optional<hub::FeedbackToken> parse_token(std::string_view text) {
  hub::FeedbackToken token;
  if (text.size() != 2 * token.size()) return std::nullopt;
  for (size_t i = 0; i < token.size(); ++i) {
    const char* const begin = text.data() + 2 * i;
    const auto [stop, error] = std::from_chars(begin, begin + 2, token[i], 16);
    if (error != std::errc() || stop != begin + 2) return std::nullopt;
  }
  return token;
}

void settle(HttpCall call, hub::FeedbackSettlement how) {
  const auto token = parse_token(call.id);
  if (!token) return call.done(fail(ErrorCode::kDeviceMessageLockLost));
  call.hub.settle_feedback(*token, how,
                           {call.loop, [done = std::move(call.done)](Status status) mutable {
                              if (!status) return done(std::unexpected(status.error()));
                              done(empty_response(204));
                            }});
}

}  // namespace

void receive_feedback(HttpCall call) {
  call.hub.receive_feedback(
      {call.loop, [done = std::move(call.done)](std::optional<hub::FeedbackBatch> batch) mutable {
         if (!batch) return done(empty_response(204));
         http::Response response = json_response(feedback_json(*batch));
         const std::string token = token_text(batch->token);
         response.headers.add("iothub-messagelocktoken", token);
         response.headers.add("ETag", "\"" + token + "\"");
         done(std::move(response));
       }});
}

void complete_feedback(HttpCall call) { settle(std::move(call), hub::FeedbackSettlement::kAccept); }

void abandon_feedback(HttpCall call) { settle(std::move(call), hub::FeedbackSettlement::kRelease); }

}  // namespace linarite::gateway
