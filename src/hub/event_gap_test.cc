// What a salvage leaves in the log of events, and how readers pass over it.
#include "hub/event_gap.h"

#include <gtest/gtest.h>

#include <optional>

#include "hub/event_block.h"
#include "hub/event_log.h"
#include "hub/hub_fixture.h"
#include "hub/records.h"

namespace linarite::hub {
namespace {

class EventGapTest : public HubFixture {
 protected:
  EventGapTest() : HubFixture({}, /*partitions=*/1) {}

  EventLog& log() { return hub_->partition(0).events(); }
  void append(const char* sections) {
    log().append({.annotations = {}, .annotation_count = 0, .sections = sections},
                 [](const Status& status) { EXPECT_TRUE(status); });
    run();
  }
  // A gap of so many numbers and a thousand times as many bytes behind the last event.
  void leave_gap(uint64_t count) {
    const EventBlockPtr last = *log().read(log().state().next_sequence - 1);
    const EventGap gap{.first = last->next(),
                       .first_offset = last->next_offset(),
                       .next = last->next() + count,
                       .next_offset = last->next_offset() + count * 1000,
                       .last_offset = last->back().offset,
                       .last_enqueued = last->back().enqueued};
    store::Batch batch;
    batch.append(event_block_key(gap.next - 1), gap.record());
    batch.put(Bytes(1, kGapKey), gap.record());
    std::optional<Status> done;
    store_.commit(0, std::move(batch), [&](Status status) { done = std::move(status); });
    run();
    ASSERT_TRUE(done && *done);
    restart();
  }
  std::string read_all() {
    std::string text;
    for (uint64_t next = log().state().first_sequence;;) {
      const auto blocks = log().read_on(next);
      if (!blocks) return text + "failed";
      if (blocks->empty()) return text;
      for (const EventBlockPtr& block : *blocks) {
        for (size_t i = 0; i < block->size(); ++i) {
          text += std::to_string(block->at(i).sequence) + ':' + std::string(block->at(i).sections) +
                  ' ';
        }
        next = block->next();
      }
    }
  }
};

TEST_F(EventGapTest, ARecordComesBackAsItWas) {
  const EventGap gap{.first = 7, .first_offset = 70, .next = 9, .next_offset = 90};
  const auto read = EventGap::decode(gap.record());
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, gap);
  EXPECT_TRUE(EventGap::is_gap(gap.record()));
  EXPECT_FALSE(EventBlock::decode(gap.record()));
}

TEST_F(EventGapTest, ADamagedRecordIsRefused) {
  const Bytes record =
      EventGap{.first = 7, .first_offset = 70, .next = 9, .next_offset = 90}.record();
  EXPECT_FALSE(EventGap::decode(ByteView(record).substr(0, record.size() - 1)));
  EXPECT_FALSE(EventGap::decode(record + "x"));
  EXPECT_FALSE(EventGap::decode(EventGap{.first = 7, .next = 7}.record()));
}

TEST_F(EventGapTest, NumbersGoOnBehindIt) {
  append("a");
  append("b");
  leave_gap(1000);
  EXPECT_EQ(log().state().next_sequence, 1002U);
  EXPECT_EQ(read_all(), "0:a 1:b ");
  append("c");
  EXPECT_EQ(read_all(), "0:a 1:b 1002:c ");
  restart();
  EXPECT_EQ(read_all(), "0:a 1:b 1002:c ");
}

TEST_F(EventGapTest, EventsAreFoundOnBothSides) {
  append("a");
  append("b");
  leave_gap(1000);
  append("c");
  const auto at_offset = [&](uint64_t offset) {
    const auto found =
        log().find({.kind = EventPosition::Kind::kOffset, .number = offset, .inclusive = true});
    const auto block = log().read(*found);
    return *block ? std::string((*block)->at(0).sections) : std::string("end");
  };
  EXPECT_EQ(at_offset(0), "a");
  EXPECT_EQ(at_offset(1), "b");
  EXPECT_EQ(at_offset(500'000), "c");
  EXPECT_EQ(at_offset(log().state().last_offset), "c");
  EXPECT_EQ(at_offset(log().state().last_offset + 1), "end");
}

TEST_F(EventGapTest, AllThatIsLeftMayBeTrimmed) {
  append("a");
  leave_gap(1000);
  advance(std::chrono::hours(25));
  EXPECT_TRUE(log().state().empty());
  EXPECT_EQ(log().state().next_sequence, 1001U);
  append("b");
  restart();
  EXPECT_EQ(read_all(), "1001:b ");
}

}  // namespace
}  // namespace linarite::hub
