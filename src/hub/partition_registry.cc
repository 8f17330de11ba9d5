// Identities: create, read, list, update, delete (service-protocol 5.2).
#include <fmt/format.h>
#include <prometheus/gauge.h>

#include <algorithm>
#include <utility>

#include "base/base64.h"
#include "base/mutation.h"
#include "hub/device.h"
#include "hub/partition.h"

namespace linarite::hub {
namespace {

constexpr size_t kEtagSize = 9;  // Random bytes: 12 characters of base64 without padding.
constexpr size_t kStatusReasonMax = 128;

bool is_thumbprint(std::string_view text) {
  if (text.empty()) return true;
  if (text.size() != 40 && text.size() != 64) return false;
  return std::ranges::all_of(text, [](unsigned char c) { return std::isxdigit(c) != 0; });
}

bool is_key(std::string_view text) {
  const auto bytes = base64_decode(text);
  return bytes && bytes->size() >= 16 && bytes->size() <= 64;
}

// Takes what the write sets; keys and thumbprints that do not belong to the authentication type go.
void apply(const IdentityWrite& write, Identity& identity) {
  if (write.status) identity.status = *write.status;
  if (write.status_reason) identity.status_reason = *write.status_reason;
  if (write.iot_edge) identity.iot_edge = *write.iot_edge;
  if (write.device_scope) identity.device_scope = *write.device_scope;
  if (write.authentication) identity.authentication = *write.authentication;
  const auto take = [](const std::optional<std::string>& from, std::string& to) {
    if (from && !from->empty()) to = *from;
  };
  take(write.primary_key, identity.primary_key);
  take(write.secondary_key, identity.secondary_key);
  take(write.primary_thumbprint, identity.primary_thumbprint);
  take(write.secondary_thumbprint, identity.secondary_thumbprint);
  if (identity.authentication != AuthenticationType::kSas) {
    identity.primary_key.clear();
    identity.secondary_key.clear();
  }
  if (identity.authentication != AuthenticationType::kSelfSigned) {
    identity.primary_thumbprint.clear();
    identity.secondary_thumbprint.clear();
  }
}

Status check_identity(const Identity& identity) {
  const auto invalid = [](const char* text) { return fail(ErrorCode::kArgumentInvalid, text); };
  if (identity.status_reason.size() > kStatusReasonMax) {
    return invalid("statusReason is longer than 128 characters");
  }
  if (identity.authentication == AuthenticationType::kSas &&
      (!is_key(identity.primary_key) || !is_key(identity.secondary_key))) {
    return invalid("a symmetric key must be base64 of 16 to 64 bytes");
  }
  if (identity.authentication == AuthenticationType::kSelfSigned) {
    if (identity.primary_thumbprint.empty() && identity.secondary_thumbprint.empty()) {
      return invalid("a self-signed device needs a thumbprint");
    }
    if (!is_thumbprint(identity.primary_thumbprint) ||
        !is_thumbprint(identity.secondary_thumbprint)) {
      return invalid("a thumbprint must be 40 or 64 hex characters");
    }
  }
  return {};
}

Status check_condition(const Condition& condition, const StoredIdentity& identity) {
  if (mutated(Mutation::kEtagIgnored)) return {};
  if (condition.kind == Condition::Kind::kEtag && condition.etag != identity.fields().etag) {
    return fail(ErrorCode::kPreconditionFailed, "the etag is not the identity's");
  }
  return {};
}

// Whether a connection may stay that used this key (its fingerprint; 0: another credential than a
// key of the device). The other key may be renewed under it: this is how keys are rotated.
bool still_admits(const StoredIdentity& identity, uint64_t key, const KeyVault& vault) {
  if (key == 0) return true;
  const auto keys = identity.keys(vault);
  return keys && (key == key_fingerprint(keys->primary) || key == key_fingerprint(keys->secondary));
}

// One key given without the other is a mistake (service-protocol 5.2).
bool one_key_only(const IdentityWrite& write) {
  const auto given = [](const std::optional<std::string>& key) { return key && !key->empty(); };
  return given(write.primary_key) != given(write.secondary_key);
}

}  // namespace

// Runs the task when no other write of this identity is under way; each task ends by
// end_identity_write().
void Partition::run_identity_write(const std::string& device_id, Task task) {
  const auto [waiting, first] = identity_writes_.try_emplace(device_id);
  if (first) {
    task();
  } else {
    waiting->second.push_back(std::move(task));
  }
}

void Partition::end_identity_write(const std::string& device_id) {
  const auto found = identity_writes_.find(device_id);
  if (found->second.empty()) {
    identity_writes_.erase(found);
    return;
  }
  Task next = std::move(found->second.front());
  found->second.pop_front();
  parts_.loop.post(std::move(next));
}

void Partition::create_device(IdentityWrite write, Done<DeviceView> done) {
  const std::string id = write.device_id;
  run_identity_write(id, [this, write = std::move(write), done = std::move(done)]() mutable {
    create_now(std::move(write), std::move(done));
  });
}

void Partition::create_now(IdentityWrite write, Done<DeviceView> done) {
  Identity identity{.device_id = write.device_id};
  const auto refuse = [&](Error error) {
    done(std::unexpected(std::move(error)));
    end_identity_write(identity.device_id);
  };
  if (find(write.device_id)) {
    return refuse({ErrorCode::kDeviceAlreadyExists, "a device with this id exists"});
  }
  if (one_key_only(write)) {
    return refuse({ErrorCode::kArgumentInvalid, "both symmetric keys must be given, or none"});
  }
  if (!write.authentication && write.primary_thumbprint && !write.primary_thumbprint->empty()) {
    write.authentication = AuthenticationType::kSelfSigned;
  }
  identity.primary_key = generate_key(parts_.random);
  identity.secondary_key = generate_key(parts_.random);
  apply(write, identity);
  if (const Status ok = check_identity(identity); !ok) return refuse(ok.error());
  if (const Status ok = check_backlog(); !ok) return refuse(ok.error());
  // Its place is taken before it is there: other partitions create as well.
  if (++parts_.identities > parts_.options.device_count_max) {
    --parts_.identities;
    return refuse({ErrorCode::kTooManyDevices, "the hub has as many devices as it may have"});
  }
  identity.generation_id = new_generation_id();
  identity.etag = base64_encode(parts_.random.bytes(kEtagSize));
  if (identity.iot_edge && identity.device_scope.empty()) {
    identity.device_scope =
        "ms-azure-iot-edge://" + identity.device_id + "-" + identity.generation_id;
  }
  StoredIdentity stored(std::move(identity), parts_.vault);
  store::Batch batch;
  batch.put(record_key(kDeviceKey, write.device_id), stored.record());
  commit(std::move(batch), [this, stored = std::move(stored), id = write.device_id,
                            done = std::move(done)](Status status) mutable {
    if (status) {
      auto device = std::make_shared<Device>();
      device->identity = std::move(stored);
      take_place(*device);
      count(device->identity.fields().status, +1);
      // Known before it is answered: the answer may run the next request at once.
      devices_.insert_or_assign(id, device);
      done(view(*device));
    } else {
      --parts_.identities;
      done(std::unexpected(status.error()));
    }
    end_identity_write(id);
  });
}

void Partition::update_device(IdentityWrite write, Condition condition, Done<DeviceView> done) {
  const std::string id = write.device_id;
  run_identity_write(id, [this, write = std::move(write), condition = std::move(condition),
                          done = std::move(done)]() mutable {
    update_now(std::move(write), condition, std::move(done));
  });
}

void Partition::update_now(IdentityWrite write, const Condition& condition, Done<DeviceView> done) {
  const auto refuse = [&](Error error) {
    done(std::unexpected(std::move(error)));
    end_identity_write(write.device_id);
  };
  const DevicePtr device = find(write.device_id);
  if (!device) return refuse({ErrorCode::kDeviceNotFound, "no device has this id"});
  if (const Status ok = check_condition(condition, device->identity); !ok)
    return refuse(ok.error());
  if (one_key_only(write)) {
    return refuse({ErrorCode::kArgumentInvalid, "both symmetric keys must be given, or none"});
  }
  auto opened = device->identity.open(parts_.vault);
  if (!opened) return refuse(opened.error());
  Identity& identity = *opened;
  const DeviceStatus status_before = identity.status;
  apply(write, identity);
  if (identity.authentication == AuthenticationType::kSas && identity.primary_key.empty()) {
    identity.primary_key = generate_key(parts_.random);
    identity.secondary_key = generate_key(parts_.random);
  }
  if (const Status ok = check_identity(identity); !ok) return refuse(ok.error());
  if (const Status ok = check_backlog(); !ok) return refuse(ok.error());
  if (identity.status != status_before) identity.status_updated = wall();
  identity.etag = base64_encode(parts_.random.bytes(kEtagSize));
  StoredIdentity stored(std::move(identity), parts_.vault);
  store::Batch batch;
  batch.put(record_key(kDeviceKey, write.device_id), stored.record());
  if (mutated(Mutation::kIdentityAckedEarly))
    std::exchange(done, [](const auto&) {})(view(*device));
  commit(std::move(batch), [this, device, stored = std::move(stored), id = write.device_id,
                            done = std::move(done)](Status status) mutable {
    if (status) {
      updated(*device, std::move(stored));
      done(view(*device));
    } else {
      done(std::unexpected(status.error()));
    }
    end_identity_write(id);
  });
}

// Takes the new identity and ends a connection that it no longer admits.
void Partition::updated(Device& device, StoredIdentity identity) {
  const StoredIdentity before = std::exchange(device.identity, std::move(identity));
  const IdentityFields old = before.fields();
  const IdentityFields now = device.identity.fields();
  count(old.status, -1);
  count(now.status, +1);
  if (device.link == nullptr || mutated(Mutation::kDisabledStaysConnected)) return;
  Error reason{ErrorCode::kIotHubUnauthorized, "the device's credentials were changed"};
  if (now.status == DeviceStatus::kDisabled) {
    reason = {ErrorCode::kDeviceDisabled, "the device was disabled"};
  } else if (now.authentication == old.authentication &&
             still_admits(device.identity, device.link_key, parts_.vault) &&
             now.primary_thumbprint == old.primary_thumbprint &&
             now.secondary_thumbprint == old.secondary_thumbprint) {
    return;
  }
  DeviceLink* const link = device.link;
  unlink(device);
  note_connection(device);
  link->disconnect(reason);
}

void Partition::delete_device(const std::string& device_id, Condition condition, StatusDone done) {
  run_identity_write(device_id, [this, id = device_id, condition = std::move(condition),
                                 done = std::move(done)]() mutable {
    delete_now(id, condition, std::move(done));
  });
}

void Partition::delete_now(const std::string& device_id, const Condition& condition,
                           StatusDone done) {
  const DevicePtr device = find(device_id);
  Status ok = device ? check_condition(condition, device->identity)
                     : fail(ErrorCode::kDeviceNotFound, "no device has this id");
  if (ok) ok = check_backlog();
  if (!ok) {
    done(std::move(ok));
    end_identity_write(device_id);
    return;
  }
  device->deleting = true;
  store::Batch batch;
  batch.erase(record_key(kDeviceKey, device_id));
  batch.erase(record_key(kConnectionKey, device_id));
  batch.erase(record_key(kSessionKey, device_id));
  // Messages still being committed are in earlier batches: this one removes them too.
  device->queue.for_each([&](const Message& message) {
    if (mutated(Mutation::kDeletedMessagesStay)) return;
    batch.erase(record_key(kMessageKey, message.sequence));
    if (message.delivery_count > 0) batch.erase(record_key(kCountKey, message.sequence));
  });
  commit(std::move(batch), [this, device, done = std::move(done)](Status status) mutable {
    const std::string id(device->identity.device_id());
    if (status) deleted(*device);
    done(std::move(status));
    end_identity_write(id);
  });
}

void Partition::deleted(Device& device) {
  DeviceLink* const link = device.link;
  if (link != nullptr) unlink(device);
  std::vector<Message*> messages;
  device.queue.for_each([&](Message& message) { messages.push_back(&message); });
  for (Message* message : messages) {
    drop_body(*message);
    if (message->state != Message::State::kCommitting) parts_.metrics.messages_pending.Decrement();
    tell(QueueEvent::Kind::kForgotten, device, *message);
  }
  device.queue = C2dQueue();
  if (device.expiry_watched) expiries_.erase({*device.expiry_watched, device.number});
  device.expiry_watched.reset();
  count(device.identity.fields().status, -1);
  --parts_.identities;
  places_[device.place] = places_.back();
  places_[device.place]->place = device.place;
  places_.pop_back();
  devices_.erase(devices_.find(device.identity.device_id()));
  if (link != nullptr) link->disconnect({ErrorCode::kDeviceNotFound, "the device was deleted"});
}

Result<DeviceView> Partition::get_device(std::string_view device_id) const {
  const DevicePtr device = find(device_id);
  if (!device) return fail(ErrorCode::kDeviceNotFound, "no device has this id");
  return view(*device);
}

std::string_view Partition::generation_id(std::string_view device_id) const {
  const DevicePtr device = find(device_id);
  return device ? device->identity.fields().generation_id : std::string_view();
}

Result<std::vector<DeviceView>> Partition::list_devices(size_t limit) const {
  std::vector<const Device*> found(places_.begin(), places_.end());
  const size_t count = std::min(limit, found.size());
  const auto by_id = [](const Device* device) { return device->identity.device_id(); };
  std::ranges::partial_sort(found, found.begin() + static_cast<std::ptrdiff_t>(count), {}, by_id);
  std::vector<DeviceView> views;
  views.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    auto one = view(*found[i]);
    if (!one) return std::unexpected(one.error());
    views.push_back(*std::move(one));
  }
  return views;
}

