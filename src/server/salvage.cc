#include "server/salvage.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <variant>

#include "base/base64.h"
#include "base/clock.h"
#include "base/manual_loop.h"
#include "hub/event_block.h"
#include "hub/event_gap.h"
#include "hub/keyring.h"
#include "hub/policies.h"
#include "hub/records.h"
#include "server/store_contents.h"
#include "store/embedded/embedded_store.h"

namespace linarite::server {
namespace {

constexpr store::PartitionId kPolicyPartition = 0;
constexpr size_t kBatchBytes = size_t{512} << 10U;
constexpr size_t kEtagSize = 9;
constexpr size_t kMemtableBytes = size_t{1} << 20U;
constexpr const char* kDisabledReason =
    "Disabled by a salvage of the store: it may have been changed or deleted since. Check it first";

// Commits to one store, one batch after the other; the first failure ends it.
class Writer {
 public:
  static Result<std::unique_ptr<Writer>> open(const std::string& path, uint32_t partitions,
                                              Logger& logger) {
    auto writer = std::make_unique<Writer>();
    auto opened = store::EmbeddedStore::open(
        {.path = path, .partition_count = partitions, .memtable_bytes = kMemtableBytes},
        writer->clock_, logger);
    if (!opened) return std::unexpected(opened.error());
    writer->store_ = *std::move(opened);
    for (store::PartitionId p = 0; p < partitions; ++p) writer->store_->attach(p, writer->loop_);
    return writer;
  }

  void begin(store::PartitionId partition) { partition_ = partition; }
  void put(std::string_view key, std::string_view value) {
    batch_.put(key, value);
    if (batch_.byte_count() > kBatchBytes) flush();
  }
  void append(std::string_view key, std::string_view value) {
    batch_.append(key, value);
    if (batch_.byte_count() > kBatchBytes) flush();
  }
  void flush() {
    if (batch_.empty() || !status_) return;
    std::optional<Status> done;
    store_->commit(partition_, std::exchange(batch_, {}),
                   [&done](Status status) { done = std::move(status); });
    loop_.run_until([&] { return done.has_value(); });
    status_ = *std::move(done);
  }
  Status close() {
    Status closed = store_->close();
    return status_ ? closed : status_;
  }

 private:
  ManualClock clock_{WallTime{}};
  ManualLoop loop_{clock_};
  std::unique_ptr<store::EmbeddedStore> store_;
  store::PartitionId partition_ = 0;
  store::Batch batch_;
  Status status_;
};

class Salvage {
 public:
  Salvage(store::ClosedStore& from, Writer& to, WallTime now, Random& random,
          const hub::KeyVault& vault)
      : from_(from), to_(to), now_(now), random_(random), vault_(vault) {
    report_.records_certain = from.records_certain();
  }

  Result<SalvageReport> run() {
    if (!report_.records_certain) {
      lose(
          "records may be missing or old: identities are disabled, policies have new keys, queued "
          "messages, feedback and sessions are left out");
    }
    for (store::PartitionId p = 0; p < from_.partition_count(); ++p) {
      partition_ = p;
      to_.begin(p);
      Status status = read_begin();
      if (status) status = report_.records_certain ? copy_records() : distrust_records();
      if (status) status = copy_log();
      if (!status) return std::unexpected(status.error());
      to_.flush();
    }
    return std::move(report_);
  }

 private:
  void lose(std::string line) { report_.losses.push_back(std::move(line)); }
  bool log_is_copied() const { return report_.records_certain && from_.log_certain(partition_); }

  Status read_begin();
  Status copy_records();
  Status distrust_records();
  Bytes identity_that_opens(ByteView value);
  Bytes policy_that_opens(ByteView value);
  Bytes keyring_that_fits(ByteView value);
  void renew_keys(hub::Identity& identity);
  void disable(hub::Identity& identity);
  Status keep_identities();
  void make_policies();
  Status leave_out_messages();
  Status leave_out(char kind, const char* what);

