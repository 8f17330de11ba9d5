// The reader of events against the hub in the process: no event is lost, none comes twice.
#include <gmock/gmock.h>
#include <linarite/blocking.h>
#include <linarite/testing/in_process_hub.h>

namespace linarite::testing {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class InProcessEventsTest : public ::testing::Test {
 protected:
  event_reader_options options(event_position begin = event_position::earliest()) {
    event_reader_options out;
    static_cast<service_options&>(out) = hub_.options_for_services();
    out.log = [this](log_level, std::string_view line) { log_.emplace_back(line); };
    out.begin = std::move(begin);
    return out;
  }
  blocking::event_reader reader(event_reader_options options) {
    return blocking::event_reader(hub_.service_connection_string("service"), std::move(options));
  }
  void send(const std::string& body) { device_.send_event(message(body)); }
  // What comes within a second.
  static std::vector<event> all(blocking::event_reader& from) {
    std::vector<event> out;
    for (;;) {
      std::vector<event> some = from.receive({}, seconds(1));
      if (some.empty()) return out;
      std::ranges::move(some, std::back_inserter(out));
    }
  }
  static std::vector<std::string> bodies(const std::vector<event>& events) {
    std::vector<std::string> out;
    for (const event& one : events) out.emplace_back(one.content.text());
    return out;
  }
  std::vector<std::string> read(blocking::event_reader& from) { return bodies(all(from)); }

  in_process_hub hub_;
  std::vector<std::string> log_;
  blocking::device_client device_{hub_.device_connection_string("d1"), hub_.options_for_devices()};
};

TEST_F(InProcessEventsTest, ACheckpointIsWhereTheNextReaderGoesOn) {
  for (const char* body : {"0", "1", "2"}) send(body);
  std::vector<event> seen;
  {
    auto first = reader(options());
    seen = all(first);
  }
  EXPECT_THAT(bodies(seen), ElementsAre("0", "1", "2"));
  const event& last = seen[1];  // "2" was not dealt with.
  send("3");
  auto chosen = options(event_position::latest());
  chosen.begin_in[last.partition] = event_position::from_sequence_number(last.sequence_number);
  auto by_number = reader(chosen);
  EXPECT_THAT(read(by_number), ElementsAre("2", "3"));
  chosen.begin_in[last.partition] = event_position::from_offset(last.offset);
  auto by_offset = reader(chosen);
  EXPECT_THAT(read(by_offset), ElementsAre("2", "3"));
  chosen.begin_in[last.partition] = event_position::from_offset(last.offset, true);
  auto from_there = reader(chosen);
  EXPECT_THAT(read(from_there), ElementsAre("1", "2", "3"));
  auto by_time = reader(options(event_position::enqueued_after(last.enqueued - seconds(1))));
  EXPECT_THAT(read(by_time), ElementsAre("0", "1", "2", "3"));
}

TEST_F(InProcessEventsTest, LatestHasNoGapAfterALostConnection) {
  send("before");
  auto latest = reader(options(event_position::latest()));
  EXPECT_THAT(read(latest), IsEmpty());
  hub_.restart();
  send("while the reader was away");
  EXPECT_THAT(read(latest), ElementsAre("while the reader was away"));
  hub_.restart();
  send("after");
  EXPECT_THAT(read(latest), ElementsAre("after"));
  EXPECT_THAT(log_, Not(Contains(HasSubstr("retention"))));
}

TEST_F(InProcessEventsTest, WhatRetentionTookMeanwhileIsSaid) {
  for (int i = 0; i < 3; ++i) send("old");
  auto chosen = options();
  chosen.begin_in[all(*std::make_unique<blocking::event_reader>(reader(options())))[0].partition] =
      event_position::from_sequence_number(0);
  hub_.advance(hours(26));
  send("new");
  hub_.advance(hours(1));
  auto late = reader(chosen);
  EXPECT_THAT(read(late), ElementsAre("new"));
  EXPECT_THAT(log_, Contains(AllOf(HasSubstr("events 1 to 2 were gone"), HasSubstr("retention"))));
}

TEST_F(InProcessEventsTest, AnOwnerDisconnectsTheOthers) {
  send("0");
  auto plain = reader(options());
  EXPECT_THAT(read(plain), ElementsAre("0"));
  auto chosen = options();
  chosen.owner_level = 1;
  auto owner = reader(chosen);
  EXPECT_THAT(read(owner), ElementsAre("0"));
  const auto refusal = [](blocking::event_reader& of) {
    try {
      of.receive({}, seconds(1));
    } catch (const exception& failure) {
      return failure.reason().code();
    }
    return std::error_code();
  };
  EXPECT_EQ(refusal(plain), errc::consumer_disconnected);
  EXPECT_EQ(refusal(plain), errc::consumer_disconnected);
  chosen.owner_level = 0;
  auto lower = reader(chosen);
  EXPECT_EQ(refusal(lower), errc::consumer_disconnected);
  send("1");
  EXPECT_THAT(read(owner), ElementsAre("1"));
}

TEST_F(InProcessEventsTest, FiveReadersAndNoSixth) {
  std::vector<blocking::event_reader> readers;
  for (int i = 0; i < 5; ++i) {
    readers.push_back(reader(options()));
    EXPECT_THAT(read(readers.back()), IsEmpty());
  }
  auto sixth = reader(options());
  try {
    sixth.receive({}, seconds(1));
    FAIL() << "a sixth reader was let in";
  } catch (const exception& failure) {
    EXPECT_EQ(failure.reason(), errc::too_many_receivers);
  }
  readers.pop_back();
  EXPECT_THAT(read(sixth), IsEmpty());
}

TEST_F(InProcessEventsTest, ThePropertiesAreThoseOfTheLogs) {
  auto one = reader(options());
  const event_hub_properties hub = one.get_properties();
  EXPECT_EQ(hub.name, "hub");
  EXPECT_THAT(hub.partitions, ElementsAre(0, 1, 2, 3));
  send("0");
  send("1");
  const event last = all(one).back();
  const partition_properties log = one.get_partition_properties(last.partition);
  EXPECT_EQ(log.partition, last.partition);
  EXPECT_EQ(log.begin_sequence_number, 0);
  EXPECT_EQ(log.last_sequence_number, 1);
  EXPECT_EQ(log.last_offset, last.offset);
  EXPECT_EQ(log.last_enqueued, last.enqueued);
  EXPECT_FALSE(log.is_empty);
  EXPECT_TRUE(one.get_partition_properties((last.partition + 1) % 4).is_empty);
  EXPECT_THROW(one.get_partition_properties(4), exception);
}

TEST_F(InProcessEventsTest, TheTextOfEventHubsClientsIsTaken) {
  send("0");
  std::string text = hub_.service_connection_string("service");
  text.replace(0, std::string("HostName=hub.test").size(), "Endpoint=sb://hub.test/");
  blocking::event_reader one(text + ";EntityPath=hub", options());
  EXPECT_THAT(read(one), ElementsAre("0"));
  blocking::event_reader other(text + ";EntityPath=other", options());
  EXPECT_THROW(other.receive({}, seconds(1)), exception);
}

}  // namespace
}  // namespace linarite::testing
