// The cloud-to-device queues: enqueue, deliver, settle, expire, purge (device-protocol 6).
#include <prometheus/counter.h>
#include <prometheus/gauge.h>

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/mutation.h"
#include "hub/device.h"
#include "hub/partition.h"

namespace linarite::hub {
namespace {

// Expired messages are looked for at most this often, so that a deep queue with many different
// expiry times is not walked for each of them; a message is never delivered after its expiry all
// the same.
constexpr Duration kExpiryGranularity = seconds(1);
// The wall clock may be set while we wait: look again at least this often.
constexpr Duration kExpiryWaitMax = seconds(60);

bool wants_feedback(wire::Ack ack, Outcome outcome) {
  if (ack == wire::Ack::kFull) return true;
  return ack == (outcome == Outcome::kSuccess ? wire::Ack::kPositive : wire::Ack::kNegative);
}

// What a message costs while its body is in memory.
uint64_t cache_cost(const QueuedMessage& message) {
  return message.size + sizeof(wire::C2dMessage);
}

std::chrono::milliseconds in_ms(Duration duration) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(duration);
}

}  // namespace

// Whether the message may be queued (service-protocol 2.3).
Result<Partition::DevicePtr> Partition::admit(std::string_view device_id,
                                              const wire::C2dMessage& message) {
  const C2dOptions& options = parts_.options.c2d;
  DevicePtr device = find(device_id);
  if (!device || device->deleting) {
    return fail(ErrorCode::kDeviceNotFound, "no device has this id");
  }
  if (device->identity.disabled()) {
    return fail(ErrorCode::kDeviceNotFound, "the device is disabled");
  }
  if (const Status ok = wire::check_c2d_message(message); !ok) return std::unexpected(ok.error());
  if (message.expiry && *message.expiry <= wall()) {
    return fail(ErrorCode::kInvalidMessageExpiryTime, "the expiry time is in the past");
  }
  if (message.expiry && *message.expiry > wall() + in_ms(options.ttl_max)) {
    return fail(ErrorCode::kInvalidMessageExpiryTime,
                "the expiry time is further away than the longest time to live");
  }
  const uint32_t more = mutated(Mutation::kQueueOneDeeper) ? 1 : 0;
  if (device->queue.depth() >= options.queue_depth_max + more) {
    return fail(ErrorCode::kDeviceMaximumQueueDepthExceeded,
                fmt::format("C2D messages enqueued for the device exceeded the queue limit of {}",
                            options.queue_depth_max));
  }
  if (device->queue.bytes() + message.size() > options.queue_bytes_max) {
    return fail(ErrorCode::kDeviceMaximumQueueSizeExceeded,
                "the messages queued for the device exceed the limit of bytes");
  }
  // Of all partitions; those on their way to the disk are bounded by the backlog. A message that
  // ends leaves one record of feedback at most, so that both stay bounded.
  const auto most = static_cast<double>(parts_.options.queued_messages_max);
  if (parts_.metrics.messages_pending.Value() + parts_.metrics.feedback_pending.Value() >= most) {
    return fail(ErrorCode::kServiceUnavailable,
                "the queues of all devices and the feedback together are full");
  }
  if (const Status ok = check_backlog(); !ok) return std::unexpected(ok.error());
  return device;
}

