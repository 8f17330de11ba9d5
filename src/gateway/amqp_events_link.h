// A link on which a back end receives the events of one partition (service-protocol 4.5 to 4.10).
#pragma once

#include <deque>

#include "gateway/amqp_events_attach.h"
#include "gateway/amqp_link.h"

namespace linarite::gateway {

// What a link writes in one turn of the loop before others have theirs.
inline constexpr size_t kEventsBurstBytes = size_t{64} << 10U;
// Deliveries that the peer has not settled; beyond it the link settles the oldest itself, since
// outcomes have no effect on the log.
inline constexpr size_t kEventsUnsettledMax = 1024;

// Holds what one read of the log brings (hub::kEventReadBytes, or one block), and writes no more
// while much is unsent or the session's window is shut: a peer that does not read costs no memory
// that grows.
class AmqpEventsLink final : public AmqpLink {
 public:
  AmqpEventsLink(AmqpPeer& peer, amqp::LinkId id, EventsAttach attach)
      : AmqpLink(peer, id), attach_(std::move(attach)) {}
  ~AmqpEventsLink() override;

  std::optional<AmqpRight> right() const override { return attach_.right; }

  bool answers_later() const override { return true; }
  void on_requested() override;
  void shape(amqp::Connection::Acceptance& acceptance) const override;
  void on_attached() override;
  void on_credit(const amqp::CreditChanged& credit) override;
  void on_updated(const amqp::DeliveryUpdated& update) override;
  void on_writable() override;

 private:
  // Sends what there is, as far as credit, window and stream allow, and reads on.
  void pump();
  void read();
  void take(Result<hub::EventBlocks> blocks);
  // False if the link has to wait for something other than credit or events.
  bool send_burst();
  bool send_next();
  void settle_oldest();
  void encode(const hub::Event& event);
  void encode_runtime_metrics();
  void end_drain();

  const EventsAttach attach_;
  hub::EventReceiverId receiver_ = 0;
  hub::EventWatchId watch_ = 0;
  uint64_t next_ = 0;  // The event to be sent next.
  // The blocks that were read and not sent, last first. The last here has the next event.
  hub::EventBlocks blocks_;
  hub::EventLogState log_{};   // As of the read, for the runtime metrics.
  std::deque<uint32_t> sent_;  // Delivery-ids that may be unsettled, oldest first.
  Bytes payload_;
  bool pumping_ = false;
  bool reading_ = false;
  bool more_ = false;    // Events became durable since the read at hand began.
  bool at_end_ = false;  // The last read found nothing.
  bool draining_ = false;
  bool wants_room_ = false;
  bool wants_settlement_ = false;
};

}  // namespace linarite::gateway
