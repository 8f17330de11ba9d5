// Identities, and what else is asked of the hub itself in both worlds: one write of a device at a
// time, each by its answer or, after a crash, by what is found.
#include <fmt/format.h>

#include <optional>
#include <utility>

#include "base/text.h"
#include "sim/world.h"

namespace linarite::sim {

void World::purge() {
  const auto device = static_cast<uint32_t>(random_.below(options_.devices));
  trace("purge", device);
  model_.may_end(device, /*purge=*/true, now().wall);
  hub_->purge(device_name(device),
              {loop_b_, [this, life = life_, device, asked = now()](const Result<uint64_t>& gone) {
                 if (life != life_) return;
                 // It met what came to the hub before it, asked for earlier or not.
                 model_.may_end(device, /*purge=*/true, now().wall);
                 if (gone) model_.purged(device, asked, step_);
               }});
}

void World::write_device() {
  const auto device = static_cast<uint32_t>(random_.below(options_.devices));
  ModelDevice& known = model_.device(device);
  if (known.uncertain) return;  // One write at a time: the next once this one was answered.
  if (known.presence == Presence::kNo) return create(device);
  if (chance(4)) return remove(device);
  if (!known.former_etag.empty() && chance(4)) return write_outdated(device);
  set_enabled(device, !known.enabled);
}

// What is known of the device from now on.
void World::written(uint32_t device, const ModelDevice& known) {
  ModelDevice& to = model_.device(device);
  to.presence = known.presence;
  to.enabled = known.enabled;
  to.generation = known.generation;
  to.etag = known.etag;
  to.former_etag = known.former_etag;
  to.uncertain = false;
  to.known_since = step_;
}

void World::create(uint32_t device) {
  trace("create", device);
  model_.device(device).uncertain = true;
  ++model_.device(device).version;
  hub_->create_device({.device_id = device_name(device)},
                      {loop_b_, [this, life = life_, device](const Result<hub::DeviceView>& made) {
                         if (life != life_) return;
                         trace("created", device, made.has_value());
                         if (!made) return;  // Unknown until the hub has restarted.
                         written(device, {.presence = Presence::kYes,
                                          .enabled = true,
                                          .generation = made->identity.generation_id,
                                          .etag = made->identity.etag});
                       }});
}

void World::remove(uint32_t device) {
  trace("delete", device);
  model_.device(device).uncertain = true;
  ++model_.device(device).version;
  model_.may_end(device, /*purge=*/false, now().wall);
  hub_->delete_device(device_name(device), {},
                      {loop_b_, [this, life = life_, device](const Status& gone) {
                         if (life != life_) return;
                         trace("deleted", device, gone.has_value());
                         if (!gone) return;
                         written(device, {.presence = Presence::kNo});
                         model_.device_gone(device, step_);
                       }});
}

void World::set_enabled(uint32_t device, bool enabled) {
  trace("enable", device, enabled);
  model_.device(device).uncertain = true;
  ++model_.device(device).version;
  hub_->update_device(
      {.device_id = device_name(device),
       .status = enabled ? hub::DeviceStatus::kEnabled : hub::DeviceStatus::kDisabled},
      {hub::Condition::Kind::kAny, {}},
      {loop_b_, [this, life = life_, device, enabled](const Result<hub::DeviceView>& written_now) {
         if (life != life_) return;
         trace("written", device, written_now.has_value());
         if (!written_now) return;
         ModelDevice known = model_.device(device);
         known.enabled = enabled;
         known.former_etag = std::exchange(known.etag, written_now->identity.etag);
         written(device, known);
       }});
}

// A write under the condition that the identity is as it was before its last change.
void World::write_outdated(uint32_t device) {
  trace("outdated write", device);
  ModelDevice& known = model_.device(device);
  known.uncertain = true;
  ++known.version;
  hub_->update_device(
      {.device_id = device_name(device),
       .status = known.enabled ? hub::DeviceStatus::kDisabled : hub::DeviceStatus::kEnabled},
      {hub::Condition::Kind::kEtag, known.former_etag},
      {loop_b_, [this, life = life_, device](const Result<hub::DeviceView>& answer) {
         if (life != life_) return;
         if (answer) return fail("a write under an old etag was taken");
         if (answer.error().code != ErrorCode::kPreconditionFailed) {
           return fail("a write under an old etag was refused for another reason");
         }
         written(device, ModelDevice(model_.device(device)));
       }});
}

// After a restart: what was uncertain is looked up; it must be one of the states it could be in.
void World::look_at_devices() {
  for (uint32_t i = 0; i < options_.devices; ++i) {
    const ModelDevice& known = model_.device(i);
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
      if (known.presence == Presence::kYes) model_.device_gone(i, step_);
      written(i, {.presence = Presence::kNo});
    } else {
      written(i, {.presence = Presence::kYes,
                  .enabled = found->identity.status == hub::DeviceStatus::kEnabled,
                  .generation = found->identity.generation_id,
                  .etag = found->identity.etag});
    }
  }
}

void World::note_feedback(const hub::FeedbackBatch& batch, Moment sent) {
  if (batch.records.empty()) return fail("an empty batch of feedback");
  for (const hub::FeedbackRecord& record : batch.records) {
    const auto index = whole_number<uint32_t>(record.original_message_id);
    trace("feedback", index.value_or(UINT32_MAX), static_cast<uint64_t>(record.outcome));
    if (!index) return fail("feedback without a message id");
    expect(model_.feedback(*index, record.outcome, sent));
  }
}

// Everything that waits, through the hub's own interface.
void World::drain_feedback() {
  for (bool more = true; more && result_.violation.empty();) {
    more = false;
    hub_->receive_feedback({loop_a_, [&](const std::optional<hub::FeedbackBatch>& batch) {
                              if (!batch) return;
                              more = true;
                              note_feedback(*batch, now());
                              hub_->settle_feedback(batch->token, hub::FeedbackSettlement::kAccept,
                                                    {loop_a_, [](const Status&) {}});
                            }});
    settle();
  }
}

}  // namespace linarite::sim
