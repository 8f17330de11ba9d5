#include "gateway/amqp_feedback_link.h"

#include <prometheus/counter.h>

#include <algorithm>
#include <utility>

#include "amqp/message.h"
#include "gateway/amqp_error.h"
#include "gateway/http_feedback_json.h"

namespace linarite::gateway {
namespace {

constexpr const char* kContentType = "application/vnd.microsoft.iothub.feedback.json";

Bytes feedback_message(const hub::FeedbackBatch& batch, const hub::Hub& hub) {
  amqp::Message message;
  message.message_annotations =
      amqp::Value::map({amqp::Value::symbol("iothub-enqueuedtime"),
                        amqp::Value::timestamp(batch.enqueued.time_since_epoch().count())});
  message.properties.message_id = amqp::Value::string(hub.random().uuid());
  message.properties.user_id = Bytes(first_label(hub.options().host_names.front()));
  message.properties.content_type = kContentType;
  message.body_kind = amqp::BodyKind::kData;
  message.data.push_back(feedback_json(batch));
  Bytes out;
  amqp::write_message(message, out);
  return out;
}

hub::FeedbackSettlement settlement_of(const amqp::DeliveryState& state) {
  switch (state.kind) {
    case amqp::StateKind::kAccepted:
      return hub::FeedbackSettlement::kAccept;
    case amqp::StateKind::kRejected:
      return hub::FeedbackSettlement::kReject;
    default:  // Released, modified, or settled without saying how: offered again.
      return hub::FeedbackSettlement::kRelease;
  }
}

}  // namespace

AmqpFeedbackLink::AmqpFeedbackLink(AmqpPeer& peer, amqp::LinkId id, bool settled)
    : AmqpLink(peer, id),
      settled_on_sending_(settled),
      receiver_(peer.hub.open_feedback_receiver(peer.loop,
                                                guarded([this](const hub::FeedbackBatch& batch) {
                                                  if (asked_ > 0) --asked_;
                                                  send(batch, false);
                                                }))) {}

AmqpFeedbackLink::~AmqpFeedbackLink() {
  peer_.hub.close_feedback_receiver(receiver_);
  for (const auto& [id, unsettled] : unsettled_) {
    if (unsettled.polled) settle(unsettled.token, hub::FeedbackSettlement::kRelease);
  }
}

// Credit may have come before the attach was answered.
void AmqpFeedbackLink::on_attached() { match_credit(); }

void AmqpFeedbackLink::on_credit(const amqp::CreditChanged& credit) {
  if (credit.drain && !draining_) return drain();
  match_credit();
}

// The hub's credit is the link's. What the peer took back the hub cannot unsend: a batch that then
// finds no credit is released.
void AmqpFeedbackLink::match_credit() {
  const uint32_t credit = peer_.engine.credit(id_);
  if (draining_ || credit <= asked_) return;
  peer_.hub.add_feedback_credit(receiver_, credit - asked_);
  asked_ = credit;
}

// AMQP 1.0, 2.6.7: what there is is sent at once, then the rest of the credit goes back.
void AmqpFeedbackLink::drain() {
  draining_ = true;
  peer_.hub.drain_feedback_credit(receiver_, {peer_.loop, guarded([this](uint32_t unused) {
                                                asked_ -= std::min(asked_, unused);
                                                poll();
                                              })});
}

void AmqpFeedbackLink::poll() {
  const auto end = [this] {
    draining_ = false;
    peer_.engine.drained(id_);
    match_credit();
  };
  if (peer_.engine.credit(id_) == 0) return end();
  peer_.hub.receive_feedback(
      {peer_.loop, guarded([this, end](const std::optional<hub::FeedbackBatch>& batch) {
         if (!batch) return end();
         send(*batch, true);
         poll();
       })});
}

void AmqpFeedbackLink::send(const hub::FeedbackBatch& batch, bool polled) {
  const ByteView tag(reinterpret_cast<const char*>(batch.token.data()), batch.token.size());
  const auto sent = peer_.engine.send(id_, tag, feedback_message(batch, peer_.hub));
  if (!sent) return settle(batch.token, hub::FeedbackSettlement::kRelease);
  peer_.metrics.feedback_sent.Increment();
  if (settled_on_sending_) return settle(batch.token, hub::FeedbackSettlement::kAccept);
  unsettled_.emplace(*sent, Unsettled{batch.token, polled});
}

// Without waiting for the answer.
void AmqpFeedbackLink::settle(const hub::FeedbackToken& token, hub::FeedbackSettlement how) {
  peer_.hub.settle_feedback(token, how, {peer_.loop, [](const Status& /*status*/) {}});
}

void AmqpFeedbackLink::on_updated(const amqp::DeliveryUpdated& update) {
  const auto found = unsettled_.find(update.delivery_id);
  if (found == unsettled_.end()) return;
  const hub::FeedbackToken token = found->second.token;
  unsettled_.erase(found);
  const bool answer_wanted = !update.settled;
  peer_.hub.settle_feedback(
      token, settlement_of(update.state),
      {peer_.loop, guarded([this, id = update.delivery_id, answer_wanted](const Status& status) {
         if (answer_wanted) answer(id, status);
       })});
}

// In the second mode the receiver waits for our settlement. The .NET client expects accepted in it,
// also after a released.
void AmqpFeedbackLink::answer(uint32_t delivery_id, const Status& status) {
  peer_.engine.settle(id_, delivery_id,
                      status
                          ? amqp::DeliveryState::accepted()
                          : amqp::DeliveryState::rejected(amqp_error(status.error(), peer_.hub)));
}

}  // namespace linarite::gateway
