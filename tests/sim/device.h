// A simulated device's connection: notes what is delivered, settles it when the world says so.
#pragma once

#include <vector>

#include "sim/world.h"

namespace linarite::sim {

class World::Device final : public hub::DeviceLink {
 public:
  struct Held {
    hub::LockToken lock;
    uint32_t message;
  };
  Device(World& world, uint32_t index, uint32_t window)
      : world_(world), index_(index), window_(window) {}

  void deliver(const hub::Delivery& delivery) override;
  void disconnect(Error reason) override;

  uint32_t index() const { return index_; }
  std::vector<Held>& held() { return held_; }
  bool attached = true;

 private:
  World& world_;
  const uint32_t index_;
  const uint32_t window_;
  std::vector<Held> held_;
};

}  // namespace linarite::sim
