// Back ends and devices that call the hub's own interface, without a protocol between.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <vector>

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

  void hub_stopping() override;
  void act() override;
  void run_some() override;
  void settle() override;
  std::set<uint32_t> drain() override;
  void drain_device(uint32_t device, std::set<uint32_t>& drained);

  // hub_back_end.cc
  void back_end_step();
  void send();
  void open_receiver();
  void close_receiver();
  void settle_feedback();

  // hub_device.cc
  void device_step();
  void connect(uint32_t device);
  void disconnect(uint32_t device);
  void settle_one(uint32_t device);

  std::map<uint32_t, std::unique_ptr<Device>> connected_;
  std::vector<std::unique_ptr<Device>> retired_;
  std::vector<Receiver> receivers_;
};

}  // namespace linarite::sim
