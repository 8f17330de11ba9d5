// A simulated device's connection: notes what is delivered, settles it when the world says so.
#pragma once

#include <vector>

#include "sim/hub_world.h"

namespace linarite::sim {

class HubWorld::Device final : public hub::DeviceLink {
 public:
  struct Held {
    hub::LockToken lock;
    uint32_t message;
  };
  Device(HubWorld& world, uint32_t index, uint32_t window)
      : world_(world), index_(index), window_(window), connection_(world.new_connection()) {}

  void deliver(const hub::Delivery& delivery) override;
  void disconnect(Error reason) override;

  uint32_t index() const { return index_; }
  uint32_t window() const { return window_; }
  std::vector<Held>& held() { return held_; }
  bool attached = true;

 private:
  void check_window() const;
  HubWorld& world_;
  const uint32_t index_;
  const uint32_t window_;
  const ConnectionNumber connection_;
  std::vector<Held> held_;
};

}  // namespace linarite::sim
