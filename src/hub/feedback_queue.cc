#include "hub/feedback_queue.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/mutation.h"
#include "hub/records.h"

namespace linarite::hub {
namespace {

// Records kept in memory besides the store, so that the usual case reads nothing back.
constexpr size_t kCachedRecordsMax = 65536;
// The original's batching: 64 records, or 15 s after the previous batch.
constexpr Duration kBatchInterval = seconds(15);
constexpr Duration kExpiryInterval = seconds(30);

}  // namespace

size_t FeedbackQueue::TokenHash::operator()(const FeedbackToken& token) const {
  size_t value;  // A token is random but for its first two bytes.
  std::memcpy(&value, token.data() + token.size() - sizeof(value), sizeof(value));
  return value;
}

FeedbackQueue::FeedbackQueue(Parts parts)
    : parts_(std::move(parts)), last_batch_(parts_.loop.clock().now()) {}

void FeedbackQueue::add(uint64_t sequence, FeedbackRecord record) {
  add_loaded(sequence, record);
  if (cached_count_ < kCachedRecordsMax) {
    records_.back().cached = std::make_unique<FeedbackRecord>(std::move(record));
    ++cached_count_;
  }
  notify();
}

void FeedbackQueue::add_loaded(uint64_t sequence, const FeedbackRecord& record) {
  const auto ttl = std::chrono::ceil<std::chrono::milliseconds>(parts_.options.ttl);
  records_.push_back({.sequence = sequence, .expires = record.enqueued + ttl});
  ++ready_;
  parts_.metrics.feedback_pending.Increment();
  if (expiry_timer_ == 0) {
    expiry_timer_ = parts_.loop.run_after(kExpiryInterval, [this] {
      expiry_timer_ = 0;
      drop_expired();
    });
  }
}

FeedbackQueue::Entry* FeedbackQueue::find(uint64_t sequence) {
  const auto found = std::ranges::lower_bound(records_, sequence, {}, &Entry::sequence);
  if (found == records_.end() || found->sequence != sequence) return nullptr;
  return &*found;
}

// With batching on, whether a batch may leave; arms the timer of the next one if not.
bool FeedbackQueue::due() {
  if (!parts_.options.batched || ready_ >= kFeedbackBatchMax) return true;
  const Instant next = last_batch_ + kBatchInterval;
  if (parts_.loop.clock().now() >= next) return true;
  if (batch_timer_ == 0) {
    batch_timer_ = parts_.loop.run_at(next, [this] {
      batch_timer_ = 0;
      notify();
    });
  }
  return false;
}

// Makes the record's text available; false if its time is over, its device is gone or it is
// damaged.
bool FeedbackQueue::load(Entry& entry) {
  if (entry.expires <= parts_.loop.clock().wall()) return false;
  if (!entry.cached) {
    const auto value = parts_.store.get(parts_.partition, record_key(kFeedbackKey, entry.sequence));
    if (!value || !*value) return false;
    auto record = decode_feedback(**value);
    if (!record) return false;
    entry.cached = std::make_unique<FeedbackRecord>(*std::move(record));
    ++cached_count_;
  }
  return parts_.device_exists(*entry.cached);
}

FeedbackToken FeedbackQueue::new_token() {
  FeedbackToken token;
  parts_.random.fill(reinterpret_cast<char*>(token.data()), token.size());
  // The first two bytes name the partition, so that a token finds its way back.
  token[0] = static_cast<uint8_t>(parts_.partition >> 8U);
  token[1] = static_cast<uint8_t>(parts_.partition & 0xFFU);
  return token;
}

std::optional<FeedbackBatch> FeedbackQueue::take(uint64_t receiver) {
  if (ready_ == 0 || !due()) return std::nullopt;
  FeedbackBatch batch;
  std::vector<uint64_t> sequences;
  std::vector<uint64_t> dead;
  auto next = std::ranges::lower_bound(records_, first_ready_, {}, &Entry::sequence);
  for (; next != records_.end() && sequences.size() < kFeedbackBatchMax; ++next) {
    Entry& entry = *next;
    first_ready_ = entry.sequence + 1;
    if (entry.state != Entry::State::kReady) continue;
    entry.state = Entry::State::kLocked;
    --ready_;
    if (!load(entry)) {
      dead.push_back(entry.sequence);
      continue;
    }
    sequences.push_back(entry.sequence);
    batch.records.push_back(*entry.cached);
    batch.enqueued = std::max(batch.enqueued, entry.cached->enqueued);
  }
  if (!dead.empty()) drop(std::move(dead), [](const Status&) {});
  if (sequences.empty()) return std::nullopt;
  last_batch_ = parts_.loop.clock().now();
  batch.token = new_token();
  const TimerId timer =
      parts_.loop.run_after(parts_.options.lock_duration, [this, token = batch.token] {
        const auto found = locks_.find(token);
        if (found == locks_.end()) return;
        const std::vector<uint64_t> back = std::move(found->second.sequences);
        locks_.erase(found);
        give_back(back, true);
      });
  locks_.emplace(batch.token, Lock{receiver, std::move(sequences), timer});
  return batch;
}

void FeedbackQueue::settle(const FeedbackToken& token, FeedbackSettlement how, Answer answer) {
  const auto found = locks_.find(token);
  if (found == locks_.end()) {
    answer(fail(ErrorCode::kDeviceMessageLockLost, "the lock on this feedback has ended"));
    return;
  }
  std::vector<uint64_t> sequences = std::move(found->second.sequences);
  parts_.loop.cancel(found->second.timer);
  locks_.erase(found);
  if (how == FeedbackSettlement::kRelease || mutated(Mutation::kFeedbackComesBack)) {
    give_back(sequences, true);
    answer({});
    return;
  }
  if (how == FeedbackSettlement::kAccept) {
    parts_.metrics.feedback_delivered.Increment(static_cast<double>(sequences.size()));
  }
  drop(std::move(sequences), std::move(answer));
}

void FeedbackQueue::return_untouched(const FeedbackToken& token) {
  const auto found = locks_.find(token);
  if (found == locks_.end()) return;
  const std::vector<uint64_t> back = std::move(found->second.sequences);
  parts_.loop.cancel(found->second.timer);
  locks_.erase(found);
  give_back(back, /*count=*/false);
}

void FeedbackQueue::release_all(uint64_t receiver) {
  for (auto it = locks_.begin(); it != locks_.end();) {
    if (it->second.receiver != receiver) {
      ++it;
      continue;
    }
    const std::vector<uint64_t> back = std::move(it->second.sequences);
    parts_.loop.cancel(it->second.timer);
    it = locks_.erase(it);
    give_back(back, false);
  }
}

void FeedbackQueue::give_back(const std::vector<uint64_t>& sequences, bool count) {
  std::vector<uint64_t> dead;
  for (const uint64_t sequence : sequences) {
    Entry* entry = find(sequence);
    if (entry == nullptr || entry->state != Entry::State::kLocked) continue;
    if (count && ++entry->delivery_count >= parts_.options.delivery_count_max) {
      dead.push_back(sequence);
      continue;
    }
    entry->state = Entry::State::kReady;
    first_ready_ = std::min(first_ready_, sequence);
    ++ready_;
  }
  if (!dead.empty()) drop(std::move(dead), [](const Status&) {});
  if (ready_ > 0) notify();
}

// Removes locked records, durably.
void FeedbackQueue::drop(std::vector<uint64_t> sequences, Answer answer) {
  store::Batch batch;
  for (const uint64_t sequence : sequences) batch.erase(record_key(kFeedbackKey, sequence));
  if (mutated(Mutation::kFeedbackAckedEarly)) std::exchange(answer, [](const auto&) {})({});
  parts_.store.commit(
      parts_.partition, std::move(batch),
      [this, sequences = std::move(sequences), answer = std::move(answer)](Status status) mutable {
        if (status) forget(sequences);
        answer(std::move(status));
      });
}

void FeedbackQueue::forget(const std::vector<uint64_t>& sequences) {
  for (const uint64_t sequence : sequences) {
    Entry* entry = find(sequence);
    if (entry == nullptr || entry->state == Entry::State::kGone) continue;
    entry->state = Entry::State::kGone;
    if (entry->cached) --cached_count_;
    entry->cached.reset();
    parts_.metrics.feedback_pending.Decrement();
  }
  while (!records_.empty() && records_.front().state == Entry::State::kGone) records_.pop_front();
}

void FeedbackQueue::drop_expired() {
  const WallTime now = parts_.loop.clock().wall();
  std::vector<uint64_t> dead;
  for (Entry& entry : records_) {
    if (entry.expires > now || dead.size() == kCachedRecordsMax) break;
    if (entry.state != Entry::State::kReady) continue;
    entry.state = Entry::State::kLocked;
    --ready_;
    dead.push_back(entry.sequence);
  }
  if (!dead.empty()) drop(std::move(dead), [](const Status&) {});
  if (records_.empty()) return;
  expiry_timer_ = parts_.loop.run_after(kExpiryInterval, [this] {
    expiry_timer_ = 0;
    drop_expired();
  });
}

}  // namespace linarite::hub
