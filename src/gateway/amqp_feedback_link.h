// A link on which a back end receives delivery feedback (service-protocol 3.1).
#pragma once

#include <map>

#include "gateway/amqp_link.h"
#include "hub/feedback.h"

namespace linarite::gateway {

// Its credit is the hub's credit. Batches that are unsettled when the link goes are offered again.
class AmqpFeedbackLink final : public AmqpLink {
 public:
  // `settled`: the peer wants batches settled as they are sent; they are then given at most once.
  AmqpFeedbackLink(AmqpPeer& peer, amqp::LinkId id, bool settled);
  ~AmqpFeedbackLink() override;

  static AmqpRight needed_right() {
    return {hub::Action::kReceiveFeedback, hub::Resource::feedback()};
  }
  std::optional<AmqpRight> right() const override { return needed_right(); }

  void on_attached() override;
  void on_credit(const amqp::CreditChanged& credit) override;
  void on_updated(const amqp::DeliveryUpdated& update) override;

 private:
  void match_credit();
  void drain();
  void poll();
  // `polled`: taken without the receiver's credit, and so not given back with it.
  void send(const hub::FeedbackBatch& batch, bool polled);
  void settle(const hub::FeedbackToken& token, hub::FeedbackSettlement how);
  void answer(uint32_t delivery_id, const Status& status);

  struct Unsettled {
    hub::FeedbackToken token;
    bool polled;
  };
  const bool settled_on_sending_;
  const hub::Hub::ReceiverId receiver_;
  uint32_t asked_ = 0;  // Batches the hub may still send.
  bool draining_ = false;
  std::map<uint32_t, Unsettled> unsettled_;  // By delivery-id.
};

}  // namespace linarite::gateway
