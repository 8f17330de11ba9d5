#include "gateway/amqp_cbs.h"

#include <string>

#include "base/text.h"

namespace linarite::gateway {
namespace {

constexpr std::string_view kSasTokenType = "servicebus.windows.net:sastoken";

std::optional<std::string_view> text_body(const amqp::MessageView& message) {
  ByteView bytes = message.body;
  amqp::ValueView value;
  if (message.body_kind != amqp::BodyKind::kValue || !amqp::read_value(bytes, value) ||
      value.type != amqp::Type::kString) {
    return std::nullopt;
  }
  return value.bytes;
}

}  // namespace

void AmqpCbs::handle(amqp::LinkId link, const amqp::MessageReceived& received) {
  Result<amqp::MessageView> view;
  const AmqpRequest request = replies_.take(link, received, view);
  const Status status = view ? put_token(*view) : Status(std::unexpected(view.error()));
  replies_.reply(request, status ? AmqpReply{} : AmqpReply::failure(status.error(), false));
  peer_.token_judged(status);
}

Status AmqpCbs::put_token(const amqp::MessageView& request) {
  if (!equal_ignoring_case(string_property(request, "operation").value_or(""), "put-token")) {
    return fail(ErrorCode::kArgumentInvalid, "the operation is not put-token");
  }
  const auto type = string_property(request, "type");
  const auto name = string_property(request, "name");
  const auto token = text_body(request);
  if (!type || !name || name->empty() || name->size() > kCbsTokenNameSizeMax) {
    return fail(ErrorCode::kArgumentInvalid, "type or name is missing");
  }
  if (!token) return fail(ErrorCode::kArgumentInvalid, "the body is not a string");
  if (equal_ignoring_case(*type, "bearer") || equal_ignoring_case(*type, "jwt")) {
    return fail(ErrorCode::kIotHubUnauthorizedAccess, "no token issuer is configured");
  }
  if (!equal_ignoring_case(*type, kSasTokenType)) {
    return fail(ErrorCode::kArgumentInvalid, "the token type is not supported");
  }
  return peer_.claims.put(std::string(*name), *token);
}

}  // namespace linarite::gateway