void Partition::send(std::string device_id, wire::C2dMessage message, Done<uint64_t> done) {
  auto admitted = admit(device_id, message);
  if (!admitted) {
    parts_.metrics.messages_refused.Increment();
    return done(std::unexpected(admitted.error()));
  }
  const DevicePtr device = *std::move(admitted);
  const WallTime now = wall();
  const MessageHeader header{
      .device_id = std::move(device_id),
      .enqueued = now,
      .expiry = message.expiry.value_or(now + in_ms(parts_.options.c2d.default_ttl)),
      .size = static_cast<uint32_t>(message.size()),
      .ack = message.ack.value_or(wire::Ack::kNone)};
  store::Batch batch;
  const uint64_t sequence = next_sequence(batch);
  batch.put(record_key(kMessageKey, sequence), encode_message(header, message));
  Message& queued = device->queue.add(
      {.sequence = sequence, .expiry = header.expiry, .size = header.size, .ack = header.ack});
  // Only a device that takes messages now will want the body soon.
  if (device->window > 0 &&
      cached_bytes_ + cache_cost(queued) <= parts_.options.message_cache_bytes) {
    queued.cached = std::make_unique<wire::C2dMessage>(std::move(message));
    queued.enqueued = now;
    cached_bytes_ += cache_cost(queued);
  }
  if (mutated(Mutation::kSendAckedEarly)) std::exchange(done, [](const auto&) {})(sequence);
  commit(std::move(batch), [this, device, sequence, done = std::move(done)](Status status) mutable {
    enqueued(device, sequence, status);
    if (status) {
      done(sequence);
      pump(device);
    } else {
      done(std::unexpected(status.error()));
    }
  });
}

void Partition::enqueued(const DevicePtr& device, uint64_t sequence, const Status& status) {
  Message* message = device->queue.find(sequence);
  if (message == nullptr) return;  // The device was deleted meanwhile.
  if (!status) {
    drop_body(*message);
    device->queue.remove(*message);
    return;
  }
  parts_.metrics.messages_enqueued.Increment();
  parts_.metrics.messages_pending.Increment();
  device->queue.make_ready(*message);
  watch_expiry(*device, message->expiry);
  tell(QueueEvent::Kind::kEnqueued, *device, *message);
}

void Partition::open_delivery(DeviceLink& link, uint32_t window, WallTime since) {
  const auto found = links_.find(&link);
  if (found == links_.end()) return;
  const DevicePtr device = found->second;
  device->window = window;
  device->subscribed_since = since;
  pump(device);
}

// Delivers while there is room in the window. A link may settle, change its window or detach from
// inside deliver(); the flag keeps such a call from starting a second loop.
void Partition::pump(const DevicePtr& device) {
  if (device->pumping) return;
  device->pumping = true;
  const uint32_t more = mutated(Mutation::kWindowOneWider) ? 1 : 0;
  while (device->link != nullptr && !device->deleting &&
         device->in_flight < device->window + more && deliver_next(device)) {
  }
  device->pumping = false;
}

// False if there is nothing to deliver.
bool Partition::deliver_next(const DevicePtr& device) {
  Message* const message = device->queue.next_ready();
  if (message == nullptr) return false;
  if (message->expiry <= wall() && !mutated(Mutation::kExpiredDelivered)) {
    end(device, *message, Outcome::kExpired, [](const Status&) {});
    return true;
  }
  if (!load_body(*device, *message)) return true;
  if (parts_.options.c2d.strict_subscription_time && message->enqueued < device->subscribed_since) {
    end(device, *message, Outcome::kRejected, [](const Status&) {});
    return true;
  }
  const bool redelivered = message->delivered;
  lock(*device, *message, /*linked=*/true);
  // The link may end the message from inside the call: what it sees is kept alive here.
  const std::unique_ptr<wire::C2dMessage> body = std::move(message->cached);
  cached_bytes_ -= cache_cost(*message);
  const Delivery delivery{.lock = {message->sequence, message->nonce},
                          .message = *body,
                          .enqueued = message->enqueued,
                          .delivery_count = message->delivery_count,
                          .redelivered = redelivered};
  remember_id(*message, *body);
  parts_.metrics.messages_delivered.Increment();
  tell(QueueEvent::Kind::kDelivered, *device, *message);
  device->link->deliver(delivery);
  return true;
}

// If the sender wants feedback, the end of the message will need its id.
void Partition::remember_id(Message& message, const wire::C2dMessage& body) {
  if (message.ack == wire::Ack::kNone || message.id) return;
  message.id = std::make_unique<std::string>(body.message_id.value_or(std::string()));
}

