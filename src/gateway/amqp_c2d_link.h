// A link on which a back end sends cloud-to-device messages (service-protocol 2).
#pragma once

#include "gateway/amqp_link.h"
#include "wire/address.h"
#include "wire/c2d_message.h"

namespace linarite::gateway {

inline constexpr uint32_t kC2dCredit = 100;

// A message is accepted only after the hub has made it durable; until then it takes a place of the
// credit, so a sender that is faster than the store is slowed down.
class AmqpC2dLink final : public AmqpLink {
 public:
  using AmqpLink::AmqpLink;

  static AmqpRight needed_right() {
    return {hub::Action::kSendMessage, hub::Resource::c2d_sender()};
  }
  std::optional<AmqpRight> right() const override { return needed_right(); }

  void on_attached() override;
  void on_message(const amqp::MessageReceived& message) override;

 private:
  // A delivery that is with the hub.
  struct Pending {
    uint32_t delivery_id;
    bool settled;
  };
  Result<wire::C2dMessage> read(const amqp::MessageReceived& message,
                                wire::AddressedIdentity& target) const;
  void send(Pending pending, std::string device_id, wire::C2dMessage message,
            std::optional<std::string> second_id);
  void answer(Pending pending, const Status& status);
  void top_up();

  std::string policy_;  // Whose allowance the messages take.
  uint32_t pending_ = 0;
};

}  // namespace linarite::gateway
