#include "sim/event_oracle.h"

#include <fmt/format.h>

#include <utility>

#include "amqp/message.h"
#include "base/text.h"
#include "hub/event_block.h"

namespace linarite::sim {

uint64_t EventOracle::sent(ConnectionNumber connection) {
  events_.push_back({.connection = connection});
  return events_.size() - 1;
}

std::string EventOracle::read(const hub::Hub& hub, bool again) {
  for (uint32_t i = 0; i < hub.partition_count(); ++i) {
    Log& log = logs_[i];
    if (again) log.next = 0;
    if (std::string wrong = read_log(hub.partition(i).events(), log); !wrong.empty()) {
      return fmt::format("partition {}: {}", i, wrong);
    }
  }
  return {};
}

std::string EventOracle::read_log(const hub::EventLog& from, Log& log) {
  if (from.state().next_sequence < log.seen.size()) return "events that a reader saw are gone";
  if (from.state().first_sequence != 0) return "events are gone before their time";
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
  }
}

std::string EventOracle::check(const hub::Event& event, Log& log) {
  amqp::MessageView message;
  if (!amqp::read_message(event.sections, message)) return "its sections can't be read";
  const auto number = whole_number<uint64_t>(message.data());
  if (!number || *number >= events_.size()) return "no device sent it";
  if (event.sequence < log.seen.size()) {
    return log.seen[event.sequence] == *number ? std::string() : "it was another one before";
  }
  SentEvent& sent = events_[*number];
  if (std::exchange(sent.seen, true)) return "it is there twice";
  const auto [last, first] = last_seen_.try_emplace(sent.connection, *number);
  if (!first && last->second > *number) return "it comes before one that was sent later";
  last->second = *number;
  if (!log.seen.empty() && event.offset <= log.offset) return "its offset does not rise";
  if (event.enqueued < log.enqueued) return "its time runs backwards";
  log.offset = event.offset;
  log.enqueued = event.enqueued;
  log.seen.push_back(*number);
  return {};
}

std::string EventOracle::finished() const {
  for (size_t i = 0; i < events_.size(); ++i) {
    if (events_[i].acknowledged && !events_[i].seen) {
      return fmt::format("event {} was acknowledged and is lost", i);
    }
  }
  return {};
}

}  // namespace linarite::sim
