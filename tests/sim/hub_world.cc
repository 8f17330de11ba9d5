#include "sim/hub_world.h"

#include "sim/hub_device.h"

namespace linarite::sim {

HubWorld::HubWorld(const WorldOptions& options) : World(options) {}

HubWorld::~HubWorld() {
  connected_.clear();
  loop_a_.stop();
  loop_b_.stop();
}

void HubWorld::hub_stopping() {
  connected_.clear();
  retired_.clear();
  receivers_.clear();
  event_readers_.clear();
}

void HubWorld::hub_started() { expect(events_.read(*hub_, /*again=*/true)); }

void HubWorld::hub_ran() { expect(events_.read(*hub_, /*again=*/false)); }

void HubWorld::act() {
  if (chance(3)) {
    event_step();
  } else if (chance(2)) {
    back_end_step();
  } else {
    device_step();
  }
}

// Runs a few tasks, on whichever loop the seed says.
void HubWorld::run_some() {
  for (uint64_t i = random_.below(20); i > 0; --i) run_hub(chance(2) ? loop_a_ : loop_b_);
}

// Runs both loops until neither has anything to do.
void HubWorld::settle() {
  while (run_hub(loop_a_) || run_hub(loop_b_)) {
  }
}

std::set<uint32_t> HubWorld::drain() {
  std::set<uint32_t> drained;
  for (uint32_t i = 0; i < options_.devices; ++i) {
    if (model_.device(i).presence == Presence::kYes) drain_device(i, drained);
  }
  while (!receivers_.empty()) close_receiver();
  settle();
  drain_readers();
  return drained;
}

void HubWorld::drain_device(uint32_t index, std::set<uint32_t>& drained) {
  connect(index);
  settle();
  const auto found = connected_.find(index);
  if (found == connected_.end()) return;
  Device& device = *found->second;
  for (size_t rounds = 0; !device.held().empty() && rounds < 10000; ++rounds) {
    const Device::Held held = device.held().front();
    device.held().erase(device.held().begin());
    drained.insert(held.message);
    model_.end_asked(held.message, hub::Outcome::kSuccess, wall());
    partition(index).complete(device, held.lock, [](const Status&) {});
    settle();
  }
}

}  // namespace linarite::sim
