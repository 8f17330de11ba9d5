#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "sim/device.h"
#include "sim/world.h"

namespace linarite::sim {

void World::back_end_step() {
  const uint64_t what = random_.below(100);
  if (what < 60) return send();
  if (what < 62) return purge();
  if (what < 72) return write_device();
  if (what < 76) return open_receiver();
  if (what < 79) return close_receiver();
  settle_feedback();
}

void World::send() {
  const auto device = static_cast<uint32_t>(random_.below(options_.devices));
  const auto ack = static_cast<wire::Ack>(random_.below(4));
  const WallTime expiry = wall() + std::chrono::minutes(1 + random_.below(90));
  const uint32_t index = model_.sent(device, ack, expiry);
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
                model_.send_answered(index, sent.has_value(), !sent && unknown(sent.error().code));
              }});
}

void World::purge() {
  const auto device = static_cast<uint32_t>(random_.below(options_.devices));
  trace("purge", device);
  model_.may_end(device);
  hub_->purge(device_name(device), {loop_b_, [](const Result<uint64_t>&) {}});
}

void World::write_device() {
  const auto device = static_cast<uint32_t>(random_.below(options_.devices));
  ModelDevice& known = model_.device(device);
  if (known.uncertain) return;  // One write at a time: the next once this one was answered.
  if (known.presence == Presence::kNo) return create(device);
  if (chance(4)) return remove(device);
  set_enabled(device, !known.enabled);
}

void World::create(uint32_t device) {
  trace("create", device);
  model_.device(device).uncertain = true;
  hub_->create_device({.device_id = device_name(device)},
                      {loop_b_, [this, life = life_, device](const Result<hub::DeviceView>& made) {
                         if (life != life_) return;
                         trace("created", device, made.has_value());
                         if (!made) return;  // Unknown until the hub has restarted.
                         ModelDevice& known = model_.device(device);
                         known = {.presence = Presence::kYes,
                                  .enabled = true,
                                  .generation = made->identity.generation_id};
                       }});
}

void World::remove(uint32_t device) {
  trace("delete", device);
  model_.device(device).uncertain = true;
  model_.may_end(device);
  hub_->delete_device(device_name(device), {},
                      {loop_b_, [this, life = life_, device](const Status& gone) {
                         if (life != life_) return;
                         trace("deleted", device, gone.has_value());
                         if (!gone) return;
                         model_.device(device) = {.presence = Presence::kNo};
                         model_.device_gone(device);
                       }});
}

void World::set_enabled(uint32_t device, bool enabled) {
  trace("enable", device, enabled);
  model_.device(device).uncertain = true;
  hub_->update_device(
      {.device_id = device_name(device),
       .status = enabled ? hub::DeviceStatus::kEnabled : hub::DeviceStatus::kDisabled},
      {hub::Condition::Kind::kAny, {}},
      {loop_b_, [this, life = life_, device, enabled](const Result<hub::DeviceView>& written) {
         if (life != life_) return;
         trace("written", device, written.has_value());
         if (!written) return;
         model_.device(device).enabled = enabled;
         model_.device(device).uncertain = false;
       }});
}

void World::open_receiver() {
  if (receivers_.size() >= 3) return;
  ManualLoop& loop = chance(2) ? loop_a_ : loop_b_;
  trace("receiver", receivers_.size());
  auto id = std::make_shared<hub::Hub::ReceiverId>(0);
  *id =
      hub_->open_feedback_receiver(loop, [this, life = life_, id](const hub::FeedbackBatch& batch) {
        if (life != life_) return;
        const auto found = std::ranges::find(receivers_, *id, &Receiver::id);
        if (found == receivers_.end()) return fail("a batch came to a closed receiver");
        note_feedback(batch);
        found->held.push_back(batch);
      });
  receivers_.push_back({.id = *id});
  hub_->add_feedback_credit(*id, static_cast<uint32_t>(1 + random_.below(5)));
}

void World::close_receiver() {
  if (receivers_.empty()) return;
  const size_t which = random_.below(receivers_.size());
  trace("close", which);
  hub_->close_feedback_receiver(receivers_[which].id);
  receivers_.erase(receivers_.begin() + static_cast<std::ptrdiff_t>(which));
}

void World::note_feedback(const hub::FeedbackBatch& batch) {
  if (batch.records.empty()) return fail("an empty batch of feedback");
  for (const hub::FeedbackRecord& record : batch.records) {
    const auto index = whole_number<uint32_t>(record.original_message_id);
    trace("feedback", index.value_or(UINT32_MAX), static_cast<uint64_t>(record.outcome));
    if (!index) return fail("feedback without a message id");
    const std::string wrong = model_.feedback(*index, record.outcome);
    if (!wrong.empty()) return fail(wrong);
  }
}

void World::settle_feedback() {
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
             model_.feedback_accepted(*whole_number<uint32_t>(record.original_message_id));
           }
         }});
    hub_->add_feedback_credit(receiver.id, 1);
    return;
  }
}

// After a restart: what was uncertain is looked up; it must be one of the states it could be in.
void World::look_at_devices() {
  for (uint32_t i = 0; i < options_.devices; ++i) {
    ModelDevice& known = model_.device(i);
    const auto found = partition(i).get_device(device_name(i));
    if (!known.uncertain) {
      const bool there = known.presence == Presence::kYes;
      if (found.has_value() != there) {
        return fail(fmt::format("device {} is {} after a restart", i, found ? "back" : "lost"));
      }
      if (found && (found->identity.status == hub::DeviceStatus::kEnabled) != known.enabled) {
        return fail(fmt::format("device {} has another status after a restart", i));
      }
      continue;
    }
    if (!found) {
      if (known.presence == Presence::kYes) model_.device_gone(i);
      known = {.presence = Presence::kNo};
    } else {
      known = {.presence = Presence::kYes,
               .enabled = found->identity.status == hub::DeviceStatus::kEnabled,
               .generation = found->identity.generation_id};
    }
  }
}

}  // namespace linarite::sim
