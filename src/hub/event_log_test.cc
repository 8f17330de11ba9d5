// The log of a partition's events, on the memory store: what is appended, read, trimmed, and what a
// restart or a crash leaves.
#include "hub/event_log.h"

#include <gtest/gtest.h>

#include <vector>

#include "hub/event_block.h"
#include "hub/hub_fixture.h"

namespace linarite::hub {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

class EventLogTest : public HubFixture {
 protected:
  explicit EventLogTest(EventOptions events = {})
      : HubFixture(HubOptions{.events = events}, /*partitions=*/2) {}

  EventLog& log(const std::string& id = "dev1") { return partition(id).events(); }

  void append(const std::string& sections) {
    log().append({.annotations = "ab", .annotation_count = 1, .sections = sections},
                 [this, sections](const Status& status) {
                   done_ += (status ? sections : std::string("failed")).substr(0, 8) + ' ';
                 });
  }
  void append_all(std::initializer_list<const char*> all) {
    for (const char* sections : all) {
      append(sections);
      run();
    }
    done_.clear();
  }
  // "0:a 1:b" of what is there from `sequence` on.
  std::string read(uint64_t sequence = 0) {
    std::string text;
    while (true) {
      const auto block = log().read(sequence);
      if (!block) return text + "failed";
      if (*block == nullptr) return text;
      sequence = std::max(sequence, (*block)->first());
      for (; sequence < (*block)->next(); ++sequence) {
        const Event event = (*block)->at(sequence - (*block)->first());
        EXPECT_EQ(event.sequence, sequence);
        EXPECT_EQ(event.annotations, "ab");
        text +=
            std::to_string(event.sequence) + ':' + std::string(event.sections.substr(0, 8)) + ' ';
      }
    }
  }
  std::string take_done() { return std::exchange(done_, {}); }
  uint64_t find(EventPosition position) { return log().find(position).value_or(9999); }
  uint64_t find(EventPosition::Kind kind, uint64_t number, bool inclusive) {
    return find({.kind = kind, .number = number, .inclusive = inclusive});
  }
  uint64_t find_time(WallTime time, bool inclusive) {
    return find({.kind = EventPosition::Kind::kEnqueued, .time = time, .inclusive = inclusive});
  }

