#include "gateway/amqp_c2d_link.h"

#include <prometheus/counter.h>

#include <utility>

#include "base/mutation.h"
#include "gateway/amqp_c2d_message.h"
#include "gateway/amqp_error.h"

namespace linarite::gateway {

void AmqpC2dLink::on_attached() {
  const AmqpRight right = needed_right();
  policy_ = peer_.claims.policy_for(right.action, right.resource);
  peer_.engine.grant_credit(id_, kC2dCredit);
}

void AmqpC2dLink::on_message(const amqp::MessageReceived& received) {
  const Pending pending{received.delivery_id, received.settled};
  ++pending_;
  if (peer_.hub.throttles().send(policy_, peer_.loop.clock().now()) > Duration::zero()) {
    return answer(pending, fail(ErrorCode::kThrottlingException, "too many messages"));
  }
  wire::AddressedIdentity target;
  auto message = read(received, target);
  if (!message) return answer(pending, std::unexpected(message.error()));
  std::optional<std::string> second;
  if (target.decoded != target.raw) second = std::move(target.decoded.device_id);
  send(pending, std::move(target.raw.device_id), *std::move(message), std::move(second));
}

Result<wire::C2dMessage> AmqpC2dLink::read(const amqp::MessageReceived& received,
                                           wire::AddressedIdentity& target) const {
  amqp::MessageView view;
  if (const auto status = amqp::read_message(received.payload, view); !status) {
    return fail(ErrorCode::kDeserializationError, status.error().message);
  }
  auto to = wire::parse_c2d_to(view.properties.to.value_or(""));
  if (!to) return std::unexpected(to.error());
  if (to->raw.is_module()) return fail(ErrorCode::kModuleNotFound, "no module has this id");
  target = *std::move(to);
  auto message = c2d_message_of(view);
  if (!message) return message;
  if (const auto status = wire::check_c2d_message(*message); !status) {
    return std::unexpected(status.error());
  }
  return message;
}

// An id in `to` comes raw or percent-encoded: the raw form is looked up first
// (service-protocol 2.2).
void AmqpC2dLink::send(Pending pending, std::string device_id, wire::C2dMessage message,
                       std::optional<std::string> second_id) {
  std::optional<wire::C2dMessage> again;
  if (second_id) again = message;
  peer_.hub.send(
      std::move(device_id), std::move(message),
      {peer_.loop, guarded([this, pending, again = std::move(again),
                            second_id = std::move(second_id)](Result<uint64_t> sent) mutable {
         if (!sent && sent.error().code == ErrorCode::kDeviceNotFound && again) {
           return send(pending, *std::move(second_id), *std::move(again), std::nullopt);
         }
         answer(pending, sent ? Status() : std::unexpected(sent.error()));
       })});
}

void AmqpC2dLink::answer(Pending pending, const Status& status) {
  --pending_;
  (status ? peer_.metrics.messages_accepted : peer_.metrics.messages_rejected).Increment();
  if (!pending.settled) {
    const bool taken = status || mutated(Mutation::kRefusalAccepted);
    const auto state =
        taken ? amqp::DeliveryState::accepted()
              : amqp::DeliveryState::rejected(amqp_send_error(status.error(), peer_.hub));
    peer_.engine.settle(id_, pending.delivery_id, state);
  }
  top_up();
}

// Credit and messages with the hub together never exceed kC2dCredit. Credit is given in quarters,
// so that a busy sender does not cost a flow frame for each message.
void AmqpC2dLink::top_up() {
  const uint32_t wanted = kC2dCredit - pending_;
  const uint32_t now = peer_.engine.credit(id_);
  if (wanted <= now || (pending_ != 0 && wanted - now < kC2dCredit / 4)) return;
  if (now > kC2dCredit / 2) return;
  peer_.engine.grant_credit(id_, wanted);
}

}  // namespace linarite::gateway
