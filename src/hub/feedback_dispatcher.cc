#include "hub/feedback_dispatcher.h"

#include <algorithm>
#include <utility>

namespace linarite::hub {
namespace {

// The receiver under which batches are locked between leaving their partition and reaching a
// receiver: the dispatcher itself.
constexpr ReceiverId kNoReceiver = 0;

}  // namespace

FeedbackDispatcher::FeedbackDispatcher(Loop& loop, const std::vector<Partition*>& partitions)
    : loop_(loop) {
  for (Partition* partition : partitions) sources_.push_back({partition});
}

void FeedbackDispatcher::available(size_t partition) {
  sources_[partition].available = true;
  dispatch();
}

void FeedbackDispatcher::open(ReceiverId id, Receiver receiver) {
  receivers_.emplace(id, std::move(receiver));
}

void FeedbackDispatcher::add_credit(ReceiverId id, uint32_t credit) {
  const auto found = receivers_.find(id);
  if (found == receivers_.end()) return;
  const uint32_t added = std::min(credit, UINT32_MAX - found->second.credit);
  found->second.credit += added;
  credit_ += added;
  dispatch();
}

uint32_t FeedbackDispatcher::drain_credit(ReceiverId id) {
  const auto found = receivers_.find(id);
  if (found == receivers_.end()) return 0;
  credit_ -= found->second.credit;
  return std::exchange(found->second.credit, 0);
}

void FeedbackDispatcher::close(ReceiverId id) {
  drain_credit(id);
  receivers_.erase(id);
  for (const Source& source : sources_) {
    source.partition->loop().post(
        [partition = source.partition, id] { partition->feedback().release_all(id); });
  }
}

// Asks partitions in turn for as many batches as there is credit for.
void FeedbackDispatcher::dispatch() {
  for (size_t i = 0; i < sources_.size() && asked_ < credit_; ++i) {
    const size_t partition = (next_source_ + i) % sources_.size();
    if (sources_[partition].available && !sources_[partition].asked) ask(partition);
  }
  next_source_ = (next_source_ + 1) % sources_.size();
}

void FeedbackDispatcher::ask(size_t partition) {
  sources_[partition].asked = true;
  // Said again by the partition if something comes while it is asked.
  sources_[partition].available = false;
  ++asked_;
  Partition* const source = sources_[partition].partition;
  const auto receiver = next_receiver();
  const ReceiverId id = receiver == receivers_.end() ? kNoReceiver : receiver->first;
  if (receiver != receivers_.end()) last_served_ = id;
  source->loop().post([this, partition, source, id] {
    auto batch = source->feedback().take(id);
    loop_.post([this, partition, id, batch = std::move(batch)]() mutable {
      answered(partition, id, std::move(batch));
    });
  });
}

void FeedbackDispatcher::answered(size_t partition, ReceiverId id,
                                  std::optional<FeedbackBatch> batch) {
  Source& source = sources_[partition];
  source.asked = false;
  --asked_;
  // A partition with nothing to give has cost the receiver no turn.
  if (!batch && last_served_ == id && id != kNoReceiver) last_served_ = id - 1;
  if (batch) {
    source.available = true;  // There may be more.
    const auto receiver = receivers_.find(id);
    if (receiver == receivers_.end() || receiver->second.credit == 0) {
      // It closed, or drained its credit, while the batch was on its way.
      source.partition->loop().post([from = source.partition, token = batch->token] {
        from->feedback().return_untouched(token);
      });
    } else {
      --receiver->second.credit;
      --credit_;
      receiver->second.loop->post([closed = receiver->second.closed,
                                   on_batch = receiver->second.on_batch,
                                   batch = *std::move(batch)]() mutable {
        if (!*closed) on_batch(std::move(batch));
      });
    }
  }
  dispatch();
}

// The next receiver with credit after the one served last, or end().
std::map<ReceiverId, FeedbackDispatcher::Receiver>::iterator FeedbackDispatcher::next_receiver() {
  auto it = receivers_.upper_bound(last_served_);
  for (size_t i = 0; i < receivers_.size(); ++i, ++it) {
    if (it == receivers_.end()) it = receivers_.begin();
    if (it->second.credit > 0) return it;
  }
  return receivers_.end();
}

void FeedbackDispatcher::take_one(Reply<std::optional<FeedbackBatch>> reply) {
  const size_t first = next_taken_;
  next_taken_ = (first + 1) % sources_.size();
  take_from(first, sources_.size() - 1, std::move(reply));
}

void FeedbackDispatcher::take_from(size_t partition, size_t others,
                                   Reply<std::optional<FeedbackBatch>> reply) {
  Partition* const source = sources_[partition].partition;
  source->loop().post([this, partition, others, source, reply = std::move(reply)]() mutable {
    auto batch = source->feedback().take(kNoReceiver);
    if (batch || others == 0) return reply(std::move(batch));
    loop_.post([this, partition, others, reply = std::move(reply)]() mutable {
      take_from((partition + 1) % sources_.size(), others - 1, std::move(reply));
    });
  });
}

}  // namespace linarite::hub