  std::string done_;
};

TEST_F(EventLogTest, EmptyAtFirst) {
  EXPECT_TRUE(log().state().empty());
  EXPECT_FALSE(log().state().any());
  EXPECT_EQ(read(), "");
  EXPECT_EQ(find({.kind = EventPosition::Kind::kLatest}), 0U);
  EXPECT_EQ(find({.kind = EventPosition::Kind::kStart}), 0U);
  EXPECT_EQ(find_time(wall(), true), 0U);
}

TEST_F(EventLogTest, EventsAreReadWhenTheyAreDurable) {
  store_.hold_commits(true);
  append("a");
  append("b");
  run();
  append("c");
  run();
  EXPECT_EQ(store_.held_count(), 1U) << "the next block waits for the one under way";
  EXPECT_EQ(take_done(), "");
  EXPECT_EQ(read(), "");
  store_.flush();
  run();
  EXPECT_EQ(take_done(), "a b ");
  EXPECT_EQ(read(), "0:a 1:b ");
  store_.hold_commits(false);
  run();
  EXPECT_EQ(take_done(), "c ");
  EXPECT_EQ(read(), "0:a 1:b 2:c ");
  EXPECT_EQ(read(1), "1:b 2:c ");
  EXPECT_EQ(log().state().next_sequence, 3U);
  EXPECT_EQ(log().read(0).value()->size(), 2U);
  EXPECT_EQ(log().read(1).value(), log().read(0).value()) << "readers share a block";
}

TEST_F(EventLogTest, OffsetsAreTheBytesBefore) {
  append_all({"aaaa", "bb", "c"});
  const uint64_t first = log().read(0).value()->at(0).offset;
  const uint64_t second = log().read(1).value()->at(0).offset;
  const uint64_t third = log().read(2).value()->at(0).offset;
  EXPECT_EQ(first, 0U);
  EXPECT_EQ(second, 20U + 2 + 4);
  EXPECT_EQ(third, second + 20 + 2 + 2);
  EXPECT_EQ(log().state().last_offset, third);
}

TEST_F(EventLogTest, APositionIsFound) {
  const WallTime begin = wall();
  append("a");
  append("b");
  run();
  advance(seconds(10));
  append_all({"c"});
  advance(seconds(10));
  append_all({"d"});
  using enum EventPosition::Kind;
  EXPECT_EQ(find({.kind = kStart}), 0U);
  EXPECT_EQ(find({.kind = kLatest}), 4U);
  EXPECT_EQ(find(kSequence, 1, true), 1U);
  EXPECT_EQ(find(kSequence, 1, false), 2U);
  EXPECT_EQ(find(kSequence, 17, true), 17U);
  EXPECT_EQ(find(kSequence, UINT64_MAX, false), UINT64_MAX);
  const uint64_t offset = log().read(2).value()->at(0).offset;
  EXPECT_EQ(find(kOffset, 0, true), 0U);
  EXPECT_EQ(find(kOffset, 0, false), 1U);
  EXPECT_EQ(find(kOffset, 1, true), 1U);
  EXPECT_EQ(find(kOffset, offset, true), 2U);
  EXPECT_EQ(find(kOffset, offset, false), 3U);
  EXPECT_EQ(find(kOffset, UINT64_MAX, false), 4U);
  EXPECT_EQ(find_time(begin - seconds(1), true), 0U);
  EXPECT_EQ(find_time(begin, true), 0U);
  EXPECT_EQ(find_time(begin, false), 2U);
  EXPECT_EQ(find_time(begin + seconds(10), true), 2U);
  EXPECT_EQ(find_time(begin + seconds(10), false), 3U);
  EXPECT_EQ(find_time(begin + hours(1), true), 4U);
}

TEST_F(EventLogTest, AFullBlockDoesNotWait) {
  store_.hold_commits(true);
  SeededRandom random(1);
  for (int i = 0; i < 8; ++i) {
    append(std::string(8, static_cast<char>('a' + i)) + random.bytes(300'000));
  }
  EXPECT_EQ(store_.held_count(), 1U) << "two full blocks are more than a turn commits at its end";
  run();
  store_.hold_commits(false);
  run();
  EXPECT_EQ(read(),
            "0:aaaaaaaa 1:bbbbbbbb 2:cccccccc 3:dddddddd 4:eeeeeeee 5:ffffffff 6:gggggggg "
            "7:hhhhhhhh ");
  EXPECT_EQ(log().read(4).value()->first(), 3U);
  EXPECT_LE(log().read(4).value()->byte_count(), kEventBlockSizeMax);
}

TEST_F(EventLogTest, TooLargeIsRefused) {
  append(std::string(kEventSectionsSizeMax + 1, 'x'));
  EXPECT_EQ(take_done(), "failed ");
  append(std::string(kEventSectionsSizeMax, 'x'));
  run();
  EXPECT_EQ(take_done(), "xxxxxxxx ");
}

TEST_F(EventLogTest, WhatWaitsForTheDiskIsBounded) {
  store_.hold_commits(true);
  const std::string large(300'000, 'x');
  size_t taken = 0;
  for (; take_done().empty() && taken < 1000; ++taken) append(large);
  EXPECT_LE((taken - 1) * large.size(), options_.commit_backlog_bytes_max + kEventBlockSizeMax);
  EXPECT_TRUE(log().crowded());
  store_.hold_commits(false);
  run();
  EXPECT_FALSE(log().crowded());
  EXPECT_EQ(log().state().next_sequence, taken - 1);
}

TEST_F(EventLogTest, OnAFullDiskReadersReadAndDevicesWait) {
  append_all({"a", "b"});
  store_.set_room(false);
  append("c");
  run();
  EXPECT_EQ(take_done(), "failed ");
  EXPECT_TRUE(log().crowded());
  EXPECT_EQ(read(), "0:a 1:b ");
  store_.set_room(true);
  append("d");
  run();
  EXPECT_EQ(take_done(), "d ");
  EXPECT_EQ(read(), "0:a 1:b 2:d ") << "no number was used up";
}

TEST_F(EventLogTest, ARestartGoesOnWhereTheLogEnded) {
  append_all({"a", "b"});
  const EventLogState before = log().state();
  restart();
  const EventLogState after = log().state();
  EXPECT_EQ(after.next_sequence, before.next_sequence);
  EXPECT_EQ(after.last_offset, before.last_offset);
  EXPECT_EQ(after.last_enqueued, before.last_enqueued);
  append_all({"c"});
  EXPECT_EQ(read(), "0:a 1:b 2:c ");
  EXPECT_GT(log().state().last_offset, before.last_offset);
}

TEST_F(EventLogTest, ACrashLeavesNoHole) {
  SeededRandom random(7);
  std::string acknowledged;
  uint64_t next = 0;
  for (int round = 0; round < 50; ++round) {
    store_.hold_commits(true);
    for (int i = 0; i < 5; ++i) {
      append(std::to_string(round));
      run();
      if (random.below(2) == 0) store_.flush();
    }
    run();
    loop_.drop_all();
    hub_.reset();
    store_.crash(&random);
    store_.hold_commits(false);
    start();
    EXPECT_GE(log().state().next_sequence, next);
    next = log().state().next_sequence;
    size_t events = 0;
    for (const char c : read()) events += c == ':' ? 1 : 0;
    EXPECT_EQ(events, next) << "no gap, no number twice";
  }
  EXPECT_GT(next, 50U);
}

TEST_F(EventLogTest, AFailedSyncIsToldToAllThatWaited) {
  append_all({"a"});
  store_.fail_next_sync({ErrorCode::kIoError, "the disk is gone"});
  append("b");
  append("c");
  run();
  EXPECT_EQ(take_done(), "failed failed ");
  EXPECT_EQ(read(), "0:a ");
  EXPECT_EQ(log().state().next_sequence, 1U);
}

TEST_F(EventLogTest, TimeNeverRunsBackwards) {
  append_all({"a"});
  const WallTime first = log().state().last_enqueued;
  stop();
  // The machine's clock was set back.
  ManualClock earlier(first - hours(1));
  ManualLoop loop(earlier);
  prometheus::Registry registry;
  Hub hub(options_, {.store = store_,
                     .loops = {&loop},
                     .random = random_,
                     .log = log_,
                     .metrics = registry,
                     .vault = vault_});
  hub.open({loop, [](const Status& status) { EXPECT_TRUE(status); }});
  loop.run_until_idle();
  EventLog& log = hub.partition_of("dev1").events();
  log.append({.annotations = {}, .annotation_count = 0, .sections = "b"}, [](const Status&) {});
  loop.run_until_idle();
  EXPECT_EQ(log.state().next_sequence, 2U);
  EXPECT_EQ(log.state().last_enqueued, first);
}

TEST_F(EventLogTest, AWatchIsToldOfMore) {
  int told = 0;
  const EventLog::WatchId watch = log().watch([&] { ++told; });
  append("a");
  append("b");
  EXPECT_EQ(told, 0);
  run();
  EXPECT_EQ(told, 1);
  log().unwatch(watch);
  append_all({"c"});
  EXPECT_EQ(told, 1);
}

TEST_F(EventLogTest, TheHubReadsForOtherLoops) {
  append_all({"a", "b"});
  uint64_t found = 0;
  for (uint32_t partition = 0; partition < 2; ++partition) {
    hub_->event_log_state(partition,
                          {loop_, [&](EventLogState state) { found += state.next_sequence; }});
  }
  run();
  EXPECT_EQ(found, 2U) << "one of the two partitions has the device";
  std::string seen;
  std::vector<EventWatchId> watches;
  for (uint32_t partition = 0; partition < 2; ++partition) {
    watches.push_back(hub_->watch_events(partition, loop_, [&] { seen += 'w'; }));
  }
  append("c");
  append("d");
  run();
  EXPECT_EQ(seen, "w");
  for (const EventWatchId watch : watches) hub_->unwatch_events(watch);
  append("e");
  run();
  EXPECT_EQ(seen, "w");
  EXPECT_EQ(hub_->created_at(), *parse_iso8601("2026-01-02T03:04:05Z"));
  advance(hours(1));
  restart();
  EXPECT_EQ(hub_->created_at(), *parse_iso8601("2026-01-02T03:04:05Z"));
}

// ---- Retention

TEST_F(EventLogTest, EventsGoWhenTheirTimeIsOver) {
  append_all({"a", "b"});
  advance(hours(20));
  append_all({"c"});
  EXPECT_EQ(log().state().first_sequence, 0U);
  advance(hours(5));
  EXPECT_EQ(log().state().first_sequence, 2U);
  EXPECT_EQ(read(), "2:c ");
  EXPECT_EQ(find({.kind = EventPosition::Kind::kStart}), 2U);
  EXPECT_EQ(find(EventPosition::Kind::kSequence, 0, true), 2U);
  EXPECT_EQ(find(EventPosition::Kind::kOffset, 0, true), 2U);
  restart();
  EXPECT_EQ(log().state().first_sequence, 2U);
  EXPECT_EQ(read(), "2:c ");
}

// The store forgets a block before it tells so.
TEST_F(EventLogTest, NobodyLooksForWhatIsBeingTrimmed) {
  append_all({"a", "b"});
  advance(hours(20));
  append_all({"c", "d"});
  restart();  // Nothing is in memory.
  store_.hold_commits(true);
  advance(hours(5));
  store_.flush();  // Its answer waits for the loop.
  EXPECT_EQ(read(), "2:c 3:d ");
  EXPECT_EQ(read(1), "2:c 3:d ");
  EXPECT_EQ(find(EventPosition::Kind::kOffset, 1, true), 2U);
  EXPECT_EQ(log().state().first_sequence, 2U);
  store_.hold_commits(false);
  run();
  EXPECT_EQ(read(), "2:c 3:d ");
}

TEST_F(EventLogTest, TheNumbersStayWhenAllIsGone) {
  append_all({"a", "b"});
  const EventLogState before = log().state();
  advance(hours(30));
  EXPECT_TRUE(log().state().empty());
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(log().state().next_sequence, 2U);
    EXPECT_EQ(log().state().last_offset, before.last_offset);
    EXPECT_EQ(log().state().last_enqueued, before.last_enqueued);
    restart();
  }
  append_all({"c"});
  EXPECT_EQ(read(), "2:c ");
  restart();
  EXPECT_EQ(read(), "2:c ");
}

class SmallEventLogTest : public EventLogTest {
 protected:
  SmallEventLogTest() : EventLogTest({.log_bytes_max = 4U << 20U, .tail_cache_bytes = 1U << 20U}) {}
};

TEST_F(SmallEventLogTest, BytesAreBounded) {
  for (int i = 0; i < 40; ++i) {
    append(std::string(300'000, 'x'));
    run();
  }
  const EventLogState state = log().state();
  EXPECT_EQ(state.next_sequence, 40U);
  EXPECT_GT(state.first_sequence, 20U);
  EXPECT_LT(state.first_sequence, 30U);
  size_t bytes = 0;
  for (uint64_t i = state.first_sequence; i < 40; ++i) bytes += log().read(i).value()->byte_count();
  EXPECT_LE(bytes, (4U << 20U) + (1U << 19U));
}

TEST_F(SmallEventLogTest, AReaderFarBehindReadsFromTheStore) {
  for (int i = 0; i < 12; ++i) {
    append(std::string(300'000, static_cast<char>('a' + i)));
    run();
  }
  EXPECT_EQ(log().read(0).value()->at(0).sections.substr(0, 2), "aa");
  EXPECT_NE(log().read(0).value(), log().read(0).value()) << "not kept in memory";
  EXPECT_EQ(log().read(11).value(), log().read(11).value()) << "the tail is";
}

TEST_F(SmallEventLogTest, TheTailOfSmallBlocksStaysWithinItsMemory) {
  for (int i = 0; i < 10'000; ++i) {
    append("a few words");
    run();
  }
  size_t held = 0;
  for (uint64_t i = 0; i < 10'000; ++i) {
    const EventBlockPtr block = log().read(i).value();
    if (block == log().read(i).value()) held += block->memory_bytes();
  }
  EXPECT_LE(held, 1U << 20U);
  EXPECT_GT(held, (1U << 20U) - 1000);
}

// The sequence number of the first event of each block, and that behind the last.
std::string places(const Result<EventBlocks>& blocks) {
  if (!blocks) return "failed";
  std::string text;
  for (const EventBlockPtr& block : *blocks) text += std::to_string(block->first()) + ' ';
  return blocks->empty() ? "none" : text + "to " + std::to_string(blocks->back()->next());
}

TEST_F(SmallEventLogTest, ReadsOnUntilThereIsEnough) {
  for (int i = 0; i < 40; ++i) {
    append(std::string(50'000, 'x'));
    append(std::string(100, 'y'));
    run();
  }
  EXPECT_EQ(places(log().read_on(0)), "0 2 4 to 6") << "from the store: 128 KB";
  EXPECT_EQ(places(log().read_on(3)), "2 4 6 to 8");
  EXPECT_EQ(places(log().read_on(70)), "70 72 74 to 76") << "from memory";
  EXPECT_EQ(places(log().read_on(77)), "76 78 to 80") << "to the end";
  EXPECT_EQ(places(log().read_on(80)), "none");
}

}  // namespace
}  // namespace linarite::hub
