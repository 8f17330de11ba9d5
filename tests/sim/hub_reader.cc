// Devices that append events to the logs and readers that follow them, through the hub's interface.
#include <fmt/format.h>

#include <algorithm>

#include "sim/hub_world.h"

namespace linarite::sim {
namespace {

constexpr size_t kReadersMax = 10;
// Of the bodies: with large ones a log comes to its limit of bytes.
constexpr uint64_t kSmallBodyMax = 200;
constexpr uint64_t kLargeBodyMax = 250'000;

// An AMQP data section with the number as text, behind zeros.
Bytes data_section(uint64_t number, size_t zeros) {
  const std::string text = std::string(zeros, '0') + std::to_string(number);
  Bytes section("\x00\x53\x75\xb0", 4);
  ByteWriter(section).number(static_cast<uint32_t>(text.size()));
  return section + text;
}

}  // namespace

void HubWorld::event_step() {
  const uint64_t what = random_.below(100);
  if (what < 45) return append_event();
  if (what < 47) return pass_hours();
  if (what < 52) return open_reader();
  if (what < 54) return close_reader();
  if (event_readers_.empty()) return;
  const auto at = static_cast<std::ptrdiff_t>(random_.below(event_readers_.size()));
  read_some(*std::next(event_readers_.begin(), at)->second);
}

void HubWorld::append_event() {
  const auto device = static_cast<uint32_t>(random_.below(options_.devices));
  const uint64_t number = events_.sent(device + 1);
  trace("event", number, device);
  const bool large = options_.seed % 16 == 1 && !chance(4);
  const size_t zeros = random_.below(large ? kLargeBodyMax : kSmallBodyMax);
  hub::NewEvent event{.sections = data_section(number, zeros)};
  partition(device).events().append(std::move(event),
                                    [this, life = life_, number](const Status& status) {
                                      if (life != life_) return;
                                      trace("event answered", number, status.has_value());
                                      if (status) events_.acknowledged(number);
                                    });
}

// What is a day old goes, a little at a time.
void HubWorld::pass_hours() {
  if (!chance(8)) return;
  clock_.advance(std::chrono::minutes(random_.below(900)));
}

hub::EventPosition HubWorld::any_position(uint32_t partition) {
  using Kind = hub::EventPosition::Kind;
  const uint64_t end = events_.end(partition);
  const bool inclusive = chance(2);
  switch (random_.below(6)) {
    case 0:
      return {.kind = Kind::kLatest};
    case 1:
      return {.kind = Kind::kSequence, .number = random_.below(end + 3), .inclusive = inclusive};
    case 2:
      return {.kind = Kind::kEnqueued,
              .time = wall() - std::chrono::seconds(random_.below(90'000)),
              .inclusive = inclusive};
    case 3:
      if (end == 0) return {};
      return {.kind = Kind::kOffset,
              .number = events_.offset(partition, random_.below(end)) + random_.below(2),
              .inclusive = inclusive};
    case 4:
      return {};
    default:
      return checkpoint(partition);
  }
}

// Behind the last event that any reader before it has noted.
hub::EventPosition HubWorld::checkpoint(uint32_t partition) {
  const auto found = checkpoints_.find(partition);
  if (found == checkpoints_.end()) return {};
  return {.kind = hub::EventPosition::Kind::kOffset,
          .number = events_.offset(partition, found->second)};
}

void HubWorld::open_reader() {
  if (event_readers_.size() >= kReadersMax) return;
  const auto partition = static_cast<uint32_t>(random_.below(hub_->partition_count()));
  start_reader(partition, any_position(partition), /*idle=*/chance(6));
}

HubWorld::EventReader& HubWorld::start_reader(uint32_t partition,
                                              const hub::EventPosition& position, bool idle) {
  ManualLoop& loop = chance(2) ? loop_a_ : loop_b_;
  const uint64_t id = ++last_reader_;
  trace("reader", id, partition);
  event_readers_[id] = std::make_unique<EventReader>(
      EventReader{.partition = partition, .loop = loop, .idle = idle});
  EventReader& reader = *event_readers_[id];
  reader.watch = hub_->watch_events(partition, loop, [this, id] {
    if (EventReader* const woken = event_reader(id)) woken->more = true;
  });
  const uint64_t asked = events_.start(partition, position);
  hub_->find_event(partition, position,
                   {loop, [this, id, position, asked](const Result<uint64_t>& found) {
                      EventReader* const starts = event_reader(id);
                      if (starts == nullptr) return;
                      if (!found) return fail("a position was not found: " + found.error().message);
                      const uint64_t answered = events_.start(starts->partition, position);
                      if (*found < asked || *found > answered) {
                        fail(fmt::format("a reader starts at {} and not between {} and {}", *found,
                                         asked, answered));
                      }
                      starts->next = *found;
                    }});
  return reader;
}

HubWorld::EventReader* HubWorld::event_reader(uint64_t id) {
  const auto found = event_readers_.find(id);
  return found == event_readers_.end() ? nullptr : found->second.get();
}

void HubWorld::close_reader() {
  if (event_readers_.empty()) return;
  const auto at = static_cast<std::ptrdiff_t>(random_.below(event_readers_.size()));
  const auto found = std::next(event_readers_.begin(), at);
  trace("close reader", found->first);
  hub_->unwatch_events(found->second->watch);
  event_readers_.erase(found);
}

// Takes a few events of the blocks it has, or asks for the next ones.
void HubWorld::read_some(EventReader& reader) {
  if (!reader.next || reader.idle) return;
  if (!reader.blocks.empty()) {
    for (uint64_t i = 1 + random_.below(8); i > 0 && !reader.blocks.empty(); --i) {
      take_event(reader);
    }
    return;
  }
  if (reader.asked || !reader.more) return;
  reader.more = false;
  reader.asked = true;
  const auto id = std::ranges::find_if(
      event_readers_, [&reader](const auto& one) { return one.second.get() == &reader; });
  hub_->read_events(reader.partition, *reader.next,
                    {reader.loop, [this, id = id->first](const Result<hub::EventBlocks>& read) {
                       EventReader* const asked = event_reader(id);
                       if (asked == nullptr) return;
                       if (!read) return fail("events can't be read: " + read.error().message);
                       asked->asked = false;
                       if (read->empty()) return;
                       asked->blocks = *read;
                       asked->more = true;
                     }});
}

void HubWorld::take_event(EventReader& reader) {
  const hub::EventBlockPtr block = reader.blocks.front();
  const uint64_t at = std::max(*reader.next, block->first());
  const hub::Event event = block->at(at - block->first());
  trace("read", event.sequence, reader.partition);
  expect(events_.reader_saw(reader.partition, event, *reader.next));
  reader.next = event.sequence + 1;
  if (*reader.next == block->next()) reader.blocks.erase(reader.blocks.begin());
  // A reader notes where it is from time to time; another one goes on from there.
  if (chance(3)) checkpoints_[reader.partition] = event.sequence;
}

// At the end: readers that never read wake up, one more goes on from each checkpoint, and all of
// them come to the end of their logs, also when they wait there and one more event comes.
void HubWorld::drain_readers() {
  for (uint32_t i = 0; i < hub_->partition_count(); ++i) {
    start_reader(i, checkpoint(i), /*idle=*/false);
  }
  read_all();
  for (uint32_t i = 0; i < 2 * hub_->partition_count(); ++i) append_event();
  read_all();
  clock_.advance(std::chrono::seconds(61));
  settle();
  expect(events_.finished());
  expect(events_.trimmed(*hub_));
  result_.events = events_.read_count();
  result_.trimmed = events_.trimmed_count();
}

void HubWorld::read_all() {
  for (bool moved = true; moved && result_.violation.empty();) {
    moved = false;
    settle();
    for (const auto& [id, reader] : event_readers_) {
      reader->idle = false;
      const EventReader before = *reader;
      read_some(*reader);
      moved |= before.next != reader->next || before.asked != reader->asked ||
               before.more != reader->more || before.blocks != reader->blocks;
    }
  }
  for (const auto& [id, reader] : event_readers_) {
    if (!reader->next || *reader->next < events_.end(reader->partition)) {
      fail(
          fmt::format("reader {} of partition {} does not come to the end", id, reader->partition));
    }
  }
}

}  // namespace linarite::sim
