// What readers of the event logs must see, kept beside the hub: each acknowledged event, once, in a
// place that never changes; nothing that no device sent; no gap but what retention may remove; and
// the events of a connection in the order in which they were sent.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "hub/hub.h"
#include "sim/model.h"

namespace linarite::sim {

class EventOracle {
 public:
  // A device sends an event over this connection: its number, which is to be its body.
  uint64_t sent(ConnectionNumber connection);
  void acknowledged(uint64_t event) { events_[event].acknowledged = true; }

  // Each check returns an empty text, or what is wrong.

  // Looks at what is new in all logs, after each task of the hub; at everything if `again`, as
  // after a new start of the hub.
  std::string read(const hub::Hub& hub, bool again);
  // A reader whose next event was to be `expected` was given this one.
  std::string reader_saw(uint32_t partition, const hub::Event& event, uint64_t expected) const;
  // The same by what a client sees of an event: its body as a number.
  struct Sight {
    uint64_t sequence;
    uint64_t offset;
    WallTime enqueued;
    uint64_t number;
  };
  std::string reader_saw(uint32_t partition, const Sight& sight, uint64_t expected) const;
  // At the end, when all was read.
  std::string finished() const;
  // The logs hold no more than retention allows; a minute after the last event at the soonest.
  std::string trimmed(const hub::Hub& hub) const;

  // Where a reader starts that asks for this position now.
  uint64_t start(uint32_t partition, const hub::EventPosition& position) const;
  // How many events the log ever had, and the offset of one of them.
  uint64_t end(uint32_t partition) const { return log(partition).seen.size(); }
  uint64_t first(uint32_t partition) const { return log(partition).first; }
  uint64_t offset(uint32_t partition, uint64_t sequence) const {
    return log(partition).seen[sequence].offset;
  }
  uint64_t read_count() const { return read_count_; }
  uint64_t trimmed_count() const;

 private:
  struct SentEvent {
    ConnectionNumber connection;
    bool acknowledged = false;
    bool seen = false;
  };
  struct Log {
    std::vector<Sight> seen{};  // By sequence number, also what was trimmed.
    uint64_t first = 0;         // What is retained begins here.
    uint64_t next = 0;          // Where read() is.
    uint64_t end_offset = 0;
  };
  static const Log kNoLog;
  const Log& log(uint32_t partition) const;
  static std::string read_number(const hub::Event& event, uint64_t& number);
  static std::string check_trimming(const hub::Hub& hub, const hub::EventLogState& state, Log& log);
  std::string read_log(const hub::EventLog& from, Log& log);
  std::string check(const hub::Event& event, Log& log);

  std::vector<SentEvent> events_;
  std::map<uint32_t, Log> logs_;
  std::map<ConnectionNumber, uint64_t> last_seen_;  // Event of each connection.
  mutable uint64_t read_count_ = 0;                 // Events that readers saw.
};

}  // namespace linarite::sim