// Has the body in memory; false, with the message out of the way, if its record is damaged.
bool Partition::load_body(Device& device, Message& message) {
  if (message.cached) return true;
  const auto value = parts_.store.get(parts_.id, record_key(kMessageKey, message.sequence));
  auto stored = value && *value
                    ? decode_message(**value)
                    : Result<StoredMessage>(fail(ErrorCode::kStoreCorrupt, "a message is missing"));
  if (!stored || stored->header.device_id != device.identity.device_id()) {
    parts_.log.error("a queued message can't be read and is kept aside",
                     {{"partition", fmt::format("{}", parts_.id)},
                      {"sequence", fmt::format("{}", message.sequence)},
                      {"error", stored ? "it belongs to another device" : stored.error().message}});
    parts_.metrics.store_failures.Increment();
    message.state = Message::State::kUnreadable;
    return false;
  }
  message.enqueued = stored->header.enqueued;
  message.cached = std::make_unique<wire::C2dMessage>(std::move(stored->message));
  cached_bytes_ += cache_cost(message);
  return true;
}

void Partition::drop_body(Message& message) {
  if (!message.cached) return;
  cached_bytes_ -= cache_cost(message);
  message.cached.reset();
}

void Partition::lock(Device& device, Message& message, bool linked) {
  message.state = Message::State::kLocked;
  message.nonce = parts_.random.number() | 1U;  // Never 0, which is no lock.
  message.linked = linked;
  message.delivered = !mutated(Mutation::kRedeliveryNotMarked);
  if (linked) ++device.in_flight;
}

// Puts a locked message back into its place.
void Partition::unlock(Device& device, Message& message) {
  if (message.linked) --device.in_flight;
  message.linked = false;
  if (mutated(Mutation::kLockNotReleased)) return;
  device.queue.make_ready(message);
}

Result<Partition::Message*> Partition::locked_message(Device* device, LockToken token) const {
  // A device that is being deleted has no locks: what would be written now comes after the batch
  // that removes its messages.
  Message* message =
      device == nullptr || device->deleting ? nullptr : device->queue.find(token.sequence);
  if (message == nullptr || message->state != Message::State::kLocked ||
      message->nonce != token.nonce) {
    return fail(ErrorCode::kDeviceMessageLockLost, "the lock on this message has ended");
  }
  return message;
}

void Partition::complete(DeviceLink& link, LockToken lock, StatusDone done) {
  const auto found = links_.find(&link);
  settle_message(found == links_.end() ? nullptr : found->second, lock, Settlement::kComplete,
                 std::move(done));
}

void Partition::abandon(DeviceLink& link, LockToken lock, StatusDone done) {
  const auto found = links_.find(&link);
  settle_message(found == links_.end() ? nullptr : found->second, lock, Settlement::kAbandon,
                 std::move(done));
}

void Partition::reject(DeviceLink& link, LockToken lock, StatusDone done) {
  const auto found = links_.find(&link);
  settle_message(found == links_.end() ? nullptr : found->second, lock, Settlement::kReject,
                 std::move(done));
}

void Partition::settle(std::string_view device_id, LockToken lock, Settlement how,
                       StatusDone done) {
  settle_message(find(device_id), lock, how, std::move(done));
}

void Partition::settle_message(const DevicePtr& device, LockToken token, Settlement how,
                               StatusDone done) {
  const auto message = locked_message(device.get(), token);
  if (!message) return done(std::unexpected(message.error()));
  if (how == Settlement::kAbandon) {
    give_back(device, **message, std::move(done));
  } else {
    end(device, **message, how == Settlement::kComplete ? Outcome::kSuccess : Outcome::kRejected,
        std::move(done));
  }
  pump(device);
}

