#include "sim/hub_device.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace linarite::sim {

void HubWorld::Device::deliver(const hub::Delivery& delivery) {
  const auto index = whole_number<uint32_t>(delivery.message.message_id.value_or(""));
  world_.trace("deliver", index.value_or(UINT32_MAX), index_);
  ++world_.result_.deliveries;
  if (!index) return world_.fail("a message without its id was delivered");
  if (!attached) return world_.fail(fmt::format("message {} came to a forgotten link", *index));
  world_.expect(world_.model_.delivered({.message = *index,
                                         .device = index_,
                                         .connection = connection_,
                                         .life = world_.life_,
                                         .redelivered = delivery.redelivered,
                                         .sent = world_.now(),
                                         .delivery_count = delivery.delivery_count}));
  if (delivery.message.body != fmt::format("body of {}", *index)) {
    return world_.fail(fmt::format("the body of message {} is another's", *index));
  }
  for (const Held& held : held_) {
    if (held.message == *index) {
      return world_.fail(fmt::format("message {} was delivered while it was locked", *index));
    }
  }
  held_.push_back({delivery.lock, *index});
  check_window();
}

// What has expired or was purged leaves the hub's window, not ours.
void HubWorld::Device::check_window() const {
  const auto open = std::ranges::count_if(held_, [this](const Held& held) {
    const ModelMessage& message = world_.model_.message(held.message);
    return message.presence == Presence::kYes && message.expiry > world_.wall();
  });
  if (static_cast<size_t>(open) > window_) world_.fail("more messages than the window holds");
}

void HubWorld::Device::disconnect(Error reason) {
  world_.trace("disconnected", static_cast<uint64_t>(reason.code), index_);
  attached = false;
}

void HubWorld::device_step() {
  const auto device = static_cast<uint32_t>(random_.below(options_.devices));
  const auto found = connected_.find(device);
  if (found != connected_.end() && !found->second->attached) {
    retired_.push_back(std::move(found->second));
    connected_.erase(found);
    return;
  }
  if (found == connected_.end() || chance(12)) {
    connect(device);
  } else if (chance(15)) {
    disconnect(device);
  } else {
    settle_one(device);
  }
}

void HubWorld::connect(uint32_t index) {
  const auto window = static_cast<uint32_t>(1 + random_.below(8));
  auto device = std::make_unique<Device>(*this, index, window);
  const Status attached = partition(index).attach(device_name(index), *device, 0);
  trace("connect", index, attached ? 0 : static_cast<uint64_t>(attached.error().code));
  const ModelDevice& known = model_.device(index);
  if (!known.uncertain) {
    const bool expected = known.presence == Presence::kYes && known.enabled;
    if (attached.has_value() != expected) {
      return fail(fmt::format(
          "device {} {} although it is {}", index, attached ? "connected" : "was refused",
          known.presence == Presence::kYes ? "there" : "not there or disabled"));
    }
  }
  if (!attached) return;
  const auto older = connected_.find(index);
  if (older != connected_.end()) {
    if (older->second->attached) fail("a takeover left the older connection attached");
    retired_.push_back(std::move(older->second));
  }
  Device& link = *device;
  connected_[index] = std::move(device);
  partition(index).open_delivery(link, link.window(), wall());
}

void HubWorld::disconnect(uint32_t index) {
  trace("disconnect", index);
  const auto found = connected_.find(index);
  partition(index).detach(*found->second);
  found->second->attached = false;
  retired_.push_back(std::move(found->second));
  connected_.erase(found);
}

// Completes, abandons or rejects one of the messages the device holds, in any order.
void HubWorld::settle_one(uint32_t index) {
  Device& device = *connected_.at(index);
  if (device.held().empty()) return;
  const size_t which = random_.below(device.held().size());
  const Device::Held held = device.held()[which];
  device.held().erase(device.held().begin() + static_cast<std::ptrdiff_t>(which));
  const uint64_t how = random_.below(8);
  trace("settle", held.message, how);
  const auto answered = [this, life = life_, held](hub::Outcome outcome) {
    return [this, life, held, outcome](const Status& status) {
      if (life != life_) return;
      trace("settled", held.message, status.has_value());
      model_.end_answered(held.message, outcome, status.has_value(),
                          !status && unknown(status.error().code), step_);
    };
  };
  if (how == 0) {
    model_.abandon_asked(held.message);
    model_.may_end(index, /*purge=*/false, now().wall);  // The last abandon dead-letters.
    partition(index).abandon(device, held.lock, [this, life = life_, held](const Status& status) {
      if (life == life_ && status) model_.abandon_answered(held.message);
    });
  } else if (how == 1) {
    model_.end_asked(held.message, hub::Outcome::kRejected, wall());
    partition(index).reject(device, held.lock, answered(hub::Outcome::kRejected));
  } else {
    model_.end_asked(held.message, hub::Outcome::kSuccess, wall());
    partition(index).complete(device, held.lock, answered(hub::Outcome::kSuccess));
  }
}

}  // namespace linarite::sim
