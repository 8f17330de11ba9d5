// What readers of the event logs must see, kept beside the hub: each acknowledged event, once, in a
// place that never changes; nothing that no device sent; no gap; and the events of a connection in
// the order in which they were sent.
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

  // Reads on in all logs; from their beginnings if `again`, as after a new start of the hub.
  std::string read(const hub::Hub& hub, bool again);
  // At the end, when all was read.
  std::string finished() const;

 private:
  struct SentEvent {
    ConnectionNumber connection;
    bool acknowledged = false;
    bool seen = false;
  };
  struct Log {
    std::vector<uint64_t> seen{};  // By sequence number.
    uint64_t next = 0;             // Where the reader is.
    uint64_t offset = 0;
    WallTime enqueued{};
  };
  std::string read_log(const hub::EventLog& from, Log& log);
  std::string check(const hub::Event& event, Log& log);

  std::vector<SentEvent> events_;
  std::map<uint32_t, Log> logs_;
  std::map<ConnectionNumber, uint64_t> last_seen_;  // Event of each connection.
};

}  // namespace linarite::sim
