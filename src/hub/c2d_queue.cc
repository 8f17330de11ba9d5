#include "hub/c2d_queue.h"

#include <algorithm>

#include "base/check.h"
#include "base/mutation.h"

namespace linarite::hub {
namespace {

// Removed messages before the head are dropped from the vector when there are this many of them and
// they are at least half of it, so that each message is moved at most once on average.
constexpr size_t kCompactionMin = 16;

}  // namespace

QueuedMessage& C2dQueue::add(QueuedMessage message) {
  CHECK(messages_.size() == head_ || messages_.back().sequence < message.sequence);
  ++depth_;
  bytes_ += message.size;
  messages_.push_back(std::move(message));
  return messages_.back();
}

QueuedMessage* C2dQueue::find(uint64_t sequence) {
  const auto begin = messages_.begin() + static_cast<std::ptrdiff_t>(head_);
  const auto found =
      std::ranges::lower_bound(begin, messages_.end(), sequence, {}, &QueuedMessage::sequence);
  if (found == messages_.end() || found->sequence != sequence) return nullptr;
  return found->state == State::kRemoved ? nullptr : &*found;
}

QueuedMessage* C2dQueue::next_ready() {
  while (cursor_ < messages_.size() && messages_[cursor_].state != State::kReady) {
    // What is still being committed becomes ready later: the cursor must not pass it.
    if (messages_[cursor_].state == State::kCommitting) return nullptr;
    ++cursor_;
  }
  const bool second =
      cursor_ + 1 < messages_.size() && messages_[cursor_ + 1].state == State::kReady;
  if (mutated(Mutation::kOrderSwapped) && second) return &messages_[cursor_ + 1];
  return cursor_ < messages_.size() ? &messages_[cursor_] : nullptr;
}

void C2dQueue::make_ready(QueuedMessage& message) {
  message.state = State::kReady;
  message.nonce = 0;
  if (mutated(Mutation::kHeadNotMovedBack)) return;
  cursor_ = std::min(cursor_, static_cast<size_t>(&message - messages_.data()));
}

void C2dQueue::remove(QueuedMessage& message) {
  CHECK(message.state != State::kRemoved);
  --depth_;
  bytes_ -= message.size;
  message.state = State::kRemoved;
  message.cached.reset();
  drop_removed_front();
}

void C2dQueue::drop_removed_front() {
  while (head_ < messages_.size() && messages_[head_].state == State::kRemoved) ++head_;
  if (head_ == messages_.size()) {
    // An emptied queue gives its memory back once it had grown beyond the usual depth.
    if (messages_.capacity() > 64) {
      std::vector<QueuedMessage>().swap(messages_);
    } else {
      messages_.clear();
    }
    head_ = cursor_ = 0;
    return;
  }
  if (head_ >= kCompactionMin && head_ * 2 >= messages_.size()) {
    messages_.erase(messages_.begin(), messages_.begin() + static_cast<std::ptrdiff_t>(head_));
    cursor_ -= std::min(cursor_, head_);
    head_ = 0;
  }
}

std::optional<WallTime> C2dQueue::earliest_expiry() const {
  std::optional<WallTime> earliest;
  for (size_t i = head_; i < messages_.size(); ++i) {
    const QueuedMessage& message = messages_[i];
    if (message.state == State::kRemoved || message.state == State::kRemoving) continue;
    if (!earliest || message.expiry < *earliest) earliest = message.expiry;
  }
  return earliest;
}

}  // namespace linarite::hub
