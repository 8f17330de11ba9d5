#include "hub/partition.h"

#include <fmt/format.h>

#include <prometheus/counter.h>
#include <prometheus/gauge.h>

#include <algorithm>
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
// Commits of one turn beyond this go to the store before its end.
constexpr size_t kTurnBytesMax = size_t{1} << 20U;

}  // namespace

Partition::Partition(Parts parts)
    : parts_(std::move(parts)),
      nobody_({.primary_key = stand_in_policy().primary_key,
               .secondary_key = stand_in_policy().secondary_key},
              parts_.vault),
      feedback_({.partition = parts_.id,
                 .options = parts_.options.feedback,
                 .store = parts_.store,
                 .loop = parts_.loop,
                 .random = parts_.random,
                 .metrics = parts_.metrics,
                 .device_exists =
                     [this](const FeedbackRecord& record) {
                       const DevicePtr device = find(record.device_id);
                       return device && device->identity.fields().generation_id ==
                                            record.device_generation_id;
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
  std::vector<std::pair<uint64_t, Device*>>().swap(loaded_owners_);
  if (parts_.watch) {
    for (Device* const device : places_) {
      device->queue.for_each(
          [&](const Message& message) { tell(QueueEvent::Kind::kRecovered, *device, message); });
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
  auto identity = StoredIdentity::read(value, parts_.vault);
  if (!identity) return std::unexpected(identity.error());
  const IdentityFields fields = identity->fields();
  DevicePtr& device = devices_[std::string(fields.device_id)];
  count(fields.status, +1);
  if (!device) device = std::make_shared<Device>();
  if (device->identity.empty()) take_place(*device);
  device->identity = *std::move(identity);
  ++parts_.identities;
  return {};
}

void Partition::take_place(Device& device) {
  device.place = places_.size();
  places_.push_back(&device);
}

Status Partition::load_message(std::string_view key, std::string_view value) {
  const auto sequence = key_sequence(key);
  if (!sequence) return fail(ErrorCode::kStoreCorrupt, "a message key can't be read");
  if (key.front() == kCountKey) {
    const auto count = decode_number(value);
    if (!count) return std::unexpected(count.error());
    const auto owner = std::ranges::lower_bound(loaded_owners_, *sequence, {},
                                                &std::pair<uint64_t, Device*>::first);
    if (owner == loaded_owners_.end() || owner->first != *sequence) {
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
  loaded_owners_.emplace_back(*sequence, device.get());
  watch_expiry(*device, message.expiry);
  parts_.metrics.messages_pending.Increment();
  return {};
}

Partition::DevicePtr Partition::find(std::string_view device_id) const {
  const auto found = devices_.find(device_id);
  return found == devices_.end() || found->second->identity.empty() ? nullptr : found->second;
}

// What one turn of the loop commits goes to the store as one: a saturated hub commits dozens of
// messages in a turn.
void Partition::commit(store::Batch batch, StatusDone done) {
  const size_t bytes = batch.byte_count();
  committing_bytes_ += bytes;
  parts_.metrics.commit_backlog_bytes.Increment(static_cast<double>(bytes));
  if (turn_.dones.empty()) parts_.loop.post([this] { commit_turn(); });
  turn_.batch.merge(batch);
  turn_.dones.push_back(std::move(done));
  if (turn_.batch.byte_count() >= kTurnBytesMax) commit_turn();
}

void Partition::commit_turn() {
  if (turn_.dones.empty()) return;  // They were too many to wait for the end of the turn.
  Turn turn = std::exchange(turn_, {});
  const size_t bytes = turn.batch.byte_count();
  parts_.store.commit(parts_.id, std::move(turn.batch),
                      [this, bytes, dones = std::move(turn.dones)](Status status) mutable {
                        committed(bytes, std::move(dones), std::move(status));
                      });
}

void Partition::committed(size_t bytes, std::vector<StatusDone> dones, Status status) {
  committing_bytes_ -= bytes;
  if (mutated(Mutation::kFailedSyncBelieved)) status = {};
  parts_.metrics.commit_backlog_bytes.Decrement(static_cast<double>(bytes));
  if (!status) parts_.metrics.store_failures.Increment(static_cast<double>(dones.size()));
  for (StatusDone& done : dones) done(status);
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
const Partition::Device* Partition::stand_in(std::string_view device_id) const {
  return places_.empty() ? nullptr : places_[NameHash()(device_id) % places_.size()];
}

// Opening keys takes its time: a device that has none is given nobody's.
Result<KeyPair> Partition::keys_to_compare(const IdentityFields& known) const {
  const bool has_keys = !known.keys.sealed.empty() || !known.keys.primary.empty();
  const IdentityFields nobody = nobody_.fields();
  auto keys = open_keys(has_keys ? known : nobody, parts_.vault);
  if (!keys) {
    parts_.log.error("the keys of a device can't be opened",
                     {{"device", std::string(known.device_id)}, {"error", keys.error().message}});
  }
  return keys;
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
  const Device* const device =
      found == devices_.end() || found->second->identity.empty() ? nullptr : found->second.get();
  const Device* const other = stand_in(device_id);
  const Device* const looked_at = device != nullptr ? device : other;
  const IdentityFields known =
      looked_at != nullptr ? looked_at->identity.fields() : nobody_.fields();
  const bool same_id = known.device_id == device_id;
  const PolicySet* const policies = parts_.policies.load(std::memory_order_acquire);
  const Policy* policy = token->policy.empty() ? nullptr : policies->find(token->policy);

  Principal principal;
  std::string_view primary;
  std::string_view secondary;
  const bool by_device = token->policy.empty();
  const bool sas = same_id && device != nullptr && known.authentication == AuthenticationType::kSas;
  const bool may_connect = policy != nullptr && has(policy->rights, Right::kDeviceConnect);
  const Policy& no_policy = stand_in_policy();
  Result<KeyPair> opened;
  if (by_device) {
    opened = keys_to_compare(known);
    if (!opened) return std::unexpected(opened.error());
    primary = opened->primary;
    secondary = opened->secondary;
  } else {
    const Policy& used = may_connect ? *policy : no_policy;
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
  if (known.status == DeviceStatus::kDisabled) {
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

void Partition::tell(QueueEvent::Kind kind, const Device& device, const Message& message) const {
  if (!parts_.watch) return;
  parts_.watch({.kind = kind,
                .partition = parts_.id,
                .sequence = message.sequence,
                .device_id = device.identity.device_id(),
                .delivery_count = message.delivery_count});
}

}  // namespace linarite::hub
