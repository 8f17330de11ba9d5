#include "sim/event_oracle.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "amqp/message.h"
#include "base/text.h"
#include "hub/event_block.h"

namespace linarite::sim {
namespace {

constexpr size_t kNumberDigitsMax = 20;  // Of a number of 64 bits.

bool is_zeros(std::string_view text) {
  return text.empty() || (text[0] == '0' && text.substr(1) == text.substr(0, text.size() - 1));
}

WallTime oldest_kept(const hub::Hub& hub) {
  return hub.clock().wall() -
         std::chrono::duration_cast<std::chrono::milliseconds>(hub.options().events.retention);
}

}  // namespace

const EventOracle::Log EventOracle::kNoLog{};

const EventOracle::Log& EventOracle::log(uint32_t partition) const {
  const auto found = logs_.find(partition);
  return found == logs_.end() ? kNoLog : found->second;
}

uint64_t EventOracle::sent(ConnectionNumber connection) {
  events_.push_back({.connection = connection});
  return events_.size() - 1;
}

std::string EventOracle::read(const hub::Hub& hub, bool again) {
  for (uint32_t i = 0; i < hub.partition_count(); ++i) {
    Log& log = logs_[i];
    const hub::EventLog& from = hub.partition(i).events();
    const hub::EventLogState state = from.state();
    if (again) {
      // What was being trimmed may have stayed.
      log.first = std::min(log.first, state.first_sequence);
      log.next = state.first_sequence;
    }
    if (log.first == state.first_sequence && log.next == state.next_sequence) continue;
    std::string wrong = state.next_sequence < log.seen.size() ? "events that a reader saw are gone"
                                                              : read_log(from, log);
    if (wrong.empty()) wrong = check_trimming(hub, state, log);
    if (!wrong.empty()) return fmt::format("partition {}: {}", i, wrong);
  }
  return {};
}

// Each event that is gone was too old, or there were too many bytes behind it.
std::string EventOracle::check_trimming(const hub::Hub& hub, const hub::EventLogState& state,
                                        Log& log) {
  if (state.first_sequence < log.first) return "trimmed events are there again";
  if (state.first_sequence > log.seen.size()) return "events are gone before they were there";
  const uint64_t limit = hub.options().events.log_bytes_max;
  for (; log.first < state.first_sequence; ++log.first) {
    const Sight& gone = log.seen[log.first];
    if (gone.enqueued >= oldest_kept(hub) && gone.offset + limit >= log.end_offset) {
      return fmt::format("event {} is gone before its time", log.first);
    }
  }
  return {};
}

std::string EventOracle::read_log(const hub::EventLog& from, Log& log) {
  while (true) {
    const auto block = from.read(log.next);
    if (!block) return block.error().message;
    if (*block == nullptr) return {};
    if ((*block)->first() > log.next || (*block)->next() <= log.next) return "a gap in the log";
    for (; log.next < (*block)->next(); ++log.next) {
      const hub::Event event = (*block)->at(log.next - (*block)->first());
      if (event.sequence != log.next) return "an event has a wrong number";
      if (std::string wrong = check(event, log); !wrong.empty()) {
        return fmt::format("event {}: {}", event.sequence, wrong);
      }
    }
    log.end_offset = (*block)->next_offset();
  }
}

std::string EventOracle::read_number(const hub::Event& event, uint64_t& number) {
  amqp::MessageView message;
  if (!amqp::read_message(event.sections, message)) return "its sections can't be read";
  // Its number, behind any count of zeros (hub_reader.cc).
  const Bytes text = message.data();
  const size_t first = text.size() - std::min(text.size(), kNumberDigitsMax);
  const auto read = whole_number<uint64_t>(std::string_view(text).substr(first));
  if (!read || !is_zeros(std::string_view(text).substr(0, first))) return "no device sent it";
  number = *read;
  return {};
}

std::string EventOracle::check(const hub::Event& event, Log& log) {
  uint64_t number = 0;
  if (std::string wrong = read_number(event, number); !wrong.empty()) return wrong;
  if (number >= events_.size()) return "no device sent it";
  if (event.sequence < log.seen.size()) {
    const Sight& before = log.seen[event.sequence];
    return before.number == number && before.offset == event.offset &&
                   before.enqueued == event.enqueued
               ? std::string()
               : "it was another one before";
  }
  SentEvent& sent = events_[number];
  if (std::exchange(sent.seen, true)) return "it is there twice";
  const auto [last, first] = last_seen_.try_emplace(sent.connection, number);
  if (!first && last->second > number) return "it comes before one that was sent later";
  last->second = number;
  if (!log.seen.empty() && event.offset <= log.seen.back().offset)
    return "its offset does not rise";
  if (!log.seen.empty() && event.enqueued < log.seen.back().enqueued) {
    return "its time runs backwards";
  }
  log.seen.push_back({event.sequence, event.offset, event.enqueued, number});
  return {};
}

std::string EventOracle::reader_saw(uint32_t partition, const hub::Event& event,
                                    uint64_t expected) const {
  uint64_t number = 0;
  if (std::string wrong = read_number(event, number); !wrong.empty()) return wrong;
  return reader_saw(partition, Sight{event.sequence, event.offset, event.enqueued, number},
                    expected);
}

std::string EventOracle::reader_saw(uint32_t partition, const Sight& sight,
                                    uint64_t expected) const {
  ++read_count_;
  const Log& known = log(partition);
  const std::string where = fmt::format("a reader of partition {} at {} was given event {}",
                                        partition, expected, sight.sequence);
  if (sight.sequence >= known.seen.size()) return where + ", which is not durable";
  if (sight.sequence < expected) return where + " again";
  if (sight.sequence > expected && sight.sequence > known.first) return where + ": a hole";
  const Sight& there = known.seen[sight.sequence];
  const bool same = there.offset == sight.offset && there.enqueued == sight.enqueued &&
                    there.number == sight.number;
  return same ? std::string() : where + ", but with another content";
}

uint64_t EventOracle::start(uint32_t partition, const hub::EventPosition& position) const {
  const Log& known = log(partition);
  using Kind = hub::EventPosition::Kind;
  if (position.kind == Kind::kStart) return known.first;
  if (position.kind == Kind::kLatest) return known.seen.size();
  if (position.kind == Kind::kSequence) {
    return std::max(known.first, position.number + (position.inclusive ? 0 : 1));
  }
  const auto before = [&position](const Sight& sight) {
    if (position.kind == Kind::kOffset) {
      return position.inclusive ? sight.offset < position.number : sight.offset <= position.number;
    }
    return position.inclusive ? sight.enqueued < position.time : sight.enqueued <= position.time;
  };
  const auto found = std::ranges::find_if_not(known.seen, before);
  return std::max(known.first, static_cast<uint64_t>(found - known.seen.begin()));
}

std::string EventOracle::finished() const {
  for (size_t i = 0; i < events_.size(); ++i) {
    if (events_[i].acknowledged && !events_[i].seen) {
      return fmt::format("event {} was acknowledged and is lost", i);
    }
  }
  return {};
}

std::string EventOracle::trimmed(const hub::Hub& hub) const {
  const hub::EventOptions& options = hub.options().events;
  for (uint32_t i = 0; i < hub.partition_count(); ++i) {
    const hub::EventLog& from = hub.partition(i).events();
    const hub::EventLogState state = from.state();
    if (state.empty()) continue;
    const auto block = from.read(state.first_sequence);
    if (!block) return block.error().message;
    // The log looks once a minute, and keeps what lies in a block with an event that stays.
    const bool old = (*block)->back().enqueued < oldest_kept(hub) - std::chrono::minutes(1);
    const bool large = log(i).end_offset - (*block)->next_offset() > options.log_bytes_max;
    if (old || large) return fmt::format("partition {} keeps what is to go", i);
  }
  return {};
}

uint64_t EventOracle::trimmed_count() const {
  uint64_t count = 0;
  for (const auto& [partition, log] : logs_) count += log.first;
  return count;
}

}  // namespace linarite::sim
