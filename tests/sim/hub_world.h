// Back ends and devices that call the hub's own interface, without a protocol between.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "sim/event_oracle.h"
#include "sim/world.h"

namespace linarite::sim {

class HubWorld final : public World {
 public:
  explicit HubWorld(const WorldOptions& options);
  ~HubWorld() override;

 private:
  class Device;
  struct Receiver {
    hub::Hub::ReceiverId id;
    std::vector<hub::FeedbackBatch> held;
  };

  // A reader of one partition's events.
  struct EventReader {
    uint32_t partition;
    ManualLoop& loop;
    bool idle = false;  // It never reads.
    hub::EventWatchId watch = 0;
    std::optional<uint64_t> next{};  // Sequence number; nothing until the hub has found it.
    hub::EventBlocks blocks{};       // Not yet read to their end.
    bool asked = false;              // For a block.
    bool more = true;                // There may be more than was asked for.
  };

  void hub_started() override;
  void hub_stopping() override;
  void hub_ran() override;
  void act() override;
  void run_some() override;
  void settle() override;
  std::set<uint32_t> drain() override;
  void drain_device(uint32_t device, std::set<uint32_t>& drained);

  // hub_back_end.cc
  void back_end_step();
  void send();
  void send_to(uint32_t device);
  void open_receiver();
  void close_receiver();
  void settle_feedback();

  // hub_device.cc
  void device_step();
  void connect(uint32_t device);
  void disconnect(uint32_t device);
  void settle_one(uint32_t device);

  // hub_reader.cc
  void event_step();
  void append_event();
  void pass_hours();
  hub::EventPosition any_position(uint32_t partition);
  hub::EventPosition checkpoint(uint32_t partition);
  void open_reader();
  EventReader& start_reader(uint32_t partition, const hub::EventPosition& position, bool idle);
  EventReader* event_reader(uint64_t id);
  void close_reader();
  void read_some(EventReader& reader);
  void take_event(EventReader& reader);
  void drain_readers();
  void read_all();

  std::map<uint32_t, std::unique_ptr<Device>> connected_;
  std::vector<std::unique_ptr<Device>> retired_;
  std::vector<Receiver> receivers_;
  EventOracle events_;
  std::map<uint64_t, std::unique_ptr<EventReader>> event_readers_;
  uint64_t last_reader_ = 0;
  std::map<uint32_t, uint64_t> checkpoints_;  // The last sequence number that a reader noted.
};

}  // namespace linarite::sim
