// What happened to each message, over all runs of a hub, and what lies in the queues now.
#pragma once

#include <linarite/testing/in_process_hub.h>

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "hub/queue_event.h"

namespace linarite::in_process {

class Journal {
 public:
  // Ids and times of messages are read from the store as soon as they are in a queue.
  Journal(store::Store& store, const Clock& clock) : store_(store), clock_(clock) {}

  void note(const hub::QueueEvent& event);
  // The hub's process has ended: no message is at a device any more.
  void hub_ended();

  std::vector<testing::journey_step> journey(std::string_view message_id) const;
  std::vector<testing::queued_message> queue(std::string_view device_id) const;

 private:
  using Name = std::pair<store::PartitionId, uint64_t>;  // Partition and sequence number.
  struct Message {
    std::string device_id;
    testing::queued_message view;
    bool queued = false;
  };
  Message& message(const hub::QueueEvent& event);

  store::Store& store_;
  const Clock& clock_;
  std::map<Name, Message> messages_;
  std::vector<std::pair<Name, testing::journey_step>> steps_;
};

}  // namespace linarite::in_process
