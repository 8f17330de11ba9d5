// Device-to-cloud events on their way: waiting for the hub, or sent and not acknowledged.
#pragma once

#include <linarite/device_client.h>

#include <deque>
#include <span>
#include <string>
#include <vector>

#include "mqtt/connection.h"
#include "sdk/deadline_timer.h"
#include "sdk/pending.h"
#include "wire/device_id.h"

namespace linarite::sdk {

// Owned by a DeviceSession; its loop only.
class EventSender {
 public:
  // A connection that takes events.
  class Outlet {
   public:
    virtual ~Outlet() = default;
    // The packet id that was used; kLimitExceeded while the window is full.
    virtual Result<uint16_t> publish(const mqtt::Publish& publish, uint64_t token) = 0;
  };

  EventSender(Loop& loop, const wire::Identity& device, const device_options& options);

  void send(detail::operation_id id, const message& message, detail::completion<> done);
  // As send() for each in turn. Done when the last is decided, with what became of each; the error
  // is that of the first that failed.
  void send_batch(detail::operation_id id, std::span<const message> messages,
                  detail::completion<std::vector<error>> done);
  // Whatever send() or send_batch() with this id left undecided.
  void cancel(detail::operation_id id);
  // Whether events wait for a connection or an acknowledgement.
  bool empty() const { return waiting_.empty() && sent_.empty(); }
  bool all_acknowledged() const { return sent_.empty(); }

  // A connection is up. What the last one left unacknowledged goes first (MQTT 3.1.1, 4.4).
  void open(Outlet& outlet);
  // Sends nothing more on this connection.
  void pause() { outlet_ = nullptr; }
  void acknowledged(uint64_t token);
  // The connection is gone.
  void lost();
  // Nobody tries to connect any more, or the client ends: `why` for what was never sent,
  // outcome_unknown for the rest.
  void fail_all(const error& why);

 private:
  struct Event {
    detail::operation_id id = 0;         // Its own.
    detail::operation_id operation = 0;  // Of the call; one for all of a batch.
    std::string topic;
    std::vector<std::byte> body;
    detail::completion<> done;
    Instant deadline;
    uint16_t packet_id = 0;  // Of the first try.
    bool tried = false;
  };

  void take(Event event, const message& message);
  void pump();
  std::optional<Instant> end_overdue(Instant now);
  static void fail(Event event, const error& why);

  Loop& loop_;
  const wire::Identity& device_;
  const device_options& options_;
  Outlet* outlet_ = nullptr;
  std::deque<Event> waiting_;  // Both in the order of the calls;
  std::deque<Event> sent_;     // what was sent is older than what waits.
  DeadlineTimer deadlines_;
};

}  // namespace linarite::sdk
