#include "server/store_contents.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <utility>
#include <variant>

#include "hub/event_block.h"
#include "hub/event_gap.h"
#include "hub/records.h"

namespace linarite::server {
namespace {

constexpr size_t kProblemsMax = 100;

class Reader {
 public:
  Reader(store::ClosedStore& store, const hub::KeyVault& vault) : store_(store), vault_(vault) {}

  Result<StoreContents> run() {
    for (store::PartitionId p = 0; p < store_.partition_count(); ++p) {
      partition_ = p;
      devices_.clear();
      messages_.clear();
      begin_.reset();
      Status read = store_.scan(p, {}, {}, [this](std::string_view key, std::string_view value) {
        record(key, value);
        return true;
      });
      if (read) read = read_log();
      if (read) continue;
      if (read.error().code != ErrorCode::kStoreCorrupt) return std::unexpected(read.error());
      problem(read.error().message);
    }
    return std::move(out_);
  }

 private:
  void problem(const std::string& text) {
    if (out_.problems.size() >= kProblemsMax) return;
    out_.problems.push_back(fmt::format("partition {}: {}", partition_, text));
  }
  template <class T>
  const T* sound(const Result<T>& decoded) {
    if (decoded) return &*decoded;
    problem(decoded.error().message);
    return nullptr;
  }

  // The same without keys, if they can't be opened: that is no damage of the store.
  template <class T>
  Result<T> opened(Result<T> decoded, Result<T> (*without_keys)(ByteView), ByteView value) {
    if (decoded || decoded.error().code != ErrorCode::kMasterKeyUnusable) return decoded;
    ++out_.unopened;
    return without_keys(value);
  }

  void record(std::string_view key, std::string_view value);
  void message(std::string_view key, std::string_view value);
  Status read_log();
  void entry(const hub::LogEntry& entry);

  store::ClosedStore& store_;
  const hub::KeyVault& vault_;
  StoreContents out_;
  store::PartitionId partition_ = 0;
  std::set<std::string, std::less<>> devices_;
  std::set<uint64_t> messages_;
  std::optional<hub::LogBegin> begin_;
  uint64_t next_ = 0;  // Of the log.
  bool any_ = false;
};

void Reader::record(std::string_view key, std::string_view value) {
  switch (key.empty() ? '\0' : key.front()) {
    case hub::kConnectionKey:
      sound(hub::decode_connection_times(value));
      return;
    case hub::kDeviceKey: {
      const auto identity =
          opened(hub::decode_identity(value, vault_), hub::decode_identity_without_keys, value);
      if (!sound(identity)) return;
      ++out_.identities;
      if (identity->status == hub::DeviceStatus::kDisabled) ++out_.disabled;
      devices_.insert(identity->device_id);
      return;
    }
    case hub::kFeedbackKey:
      if (sound(hub::decode_feedback(value))) ++out_.feedback;
      return;
    case hub::kGapKey:
      sound(hub::EventGap::decode(value));
      return;
    case hub::kHubKey:
      sound(hub::decode_time(value));
      return;
    case hub::kKeyringKey:
      sound(hub::decode_keyring(value));
      return;
    case hub::kMessageKey:
    case hub::kCountKey:
      return message(key, value);
    case hub::kPolicyKey:
      if (sound(
              opened(hub::decode_policy(value, vault_), hub::decode_policy_without_keys, value))) {
        ++out_.policies;
      }
      return;
    case hub::kReservedKey:
      sound(hub::decode_number(value));
      return;
    case hub::kSessionKey:
      if (sound(hub::decode_session(value))) ++out_.sessions;
      return;
    case hub::kTrimmedKey:
      if (const auto begin = hub::decode_log_begin(value); sound(begin)) begin_ = *begin;
      return;
    default:
      problem("a record of an unknown kind");
  }
}

void Reader::message(std::string_view key, std::string_view value) {
  const auto sequence = hub::key_sequence(key);
  if (!sequence) return problem("a message key can't be read");
  if (key.front() == hub::kCountKey) {
    if (!messages_.contains(*sequence)) problem("a delivery count belongs to no message");
    sound(hub::decode_number(value));
    return;
  }
  const auto message = hub::decode_message(value);
  if (!sound(message)) return;
  ++out_.messages;
  messages_.insert(*sequence);
  if (!devices_.contains(message->header.device_id)) {
    problem("a stored message belongs to no device");
  }
}

Status Reader::read_log() {
  next_ = begin_ ? begin_->sequence : 0;
  any_ = false;
  return store_.scan_log(partition_, [this](std::string_view key, std::string_view value) {
    const auto read = hub::decode_log_entry(key, value);
    if (!read) {
      problem(read.error().message);
    } else {
      entry(*read);
    }
    return true;
  });
}

void Reader::entry(const hub::LogEntry& entry) {
  const auto* const gap = std::get_if<hub::EventGap>(&entry);
  const hub::EventBlockPtr block = gap ? nullptr : std::get<hub::EventBlockPtr>(entry);
  const uint64_t first = gap ? gap->first : block->first();
  const uint64_t next = gap ? gap->next : block->next();
  if (next <= next_ && !any_) return;  // Trimmed, and still there.
  if (first != next_) {
    problem(fmt::format("events {} to {} are missing from the log", next_, first));
  }
  any_ = true;
  next_ = next;
  if (gap) return;
  out_.events += block->size();
  auto& ranges = out_.event_ranges;
  if (!ranges.empty() && ranges.back().partition == partition_ && ranges.back().next == first) {
    ranges.back().next = next;
  } else {
    ranges.push_back({.partition = partition_, .first = first, .next = next});
  }
}

}  // namespace

Result<StoreContents> read_contents(store::ClosedStore& store, const hub::KeyVault& vault) {
  return Reader(store, vault).run();
}

}  // namespace linarite::server