Statistics Partition::statistics() const {
  Statistics sum = totals_;
  sum.connected = links_.size();
  return sum;
}

void Partition::count(DeviceStatus status, int by) {
  const auto change = static_cast<uint64_t>(static_cast<int64_t>(by));
  totals_.devices += change;
  (status == DeviceStatus::kEnabled ? totals_.enabled : totals_.disabled) += change;
  parts_.metrics.devices_registered.Increment(by);
}

Result<DeviceView> Partition::view(const Device& device) const {
  auto identity = device.identity.open(parts_.vault);
  if (!identity) return std::unexpected(identity.error());
  DeviceView view{.identity = *std::move(identity), .connected = device.link != nullptr};
  if (device.times) {
    view.connection_state_updated = device.times->state_updated;
    view.last_activity = device.times->last_activity;
  }
  view.pending_messages = device.queue.depth();
  return view;
}

// Digits like the original's: 100-nanosecond ticks since year 1, made unique by random low digits.
std::string Partition::new_generation_id() {
  constexpr int64_t kUnixEpochTicks = 621355968000000000;
  const int64_t ticks = kUnixEpochTicks + wall().time_since_epoch().count() * 10000 +
                        static_cast<int64_t>(parts_.random.below(10000));
  last_generation_ = std::max(last_generation_ + 1, ticks);
  return fmt::format("{}", last_generation_);
}

}  // namespace linarite::hub
