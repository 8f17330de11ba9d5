#include "hub/event_log.h"

#include <prometheus/counter.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/mutation.h"
#include "hub/event_block.h"
#include "hub/records.h"

namespace linarite::hub {
namespace {

// How often the front of the log is looked at.
constexpr Duration kTrimInterval = seconds(60);
// The log is trimmed as it grows when it is larger than its limit by this part.
constexpr uint64_t kTrimSlackPart = 16;

std::unexpected<Error> corrupt(const char* what) { return fail(ErrorCode::kStoreCorrupt, what); }

}  // namespace

EventLog::EventLog(Parts parts) : parts_(std::move(parts)) {}

EventLog::~EventLog() = default;

EventLog::End EventLog::end_of(const EventBlock& block) {
  const Event last = block.back();
  return {.sequence = block.next(),
          .offset = block.next_offset(),
          .last_offset = last.offset,
          .last_enqueued = last.enqueued};
}

EventLog::End EventLog::end_of(const LogEntry& entry) {
  if (const auto* const block = std::get_if<EventBlockPtr>(&entry)) return end_of(**block);
  const auto& gap = std::get<EventGap>(entry);
  return {.sequence = gap.next,
          .offset = gap.next_offset,
          .last_offset = gap.last_offset,
          .last_enqueued = gap.last_enqueued};
}

Status EventLog::load() {
  const auto trimmed = parts_.store.get(parts_.id, Bytes(1, kTrimmedKey));
  if (!trimmed) return std::unexpected(trimmed.error());
  if (*trimmed && !mutated(Mutation::kEventNumbersForgotten)) {
    const auto begin = decode_log_begin(**trimmed);
    if (!begin) return std::unexpected(begin.error());
    begin_ = {.sequence = begin->sequence, .offset = begin->offset};
    end_ = {.sequence = begin->sequence,
            .offset = begin->offset,
            .last_offset = begin->last_offset,
            .last_enqueued = begin->last_enqueued};
  }
  const auto jump = parts_.store.get(parts_.id, Bytes(1, kGapKey));
  if (!jump) return std::unexpected(jump.error());
  if (*jump) {
    const auto gap = EventGap::decode(**jump);
    if (!gap) return std::unexpected(gap.error());
    jump_ = *gap;
  }
  const auto last = parts_.store.last_log_record(parts_.id);
  if (!last) return std::unexpected(last.error());
  if (*last) {
    const auto entry = decode_log_entry((*last)->key, (*last)->value);
    if (!entry) return std::unexpected(entry.error());
    const End end = end_of(*entry);
    // Without any retained event the record of the trimming knows the end.
    if (end.sequence > begin_.sequence) end_ = end;
  }
  if (end_.sequence > begin_.sequence) {
    const auto stored = read_stored(begin_.sequence, 0);
    if (!stored) return std::unexpected(stored.error());
    const EventBlockPtr first = stored->empty() ? nullptr : stored->front();
    if (!first || first->first() != begin_.sequence || first->first_offset() != begin_.offset) {
      return corrupt("the event log does not begin where it was trimmed");
    }
  }
  assigned_ = end_;
  // A crash may have come between the trimming and its effect on the files.
  if (begin_.sequence > 0) {
    store::Batch batch;
    batch.trim_log(event_block_key(begin_.sequence));
    parts_.commit(std::move(batch), [](const Status&) {});
  }
  trim_later();
  return {};
}

void EventLog::append(const NewEvent& event, Done done) {
  if (event.sections.size() > kEventSectionsSizeMax ||
      event.annotations.size() > kEventAnnotationsSizeMax) {
    parts_.metrics.events_refused.Increment();
    return done(fail(ErrorCode::kMessageTooLarge, "the event is larger than 256 KB"));
  }
  const size_t collected = collecting_ ? collecting_->byte_count() : 0;
  if (Status ok = parts_.check_backlog(collected + saved_bytes_); !ok) {
    parts_.metrics.events_refused.Increment();
    return done(std::move(ok));
  }
  if (collecting_ && !collecting_->fits(event)) flush();
  if (!collecting_) {
    collecting_ = std::make_unique<EventBlockBuilder>(assigned_.sequence, assigned_.offset);
  }
  assigned_.last_enqueued = std::max(assigned_.last_enqueued, parts_.loop.clock().wall());
  const size_t before = collecting_->byte_count();
  collecting_->add(event, assigned_.last_enqueued);
  assigned_.last_offset = assigned_.offset;
  assigned_.offset += collecting_->byte_count() - before;
  ++assigned_.sequence;
  collecting_dones_.push_back(std::move(done));
  // What this turn of the loop still appends goes into the same block, and so does what comes while
  // the disk is busy with the one before.
  if (commits_ > 0 || flush_posted_) return;
  flush_posted_ = true;
  parts_.loop.post([this] {
    flush_posted_ = false;
    if (commits_ == 0) flush();
  });
}

bool EventLog::crowded() const {
  return !parts_.check_backlog(parts_.backlog_bytes_max / 2 + saved_bytes_);
}

void EventLog::flush() {
  if (!collecting_) return;
  EventBlockPtr block = std::exchange(collecting_, nullptr)->finish();
  store::Batch batch;
  Bytes stored = block->stored();
  const size_t saved = block->byte_count() - stored.size();
  batch.append(event_block_key(block->next() - 1), std::move(stored));
  ++commits_;
  saved_bytes_ += saved;
  if (mutated(Mutation::kEventSeenEarly)) show(block);
  if (mutated(Mutation::kEventAckedEarly)) answer(std::exchange(collecting_dones_, {}), {});
  parts_.commit(std::move(batch),
                [this, saved, block = std::move(block),
                 dones = std::exchange(collecting_dones_, {})](const Status& status) mutable {
                  saved_bytes_ -= saved;
                  durable(block, std::move(dones), status);
                });
}

void EventLog::durable(const EventBlockPtr& block, std::vector<Done> dones, const Status& status) {
  --commits_;
  if (status) {
    if (!mutated(Mutation::kEventSeenEarly)) show(block);
    parts_.metrics.events_appended.Increment(static_cast<double>(block->size()));
    parts_.metrics.event_bytes_appended.Increment(static_cast<double>(block->byte_count()));
  } else {
    parts_.metrics.events_refused.Increment(static_cast<double>(block->size()));
  }
  if (commits_ == 0) flush();
  answer(std::move(dones), status);
  if (!status) return;
  if (!mutated(Mutation::kWatchNotWoken)) tell_watches();
  const uint64_t limit = parts_.options.log_bytes_max;
  if (retained_bytes() > limit + limit / kTrimSlackPart) trim();
  trim_later();
}

void EventLog::show(const EventBlockPtr& block) {
  end_ = end_of(*block);
  tail_.push_back(block);
  tail_bytes_ += block->memory_bytes();
  while (tail_bytes_ > parts_.options.tail_cache_bytes && !tail_.empty()) {
    tail_bytes_ -= tail_.front()->memory_bytes();
    tail_.pop_front();
  }
}

void EventLog::answer(std::vector<Done> dones, const Status& status) {
  for (Done& done : dones) done(status);
}

// A watch may be added or removed from inside a call.
void EventLog::tell_watches() {
  std::vector<WatchId> ids;
  ids.reserve(watches_.size());
  for (const auto& watch : watches_) ids.push_back(watch.first);
  for (const WatchId id : ids) {
    const auto found = watches_.find(id);
    if (found == watches_.end()) continue;
    const auto on_more = found->second;
    on_more();
  }
}

EventLogState EventLog::state() const {
  return {.first_sequence = begin_.sequence,
          .next_sequence = end_.sequence,
          .last_offset = end_.last_offset,
          .last_enqueued = end_.last_enqueued};
}

Result<uint64_t> EventLog::find(const EventPosition& position) const {
  const uint64_t number = position.number;
  const bool inclusive = position.inclusive;
  switch (position.kind) {
    case EventPosition::Kind::kStart:
      return begin_.sequence;
    case EventPosition::Kind::kLatest:
      return end_.sequence;
    case EventPosition::Kind::kSequence:
      if (mutated(Mutation::kPositionOffByOne)) return std::max(begin_.sequence, number);
      return std::max(begin_.sequence, inclusive || number == UINT64_MAX ? number : number + 1);
    case EventPosition::Kind::kOffset:
      return search([number, inclusive](const Event& event) {
        return inclusive ? event.offset >= number : event.offset > number;
      });
    case EventPosition::Kind::kEnqueued:
      return search([time = position.time, inclusive](const Event& event) {
        return inclusive ? event.enqueued >= time : event.enqueued > time;
      });
  }
  return begin_.sequence;
}

Result<uint64_t> EventLog::search(const std::function<bool(const Event&)>& reached) const {
  uint64_t low = begin_.sequence;
  uint64_t high = end_.sequence;
  while (low < high) {
    const uint64_t middle = low + (high - low) / 2;
    const auto block = read(middle);
    if (!block) return std::unexpected(block.error());
    if (*block == nullptr || (*block)->first() >= high) {
      high = middle;  // From there on is nothing but a gap.
      continue;
    }
    const EventBlock& events = **block;
    if (!reached(events.back())) {
      low = events.next();
    } else if (reached(events.at(0))) {
      high = std::max(low, events.first());
    } else {
      size_t before = 0;  // Not reached there, but at `after`.
      size_t after = events.size() - 1;
      while (after - before > 1) {
        const size_t between = before + (after - before) / 2;
        (reached(events.at(between)) ? after : before) = between;
      }
      return events.first() + after;
    }
  }
  return low;
}

Result<EventBlockPtr> EventLog::read(uint64_t sequence) const {
  auto blocks = read_until(sequence, 0);
  if (!blocks) return std::unexpected(blocks.error());
  return blocks->empty() ? nullptr : blocks->front();
}

Result<EventBlocks> EventLog::read_on(uint64_t sequence) const {
  return read_until(sequence, kEventReadBytes);
}

Result<EventBlocks> EventLog::read_until(uint64_t sequence, size_t bytes) const {
  const uint64_t wanted = std::max(sequence, begin_.sequence);
  if (wanted >= end_.sequence) return EventBlocks();
  if (tail_.empty() || wanted < tail_.front()->first()) return read_stored(wanted, bytes);
  const auto behind = std::ranges::upper_bound(tail_, wanted, {},
                                               [](const EventBlockPtr& b) { return b->first(); });
  EventBlocks blocks;
  size_t read = 0;
  for (auto block = std::prev(behind); block != tail_.end(); ++block) {
    blocks.push_back(*block);
    read += (*block)->byte_count();
    if (read >= bytes) break;
  }
  return blocks;
}

Result<EventBlocks> EventLog::read_stored(uint64_t sequence, size_t bytes) const {
  EventBlocks blocks;
  Status decoded;
  uint64_t wanted = sequence;
  size_t read = 0;
  const auto take = [&](std::string_view key, std::string_view value) {
    const auto entry = decode_log_entry(key, value);
    if (!entry) {
      decoded = std::unexpected(entry.error());
      return false;
    }
    if (const auto* const gap = std::get_if<EventGap>(&*entry); gap != nullptr) {
      if (gap->first > wanted) {
        decoded = corrupt("a block of events is missing");
        return false;
      }
      // What lies behind a gap is read by a question of its own.
      wanted = gap->next;
      return blocks.empty() && wanted < end_.sequence;
    }
    const auto& block = std::get<EventBlockPtr>(*entry);
    const bool fits = blocks.empty() ? block->first() <= wanted : block->first() == wanted;
    if (!fits) {
      decoded = corrupt("a block of events is missing");
      return false;
    }
    wanted = block->next();
    read += block->byte_count();
    blocks.push_back(block);
    return read < bytes && wanted < end_.sequence;
  };
  const Status scanned = parts_.store.scan_log(parts_.id, event_block_key(sequence), {}, take);
  if (!scanned) return std::unexpected(scanned.error());
  if (!decoded) return std::unexpected(decoded.error());
  if (blocks.empty() && wanted < end_.sequence) return corrupt("a block of events is missing");
  return blocks;
}

EventLog::WatchId EventLog::watch(std::function<void()> on_more) {
  watches_.emplace(++last_watch_, std::move(on_more));
  return last_watch_;
}

void EventLog::unwatch(WatchId watch) { watches_.erase(watch); }

void EventLog::trim_later() {
  if (trim_timer_ != 0 || end_.sequence == begin_.sequence) return;
  trim_timer_ = parts_.loop.run_after(kTrimInterval, [this] {
    trim_timer_ = 0;
    trim();
    trim_later();
  });
}

// Whole blocks only: one that holds an event which is to be kept stays.
void EventLog::trim() {
  if (trimming_ || end_.sequence == begin_.sequence) return;
  const WallTime oldest =
      parts_.loop.clock().wall() -
      std::chrono::duration_cast<std::chrono::milliseconds>(parts_.options.retention);
  const uint64_t bytes = retained_bytes();
  const uint64_t too_many =
      bytes > parts_.options.log_bytes_max ? bytes - parts_.options.log_bytes_max : 0;
  const uint64_t offset = begin_.offset + too_many;
  const auto first = read(begin_.sequence);
  if (first && *first != nullptr && (*first)->back().enqueued >= oldest && too_many == 0) return;
  const auto keep = search([oldest, offset](const Event& event) {
    return event.enqueued >= oldest && event.offset >= offset;
  });
  const Status trimmed = keep ? trim_to(*keep) : Status(std::unexpected(keep.error()));
  if (!trimmed) parts_.metrics.store_failures.Increment();
}

uint64_t EventLog::retained_bytes() const {
  const uint64_t bytes = end_.offset - begin_.offset;
  return begin_.sequence < jump_.next ? bytes - (jump_.next_offset - jump_.first_offset) : bytes;
}

Status EventLog::trim_to(uint64_t sequence) {
  if (sequence <= begin_.sequence) return {};
  Begin begin{.sequence = end_.sequence, .offset = end_.offset};
  End before = end_;
  if (sequence < end_.sequence) {
    const auto block = read(sequence);
    if (!block) return std::unexpected(block.error());
    if (*block != nullptr) {
      begin = {.sequence = (*block)->first(), .offset = (*block)->first_offset()};
      before = {};  // The events that stay know the end.
    }
    if (mutated(Mutation::kTrimOneBlockMore) && *block && (*block)->next() < end_.sequence) {
      begin = {.sequence = (*block)->next(), .offset = (*block)->next_offset()};
    }
  }
  if (begin.sequence <= begin_.sequence) return {};
  store::Batch batch;
  batch.put(Bytes(1, kTrimmedKey), encode_log_begin({.sequence = begin.sequence,
                                                     .offset = begin.offset,
                                                     .last_offset = before.last_offset,
                                                     .last_enqueued = before.last_enqueued}));
  batch.trim_log(event_block_key(begin.sequence));
  trimming_ = true;
  // The store forgets them before it says so, and nobody may look for them meanwhile. If it fails,
  // the next trim takes them along.
  const uint64_t count = begin.sequence - std::exchange(begin_, begin).sequence;
  while (!tail_.empty() && tail_.front()->next() <= begin_.sequence) {
    tail_bytes_ -= tail_.front()->memory_bytes();
    tail_.pop_front();
  }
  parts_.commit(std::move(batch), [this, count](const Status& status) {
    trimming_ = false;
    if (status) parts_.metrics.events_trimmed.Increment(static_cast<double>(count));
  });
  return {};
}

}  // namespace linarite::hub