// An abandon: the delivery count rises, durably, and the message is offered again or, after too
// many, dead-lettered (device-protocol 6.2).
void Partition::give_back(const DevicePtr& device, Message& message, StatusDone done) {
  parts_.metrics.messages_abandoned.Increment();
  if (message.delivery_count + 1 >= parts_.options.c2d.delivery_count_max) {
    return end(device, message, Outcome::kDeliveryCountExceeded, std::move(done));
  }
  if (!mutated(Mutation::kDeliveryCountNotRaised)) ++message.delivery_count;
  const uint32_t stored = mutated(Mutation::kDeliveryCountNotStored) ? 0 : message.delivery_count;
  store::Batch batch;
  batch.put(record_key(kCountKey, message.sequence), encode_number(stored));
  unlock(*device, message);
  // It is offered again only once the count is durable, else a crash could forget an abandon that
  // the device had seen acted upon.
  message.state = Message::State::kCommitting;
  commit(std::move(batch), [this, device, sequence = message.sequence,
                            done = std::move(done)](Status status) mutable {
    Message* again = device->queue.find(sequence);
    if (again != nullptr && again->state == Message::State::kCommitting) {
      device->queue.make_ready(*again);
      tell(QueueEvent::Kind::kAbandoned, *device, *again);
    }
    done(std::move(status));
    pump(device);
  });
}

Result<std::optional<Partition::Received>> Partition::receive(std::string_view device_id) {
  const DevicePtr device = find(device_id);
  if (!device || device->deleting) return fail(ErrorCode::kDeviceNotFound);
  while (Message* const message = device->queue.next_ready()) {
    if (message->expiry <= wall()) {
      end(device, *message, Outcome::kExpired, [](const Status&) {});
      continue;
    }
    if (!load_body(*device, *message)) continue;
    lock(*device, *message, /*linked=*/false);
    remember_id(*message, *message->cached);
    Received received{.lock = {message->sequence, message->nonce},
                      .message = std::move(*message->cached),
                      .enqueued = message->enqueued,
                      .delivery_count = message->delivery_count};
    drop_body(*message);
    parts_.metrics.messages_delivered.Increment();
    tell(QueueEvent::Kind::kDelivered, *device, *message);
    parts_.loop.run_after(parts_.options.c2d.lock_duration, [this, device, lock = received.lock] {
      const auto locked = locked_message(device.get(), lock);
      if (!locked) return;
      unlock(*device, **locked);
      tell(QueueEvent::Kind::kReturned, *device, **locked);
      pump(device);
    });
    return received;
  }
  return std::nullopt;
}

// Ends one message: removed from the store, with a feedback record if the sender wants one.
void Partition::end(const DevicePtr& device, Message& message, Outcome outcome, StatusDone done) {
  Message* one = &message;
  end_all(device, std::span(&one, 1), outcome, std::move(done));
}

void Partition::end_all(const DevicePtr& device, std::span<Message*> messages, Outcome outcome,
                        StatusDone done) {
  store::Batch batch;
  Endings endings{.outcome = outcome};
  for (Message* message : messages) end_in(batch, *device, *message, endings);
  if (mutated(Mutation::kCompleteAckedEarly)) std::exchange(done, [](const auto&) {})({});
  commit(std::move(batch), [this, device, endings = std::move(endings),
                            done = std::move(done)](Status status) mutable {
    if (status) ended(device, std::move(endings));
    done(std::move(status));
  });
}

void Partition::end_in(store::Batch& batch, Device& device, Message& message, Endings& endings) {
  if (message.state == Message::State::kLocked && message.linked) --device.in_flight;
  batch.erase(record_key(kMessageKey, message.sequence));
  if (message.delivery_count > 0) batch.erase(record_key(kCountKey, message.sequence));
  endings.sequences.push_back(message.sequence);
  // The id is read before the state changes: a damaged record has none, and its end is told
  // without.
  if (wants_feedback(message.ack, endings.outcome) && !mutated(Mutation::kFeedbackDropped)) {
    if (!message.id && load_body(device, message)) remember_id(message, *message.cached);
    const IdentityFields identity = device.identity.fields();
    FeedbackRecord record{.original_message_id = message.id ? *message.id : std::string(),
                          .enqueued = wall(),
                          .outcome = endings.outcome,
                          .device_id = std::string(identity.device_id),
                          .device_generation_id = std::string(identity.generation_id)};
    const uint64_t sequence = next_sequence(batch);
    batch.put(record_key(kFeedbackKey, sequence), encode_feedback(record));
    endings.feedback.emplace_back(sequence, std::move(record));
  }
  drop_body(message);
  message.linked = false;
  message.state = Message::State::kRemoving;
}

