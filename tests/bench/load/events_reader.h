// Reads what devices send: over AMQP from all partitions of a hub, each from its beginning or from
// its end; from a plain broker by a subscription to all devices' topics.
#pragma once

#include <functional>
#include <memory>

#include "load/session.h"

namespace linarite::load {

class EventsReader {
 public:
  // The whole payload of one event. Loop only; the view is gone after the call.
  using OnEvent = std::function<void(ByteView payload)>;

  virtual ~EventsReader() = default;
  // Whether events sent from now on will come.
  virtual bool ready() const = 0;
};

enum class ReadFrom { kBeginning, kEnd };

// Of a hub: asks for the events of all partitions from their beginning, and takes no more after the
// first bytes of them.
std::unique_ptr<EventsReader> open_stalled_reader(Session& session);

// A hub's, or a broker's (which has no beginning to read from); returns when it is ready.
std::unique_ptr<EventsReader> open_events_reader(Session& session, ReadFrom from,
                                                 EventsReader::OnEvent on_event);

}  // namespace linarite::load
