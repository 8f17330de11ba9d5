#include "hub/partition.h"

#include <fmt/format.h>

#include <prometheus/counter.h>
#include <prometheus/gauge.h>

#include <utility>

#include "base/check.h"
#include "base/mutation.h"
#include "hub/device.h"
#include "hub/stand_in_policy.h"
#include "wire/sas_token.h"

namespace linarite::hub {
namespace {

// Sequence numbers are taken from the store in blocks, so that none is used twice after a crash
// although the store is told only once in a block.
constexpr uint64_t kSequenceBlock = 1U << 16U;
// Of the table of devices: more than half of its buckets are taken.
constexpr size_t kStandInTries = 64;

}  // namespace

Partition::Partition(Parts parts)
    : parts_(std::move(parts)),
      feedback_({.partition = parts_.id,
                 .options = parts_.options.feedback,
                 .store = parts_.store,
                 .loop = parts_.loop,
                 .random = parts_.random,
                 .metrics = parts_.metrics,
                 .device_exists =
                     [this](const FeedbackRecord& record) {
                       const DevicePtr device = find(record.device_id);
                       return device &&
                              device->identity.generation_id == record.device_generation_id;
                     }}),
      events_({.id = parts_.id,
               .options = parts_.options.events,
               .store = parts_.store,
               .loop = parts_.loop,
               .metrics = parts_.metrics,
               .commit = [this](store::Batch batch,
                                StatusDone done) { commit(std::move(batch), std::move(done)); },
               .check_backlog = [this](size_t bytes) { return check_backlog(bytes); },
               .backlog_bytes_max = parts_.options.commit_backlog_bytes_max}) {}

Partition::~Partition() = default;

Status Partition::load() {
  Status failure;
  const Status scanned =
      parts_.store.scan(parts_.id, {}, {}, [&](std::string_view key, std::string_view value) {
        failure = load_record(key, value);
        return failure.has_value();
      });
  if (!failure) return failure;
  if (!scanned) return scanned;
  // Numbers of the last block may have been used by what is already gone again.
  next_sequence_ = reserved_sequence_;
  std::unordered_map<uint64_t, Device*>().swap(loaded_owners_);
  if (parts_.watch) {
    for (const auto& entry : devices_) {
      Device& device = *entry.second;
      device.queue.for_each(
          [&](const Message& message) { tell(QueueEvent::Kind::kRecovered, device, message); });
    }
  }
  arm_expiry();
  return events_.load();
}

// Keys come in their order, so the connection times come before the device and the device before
// its messages: times wait in a device entry without an identity until it comes.
Status Partition::load_record(std::string_view key, std::string_view value) {
  switch (key.empty() ? '\0' : key.front()) {
    case kConnectionKey: {
      auto times = decode_connection_times(value);
      if (!times) return std::unexpected(times.error());
      auto device = std::make_shared<Device>();
      device->times = *times;
      devices_.emplace(std::string(key.substr(1)), std::move(device));
      return {};
    }
    case kDeviceKey:
      return load_device(value);
    case kFeedbackKey: {
      const auto sequence = key_sequence(key);
      auto record = decode_feedback(value);
      if (!sequence) return fail(ErrorCode::kStoreCorrupt, "a feedback key can't be read");
      if (!record) return std::unexpected(record.error());
      feedback_.add_loaded(*sequence, *record);
      return {};
    }
    case kMessageKey:
    case kCountKey:
      return load_message(key, value);
    case kReservedKey: {
      const auto reserved = decode_number(value);
      if (!reserved) return std::unexpected(reserved.error());
      reserved_sequence_ = *reserved;
      return {};
    }
    case kGapKey:      // Read by the event log.
    case kHubKey:      // Read by Hub.
    case kKeyringKey:  // Read by Hub.
    case kPolicyKey:   // Read by Hub.
    case kSessionKey:  // Read when its device connects.
    case kTrimmedKey:  // Read by the event log.
      return {};
    default:
      return fail(ErrorCode::kStoreCorrupt, "the store holds a record of an unknown kind");
  }
}

Status Partition::load_device(std::string_view value) {
  auto identity = decode_identity(value, parts_.vault);
  if (!identity) return std::unexpected(identity.error());
  DevicePtr& device = devices_[identity->device_id];
  if (!device) device = std::make_shared<Device>();
  device->identity = *std::move(identity);
  count(device->identity, +1);
  ++parts_.identities;
  return {};
}

Status Partition::load_message(std::string_view key, std::string_view value) {
  const auto sequence = key_sequence(key);
  if (!sequence) return fail(ErrorCode::kStoreCorrupt, "a message key can't be read");
  if (key.front() == kCountKey) {
    const auto count = decode_number(value);
    if (!count) return std::unexpected(count.error());
    const auto owner = loaded_owners_.find(*sequence);
    if (owner == loaded_owners_.end()) {
      return fail(ErrorCode::kStoreCorrupt, "a delivery count belongs to no message");
    }
    owner->second->queue.find(*sequence)->delivery_count = static_cast<uint32_t>(*count);
    return {};
  }
  const auto header = decode_message_header(value);
  if (!header) return std::unexpected(header.error());
  const DevicePtr device = find(header->device_id);
  if (!device) return fail(ErrorCode::kStoreCorrupt, "a stored message belongs to no device");
  Message& message = device->queue.add({.sequence = *sequence,
                                        .expiry = header->expiry,
                                        .size = header->size,
                                        .state = Message::State::kReady,
                                        .ack = header->ack});
  loaded_owners_.emplace(*sequence, device.get());
  watch_expiry(*device, message.expiry);
  parts_.metrics.messages_pending.Increment();
  return {};
}

Partition::DevicePtr Partition::find(std::string_view device_id) const {
  const auto found = devices_.find(device_id);
  return found == devices_.end() || found->second->identity.device_id.empty() ? nullptr
                                                                              : found->second;
}

void Partition::commit(store::Batch batch, StatusDone done) {
  const size_t bytes = batch.byte_count();
  committing_bytes_ += bytes;
  parts_.metrics.commit_backlog_bytes.Increment(static_cast<double>(bytes));
  parts_.store.commit(parts_.id, std::move(batch),
                      [this, bytes, done = std::move(done)](Status s) mutable {
                        committing_bytes_ -= bytes;
                        if (mutated(Mutation::kFailedSyncBelieved)) s = {};
                        parts_.metrics.commit_backlog_bytes.Decrement(static_cast<double>(bytes));
                        if (!s) parts_.metrics.store_failures.Increment();
                        done(std::move(s));
                      });
}

Status Partition::check_backlog(size_t more) const {
  if (!parts_.store.has_room()) {
    return fail(ErrorCode::kServiceUnavailable, "the disk is nearly full");
  }
  if (committing_bytes_ + more <= parts_.options.commit_backlog_bytes_max) return {};
  return fail(ErrorCode::kServiceUnavailable,
              fmt::format("{} bytes wait for the disk already", committing_bytes_ + more));
}

uint64_t Partition::next_sequence(store::Batch& batch) {
  if (next_sequence_ >= reserved_sequence_) {
    reserved_sequence_ = next_sequence_ + kSequenceBlock;
    batch.put(Bytes(1, kReservedKey), encode_number(reserved_sequence_));
  }
  return next_sequence_++;
}

// Some device of the partition, for an id that is none's: so that to look at it costs what it costs
// to look at a real one, wherever in memory that lies.
Partition::DevicePtr Partition::stand_in(std::string_view device_id) const {
  const size_t buckets = devices_.bucket_count();
  size_t bucket = NameHash()(device_id) % buckets;
  for (size_t tries = 0; tries < kStandInTries; ++tries, bucket = (bucket + 1) % buckets) {
    const auto place = devices_.begin(bucket);
    if (place != devices_.end(bucket)) return place->second;
  }
  return nullptr;
}

Result<Principal> Partition::authenticate_device(std::string_view device_id,
                                                 std::string_view token_text) {
  const auto refuse = [this](std::string message) {
    parts_.metrics.authentication_failures.Increment();
    return fail(ErrorCode::kIotHubUnauthorized, std::move(message));
  };
  auto token = wire::parse_sas_token(token_text);
  if (!token) return refuse(token.error().message);
  // What is looked at, for an id or a policy that is none, is another one: each class of tokens
  // takes the same way, so that its time does not tell who exists (reliability 3.4).
  const auto found = devices_.find(device_id);
  const Device* const device = found == devices_.end() || found->second->identity.device_id.empty()
                                   ? nullptr
                                   : found->second.get();
  const DevicePtr other = stand_in(device_id);
  const Device* const looked_at = device != nullptr ? device : other.get();
  const bool same_id = looked_at != nullptr && looked_at->identity.device_id == device_id;
  const PolicySet* const policies = parts_.policies.load(std::memory_order_acquire);
  const Policy* policy = token->policy.empty() ? nullptr : policies->find(token->policy);

  Principal principal;
  std::string_view primary;
  std::string_view secondary;
  const bool by_device = token->policy.empty();
  const bool sas =
      same_id && device != nullptr && device->identity.authentication == AuthenticationType::kSas;
  const bool may_connect = policy != nullptr && has(policy->rights, Right::kDeviceConnect);
  const Policy& no_policy = stand_in_policy();
  if (by_device && looked_at != nullptr) {
    primary = looked_at->identity.primary_key;
    secondary = looked_at->identity.secondary_key;
  } else if (const Policy& used = may_connect ? *policy : no_policy; !by_device) {
    primary = used.primary_key;
    secondary = used.secondary_key;
  }
  // Everything is computed before anything is decided.
  const wire::SasKeyMatch match = wire::sas_signature_match(*token, primary, secondary);
  const bool signed_by_key = match != wire::SasKeyMatch::kNone && (by_device ? sas : may_connect);
  const std::vector<std::string_view> hosts(parts_.options.host_names.begin(),
                                            parts_.options.host_names.end());
  const std::string_view path[] = {"devices", device_id};
  const bool audience = wire::audience_covers(*token, hosts, path, by_device ? 2 : 0);
  const bool expired = wire::sas_token_expired(*token, wall());

  if (!signed_by_key) return refuse("the token's signature does not match");
  if (!audience) return refuse("the token was made for another resource");
  if (expired) return refuse("the token has expired");
  if (!sas) return refuse("the device is unknown or does not use keys");
  if (device->deleting) return refuse("the device is unknown or does not use keys");
  if (device->identity.status == DeviceStatus::kDisabled) {
    return fail(ErrorCode::kDeviceDisabled, "the device is disabled");
  }
  principal.kind = by_device ? Principal::Kind::kDevice : Principal::Kind::kPolicy;
  principal.name = by_device ? std::string(device_id) : policy->name;
  principal.rights = by_device ? Rights{0} : policy->rights;
  principal.token = *std::move(token);
  principal.key_fingerprint =
      key_fingerprint(match == wire::SasKeyMatch::kPrimary ? primary : secondary);
  return principal;
}

Status Partition::attach(std::string_view device_id, DeviceLink& link, uint64_t key_fingerprint) {
  const DevicePtr device = find(device_id);
  if (!device || device->deleting) return fail(ErrorCode::kDeviceNotFound);
  const bool disabled = device->identity.status == DeviceStatus::kDisabled;
  if (disabled && !mutated(Mutation::kDisabledMayConnect)) return fail(ErrorCode::kDeviceDisabled);
  CHECK(!links_.contains(&link));
  if (DeviceLink* const older = device->link) {
    unlink(*device);
    const Error reason{ErrorCode::kConnectionForcefullyClosedOnNewConnection,
                       "the device connected again"};
    if (!mutated(Mutation::kTakeoverKeepsTheOlder)) older->disconnect(reason);
  }
  device->link = &link;
  device->link_key = key_fingerprint;
  links_.emplace(&link, device);
  parts_.metrics.devices_connected.Increment();
  write_connection_times(*device);
  return {};
}

void Partition::detach(DeviceLink& link) {
  const auto found = links_.find(&link);
  if (found == links_.end()) return;
  const DevicePtr device = found->second;
  unlink(*device);
  write_connection_times(*device);
}

// Forgets the link; what it had in flight goes back to its place (device-protocol 6.4).
void Partition::unlink(Device& device) {
  links_.erase(device.link);
  device.link = nullptr;
  device.link_key = 0;
  device.window = 0;
  parts_.metrics.devices_connected.Decrement();
  if (device.in_flight > 0) {
    device.queue.for_each([&](Message& message) {
      if (message.state != Message::State::kLocked || !message.linked) return;
      unlock(device, message);
      tell(QueueEvent::Kind::kReturned, device, message);
    });
  }
  CHECK(device.in_flight == 0);
}

void Partition::tell(QueueEvent::Kind kind, const Device& device, const Message& message) const {
  if (!parts_.watch) return;
  parts_.watch({.kind = kind,
                .partition = parts_.id,
                .sequence = message.sequence,
                .device_id = device.identity.device_id,
                .delivery_count = message.delivery_count});
}

// Not waited for: losing the last change of a connection state in a crash harms nobody, for after
// it every device is disconnected.
void Partition::write_connection_times(Device& device) {
  if (device.deleting) return;
  device.times = ConnectionTimes{.state_updated = wall(), .last_activity = wall()};
  store::Batch batch;
  batch.put(record_key(kConnectionKey, device.identity.device_id),
            encode_connection_times(*device.times));
  commit(std::move(batch), [](const Status&) {});
}

// A session is told to a device only as it is on the disk: what an older connection left on the way
// there comes first.
void Partition::load_session(std::string_view device_id, Done<std::optional<Session>> done) {
  const auto found = session_writes_.find(device_id);
  if (found == session_writes_.end()) return done(read_session(device_id));
  if (found->second.count == 0) return done(std::unexpected(found->second.failure.error()));
  found->second.waiting.emplace_back(
      [this, id = std::string(device_id), done = std::move(done)]() mutable {
        load_session(id, std::move(done));
      });
}

Result<std::optional<Session>> Partition::read_session(std::string_view device_id) const {
  const auto value = parts_.store.get(parts_.id, record_key(kSessionKey, device_id));
  if (!value) return std::unexpected(value.error());
  if (!*value) return std::nullopt;
  auto session = decode_session(**value);
  if (!session) return std::unexpected(session.error());
  return *std::move(session);
}

void Partition::save_session(std::string_view device_id, const Session& session, StatusDone done) {
  CHECK(session.subscriptions.size() <= kSessionSubscriptionsMax);
  const DevicePtr device = find(device_id);
  if (!device || device->deleting) return done(fail(ErrorCode::kDeviceNotFound));
  store::Batch batch;
  batch.put(record_key(kSessionKey, device_id), encode_session(session));
  commit_session(device_id, std::move(batch), std::move(done));
}

void Partition::erase_session(std::string_view device_id, StatusDone done) {
  store::Batch batch;
  if (!mutated(Mutation::kSessionNotErased)) batch.erase(record_key(kSessionKey, device_id));
  commit_session(device_id, std::move(batch), std::move(done));
}

void Partition::commit_session(std::string_view device_id, store::Batch batch, StatusDone done) {
  const std::string id(device_id);
  ++session_writes_[id].count;
  commit(std::move(batch), [this, id, done = std::move(done)](Status status) mutable {
    std::vector<Task> waiting;
    const auto found = session_writes_.find(id);
    SessionWrites& writes = found->second;
    if (!status) writes.failure = status;
    if (--writes.count == 0) {
      waiting = std::move(writes.waiting);
      if (writes.failure) session_writes_.erase(found);
    }
    done(std::move(status));
    for (Task& task : waiting) task();
  });
}

}  // namespace linarite::hub
