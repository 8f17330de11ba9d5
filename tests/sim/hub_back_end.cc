#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "sim/hub_device.h"
#include "sim/hub_world.h"

namespace linarite::sim {
namespace {

constexpr uint64_t kBurst = 60;  // A queue holds 50.

}  // namespace

void HubWorld::back_end_step() {
  const uint64_t what = random_.below(100);
  if (what < 60) return send();
  if (what < 62) return purge();
  if (what < 72) return write_device();
  if (what < 76) return open_receiver();
  if (what < 79) return close_receiver();
  settle_feedback();
}

void HubWorld::send() {
  // Of some seeds one device gets more than its queue holds, now and then at once.
  const bool flood = options_.seed % 8 == 5 && !chance(4);
  if (!flood) return send_to(static_cast<uint32_t>(random_.below(options_.devices)));
  for (uint64_t i = chance(20) ? kBurst : 1; i > 0; --i) send_to(0);
}

void HubWorld::send_to(uint32_t device) {
  const auto ack = static_cast<wire::Ack>(random_.below(4));
  const WallTime expiry = wall() + std::chrono::minutes(1 + random_.below(90));
  const uint32_t index = model_.sent(device, ack, expiry, 0, step_);
  trace("send", index, device);
  wire::C2dMessage message{.message_id = std::to_string(index),
                           .expiry = expiry,
                           .ack = ack,
                           .body = fmt::format("body of {}", index)};
  ++result_.messages;
  hub_->send(device_name(device), std::move(message),
             {loop_a_, [this, life = life_, index](const Result<uint64_t>& sent) {
                if (life != life_) return;
                trace("sent", index, sent ? 0 : static_cast<uint64_t>(sent.error().code));
                const bool open = !sent && unknown(sent.error().code);
                if (!sent && !open) expect(model_.refused(index, sent.error().code, wall()));
                expect(model_.send_answered(index, sent.has_value(), open, now()));
              }});
}

void HubWorld::open_receiver() {
  if (receivers_.size() >= 3) return;
  ManualLoop& loop = chance(2) ? loop_a_ : loop_b_;
  trace("receiver", receivers_.size());
  auto id = std::make_shared<hub::Hub::ReceiverId>(0);
  *id =
      hub_->open_feedback_receiver(loop, [this, life = life_, id](const hub::FeedbackBatch& batch) {
        if (life != life_) return;
        const auto found = std::ranges::find(receivers_, *id, &Receiver::id);
        if (found == receivers_.end()) return fail("a batch came to a closed receiver");
        note_feedback(batch, now());
        found->held.push_back(batch);
      });
  receivers_.push_back({.id = *id});
  hub_->add_feedback_credit(*id, static_cast<uint32_t>(1 + random_.below(5)));
}

void HubWorld::close_receiver() {
  if (receivers_.empty()) return;
  const size_t which = random_.below(receivers_.size());
  trace("close", which);
  hub_->close_feedback_receiver(receivers_[which].id);
  receivers_.erase(receivers_.begin() + static_cast<std::ptrdiff_t>(which));
}

void HubWorld::settle_feedback() {
  for (Receiver& receiver : receivers_) {
    if (receiver.held.empty()) {
      if (chance(4)) hub_->add_feedback_credit(receiver.id, 1);
      continue;
    }
    const hub::FeedbackBatch batch = std::move(receiver.held.back());
    receiver.held.pop_back();
    // A release raises the delivery count, and the tenth drops the record: releases are kept rare.
    const bool accept = !chance(10);
    trace("settle feedback", accept);
    hub_->settle_feedback(
        batch.token, accept ? hub::FeedbackSettlement::kAccept : hub::FeedbackSettlement::kRelease,
        {loop_a_, [this, life = life_, batch, accept](const Status& status) {
           if (life != life_ || !status || !accept) return;
           for (const hub::FeedbackRecord& record : batch.records) {
             model_.feedback_accepted(*whole_number<uint32_t>(record.original_message_id), step_);
           }
         }});
    hub_->add_feedback_credit(receiver.id, 1);
    return;
  }
}

}  // namespace linarite::sim