// The messages' end is durable.
void Partition::ended(const DevicePtr& device, Endings endings) {
  for (const uint64_t sequence : endings.sequences) {
    Message* message = device->queue.find(sequence);
    if (message == nullptr) continue;  // The device was deleted meanwhile.
    if (parts_.watch) {
      parts_.watch({.kind = QueueEvent::Kind::kEnded,
                    .partition = parts_.id,
                    .sequence = sequence,
                    .device_id = device->identity.device_id(),
                    .delivery_count = message->delivery_count,
                    .outcome = endings.outcome,
                    .feedback = wants_feedback(message->ack, endings.outcome)});
    }
    device->queue.remove(*message);
    parts_.metrics.messages_pending.Decrement();
    parts_.metrics.ended(endings.outcome).Increment();
  }
  for (auto& [sequence, record] : endings.feedback) feedback_.add(sequence, std::move(record));
}

void Partition::purge(const std::string& device_id, Done<uint64_t> done) {
  const DevicePtr device = find(device_id);
  if (!device || device->deleting) {
    return done(fail(ErrorCode::kDeviceNotFound, "no device has this id"));
  }
  std::vector<Message*> messages;
  bool ending = false;
  device->queue.for_each([&](Message& message) {
    // One whose abandon is on its way to the disk had been accepted; its sender was told so.
    const bool accepted = message.state != Message::State::kCommitting || message.delivered;
    const bool removing = message.state == Message::State::kRemoving;
    ending = ending || removing;
    if (accepted && !removing) messages.push_back(&message);
  });
  const uint64_t count = messages.size();
  // What ends already is not ours to count, but it is gone when the answer leaves: commits are
  // answered in their order, also an empty one.
  if (count == 0 && !ending) return done(count);
  if (mutated(Mutation::kPurgeMissesOne) && !messages.empty()) messages.pop_back();
  end_all(device, messages, Outcome::kPurged,
          [count, done = std::move(done)](Status status) mutable {
            if (status) {
              done(count);
            } else {
              done(std::unexpected(status.error()));
            }
          });
}

void Partition::watch_expiry(Device& device, WallTime when) {
  if (device.expiry_watched && *device.expiry_watched <= when) return;
  if (device.number == 0) device.number = ++last_device_number_;
  if (device.expiry_watched) expiries_.erase({*device.expiry_watched, device.number});
  device.expiry_watched = when;
  const auto [place, added] = expiries_.emplace(std::pair(when, device.number), &device);
  if (added && place == expiries_.begin()) arm_expiry();
}

void Partition::arm_expiry() {
  parts_.loop.cancel(std::exchange(expiry_timer_, 0));
  if (expiries_.empty()) return;
  const Duration until = expiries_.begin()->first.first - wall();
  const Duration wait = std::clamp<Duration>(until, Duration::zero(), kExpiryWaitMax);
  expiry_timer_ = parts_.loop.run_after(wait, [this] {
    expiry_timer_ = 0;
    expire_due();
  });
}

void Partition::expire_due() {
  const WallTime now = wall();
  while (!expiries_.empty() && expiries_.begin()->first.first <= now) {
    Device* const due = expiries_.begin()->second;
    expiries_.erase(expiries_.begin());
    due->expiry_watched.reset();
    const DevicePtr device = find(due->identity.device_id());
    if (device && !device->deleting) expire(device);
  }
  arm_expiry();
}

// Dead-letters what has expired, locked or not, and watches for the next.
void Partition::expire(const DevicePtr& device) {
  const WallTime now = wall();
  std::vector<Message*> expired;
  device->queue.for_each([&](Message& message) {
    if (message.expiry <= now && message.state != Message::State::kRemoving &&
        message.state != Message::State::kCommitting) {
      expired.push_back(&message);
    }
  });
  if (!expired.empty()) end_all(device, expired, Outcome::kExpired, [](const Status&) {});
  const auto next = device->queue.earliest_expiry();
  if (next) watch_expiry(*device, std::max(*next, now + in_ms(kExpiryGranularity)));
  pump(device);
}

}  // namespace linarite::hub