  Status copy_log();
  void take(ByteView key, ByteView value);
  void take_block(ByteView key, ByteView value, const hub::EventBlock& block);
  void end_log();

  store::ClosedStore& from_;
  Writer& to_;
  const WallTime now_;
  Random& random_;
  const hub::KeyVault& vault_;
  SalvageReport report_;

  store::PartitionId partition_ = 0;
  uint64_t used_sequence_ = 0;  // Message numbers below it are known to be used.
  // The log as far as it is written.
  hub::LogBegin begin_;
  bool any_ = false;
  hub::LogBegin end_;  // Number and offset of the next event, offset and time of the last.
};

Status Salvage::read_begin() {
  begin_ = {};
  const Bytes key(1, hub::kTrimmedKey);
  const Status read =
      from_.scan(partition_, key, key + '\0', [&](std::string_view, std::string_view value) {
        begin_ = hub::decode_log_begin(value).value_or(hub::LogBegin());
        return false;
      });
  end_ = begin_;
  any_ = false;
  return read;
}

Status Salvage::copy_records() {
  return from_.scan(partition_, {}, {}, [this](std::string_view key, std::string_view value) {
    const char kind = key.empty() ? '\0' : key.front();
    const bool of_log = kind == hub::kTrimmedKey || kind == hub::kGapKey;
    if (of_log && !log_is_copied()) return true;
    report_.identities += kind == hub::kDeviceKey ? 1 : 0;
    report_.messages += kind == hub::kMessageKey ? 1 : 0;
    report_.policies += kind == hub::kPolicyKey ? 1 : 0;
    if (kind == hub::kDeviceKey) {
      to_.put(key, identity_that_opens(value));
    } else if (kind == hub::kPolicyKey) {
      to_.put(key, policy_that_opens(value));
    } else {
      to_.put(key, kind == hub::kKeyringKey ? keyring_that_fits(value) : Bytes(value));
    }
    return true;
  });
}

void Salvage::disable(hub::Identity& identity) {
  if (identity.status != hub::DeviceStatus::kDisabled) {
    ++report_.identities_disabled_now;
    lose(fmt::format("partition {}: device {}: kept, disabled", partition_, identity.device_id));
    identity.status = hub::DeviceStatus::kDisabled;
    identity.status_updated = now_;
  }
  identity.status_reason = kDisabledReason;
  identity.etag = base64_encode(random_.bytes(kEtagSize));
}

void Salvage::renew_keys(hub::Identity& identity) {
  ++report_.keys_renewed;
  lose(fmt::format("partition {}: device {}: its keys can't be opened, it has new ones", partition_,
                   identity.device_id));
  if (identity.authentication != hub::AuthenticationType::kSas) return;
  identity.primary_key = hub::generate_key(random_);
  identity.secondary_key = hub::generate_key(random_);
}

// The record as it is, if its keys open. What can't be read at all is kept: it is found later.
Bytes Salvage::identity_that_opens(ByteView value) {
  auto identity = hub::decode_identity_without_keys(value);
  if (!identity || hub::decode_identity(value, vault_)) return Bytes(value);
  renew_keys(*identity);
  disable(*identity);
  return hub::encode_identity(*identity, vault_);
}

Bytes Salvage::policy_that_opens(ByteView value) {
  auto policy = hub::decode_policy_without_keys(value);
  if (!policy || hub::decode_policy(value, vault_)) return Bytes(value);
  ++report_.keys_renewed;
  lose(fmt::format("policy {}: its keys can't be opened, it has new ones", policy->name));
  policy->primary_key = hub::generate_key(random_);
  policy->secondary_key = hub::generate_key(random_);
  return hub::encode_policy(*policy, vault_);
}

Bytes Salvage::keyring_that_fits(ByteView value) {
  const auto keyring = hub::decode_keyring(value);
  if (!keyring || hub::check_keyring(*keyring, vault_)) return Bytes(value);
  return hub::encode_keyring(hub::keyring_of(vault_, /*complete=*/false));
}

Status Salvage::distrust_records() {
  used_sequence_ = 0;
  Status status = keep_identities();
  if (status) status = leave_out_messages();
  if (status) status = leave_out(hub::kFeedbackKey, "feedback records");
  if (status) status = leave_out(hub::kSessionKey, "sessions of devices");
  if (!status) return status;
  if (partition_ == kPolicyPartition) {
    make_policies();
    const Bytes key(1, hub::kHubKey);
    status = from_.scan(partition_, key, key + '\0', [&](std::string_view, std::string_view value) {
      if (hub::decode_time(value)) to_.put(key, value);
      return false;
    });
  }
  const Bytes key(1, hub::kReservedKey);
  if (status) {
    status = from_.scan(partition_, key, key + '\0', [&](std::string_view, std::string_view value) {
      used_sequence_ = std::max(used_sequence_, hub::decode_number(value).value_or(0));
      return false;
    });
  }
  to_.put(key, hub::encode_number(used_sequence_ + kSequenceJump));
  return status;
}

Status Salvage::keep_identities() {
  const Bytes begin(1, hub::kDeviceKey);
  const Bytes end(1, hub::kDeviceKey + 1);
  return from_.scan(partition_, begin, end, [this](std::string_view key, std::string_view value) {
    auto identity = hub::decode_identity_without_keys(value);
    if (!identity || key != hub::record_key(hub::kDeviceKey, identity->device_id)) return true;
    ++report_.identities;
    if (auto whole = hub::decode_identity(value, vault_)) {
      identity = std::move(whole);
    } else {
      renew_keys(*identity);
    }
    disable(*identity);
    to_.put(key, hub::encode_identity(*identity, vault_));
    return true;
  });
}

void Salvage::make_policies() {
  for (const hub::Policy& policy : hub::default_policies(random_)) {
    to_.put(hub::record_key(hub::kPolicyKey, policy.name), hub::encode_policy(policy, vault_));
    ++report_.policies;
  }
  to_.put(Bytes(1, hub::kKeyringKey),
          hub::encode_keyring(hub::keyring_of(vault_, /*complete=*/true)));
}

Status Salvage::leave_out_messages() {
  struct Queue {
    uint64_t count = 0;
    uint64_t first = 0;
    uint64_t last = 0;
  };
  std::map<std::string, Queue> queues;
  const Bytes begin(1, hub::kMessageKey);
  const Bytes end(1, hub::kMessageKey + 1);
  const Status read =
      from_.scan(partition_, begin, end, [&](std::string_view key, std::string_view value) {
        const auto sequence = hub::key_sequence(key);
        const auto header = hub::decode_message_header(value);
        if (!sequence || !header) return true;
        Queue& queue = queues[header->device_id];
        if (queue.count++ == 0) queue.first = *sequence;
        queue.last = *sequence;
        used_sequence_ = std::max(used_sequence_, *sequence + 1);
        return true;
      });
  for (const auto& [device, queue] : queues) {
    lose(
        fmt::format("partition {}: device {}: {} queued messages (numbers {} to {}) left out, for "
                    "they may have been completed",
                    partition_, device, queue.count, queue.first, queue.last));
  }
  return read;
}

Status Salvage::leave_out(char kind, const char* what) {
  uint64_t count = 0;
  const Status read = from_.scan(partition_, Bytes(1, kind), Bytes(1, static_cast<char>(kind + 1)),
                                 [&](std::string_view key, std::string_view) {
                                   ++count;
                                   if (const auto number = hub::key_sequence(key);
                                       number && kind == hub::kFeedbackKey) {
                                     used_sequence_ = std::max(used_sequence_, *number + 1);
                                   }
                                   return true;
                                 });
  if (count > 0) lose(fmt::format("partition {}: {} {} left out", partition_, count, what));
  return read;
}

Status Salvage::copy_log() {
  const Status read =
      from_.scan_log(partition_, [this](std::string_view key, std::string_view value) {
        take(key, value);
        return true;
      });
  if (read && !log_is_copied()) end_log();
  return read;
}

void Salvage::take(ByteView key, ByteView value) {
  const auto entry = hub::decode_log_entry(key, value);
  const auto* const block = entry ? std::get_if<hub::EventBlockPtr>(&*entry) : nullptr;
  if (log_is_copied()) {
    if (block != nullptr && (*block)->next() > begin_.sequence) report_.events += (*block)->size();
    to_.append(key, value);
    return;
  }
  if (!entry) {
    lose(fmt::format("partition {}: a record of the event log left out: {}", partition_,
                     entry.error().message));
    return;
  }
  // An older gap is made anew where the events around it are kept.
  if (block != nullptr) take_block(key, value, **block);
}

void Salvage::take_block(ByteView key, ByteView value, const hub::EventBlock& block) {
  if (block.next() <= begin_.sequence) return;
  if (any_ && (block.first() < end_.sequence || block.first_offset() < end_.offset)) {
    lose(fmt::format("partition {}: events {} to {} left out, for they overlap others", partition_,
                     block.first(), block.next() - 1));
    return;
  }
  if (block.first() > end_.sequence) {
    lose(fmt::format("partition {}: events {} to {} are lost", partition_, end_.sequence,
                     block.first() - 1));
    if (any_) {
      const hub::EventGap gap{.first = end_.sequence,
                              .first_offset = end_.offset,
                              .next = block.first(),
                              .next_offset = block.first_offset(),
                              .last_offset = end_.last_offset,
                              .last_enqueued = end_.last_enqueued};
      to_.append(hub::event_block_key(gap.next - 1), gap.record());
    }
  }
  if (!std::exchange(any_, true)) {
    begin_ = {.sequence = block.first(),
              .offset = block.first_offset(),
              .last_offset = 0,
              .last_enqueued = WallTime{}};
  }
  to_.append(key, value);
  report_.events += block.size();
  const hub::Event last = block.back();
  end_ = {.sequence = block.next(),
          .offset = block.next_offset(),
          .last_offset = last.offset,
          .last_enqueued = last.enqueued};
}

// Without a doubt about the log its last block knows the next number; else no number that may have
// been used is used again.
void Salvage::end_log() {
  const Bytes key(1, hub::kTrimmedKey);
  if (from_.log_certain(partition_) && any_) return to_.put(key, hub::encode_log_begin(begin_));
  const hub::EventGap jump{.first = end_.sequence,
                           .first_offset = end_.offset,
                           .next = end_.sequence + kSequenceJump,
                           .next_offset = end_.offset + kOffsetJump,
                           .last_offset = end_.last_offset,
                           .last_enqueued = end_.last_enqueued};
  lose(
      fmt::format("partition {}: events from {} on are lost, if there were any; the next event has "
                  "number {}",
                  partition_, jump.first, jump.next));
  if (any_) {
    to_.put(key, hub::encode_log_begin(begin_));
    to_.put(Bytes(1, hub::kGapKey), jump.record());
    to_.append(hub::event_block_key(jump.next - 1), jump.record());
    return;
  }
  to_.put(key, hub::encode_log_begin({.sequence = jump.next,
                                      .offset = jump.next_offset,
                                      .last_offset = jump.last_offset,
                                      .last_enqueued = jump.last_enqueued}));
}

}  // namespace

Result<SalvageReport> salvage(store::ClosedStore& from, const std::string& to, WallTime now,
                              Random& random, const hub::KeyVault& vault, Logger& logger) {
  auto writer = Writer::open(to, from.partition_count(), logger);
  if (!writer) return std::unexpected(writer.error());
  auto report = Salvage(from, **writer, now, random, vault).run();
  const Status closed = (*writer)->close();
  if (report && !closed) return std::unexpected(closed.error());
  return report;
}

}  // namespace linarite::server
