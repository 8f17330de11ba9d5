// The identities of a benchmark's devices: made before it, removed after it.
//
// They are named linarite-bench-SLOT-NUMBER, both counted from 1. A run takes the first slot whose
// device 1 is not there. That device is made first and removed last, and its status reason tells
// how many there are: so whoever finds it can remove what a killed run has left behind, in a
// registry of any size.
#pragma once

#include <linarite/service_client.h>

#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace linarite::cli {

class Fleet {
 public:
  static constexpr std::string_view kPrefix = "linarite-bench-";
  static constexpr size_t kSlotsMax = 16;

  // `clients` make as many requests at a time as they are; they outlive the fleet and share one
  // executor, on whose thread the fleet lives.
  explicit Fleet(std::deque<service_client>& clients) : clients_(clients) {}

  // Makes `count` devices, or fewer if `stopped` turns true. Throws linarite::exception.
  boost::asio::awaitable<void> create(size_t count, std::function<bool()> stopped);
  // Removes what was made. Throws linarite::exception.
  boost::asio::awaitable<void> remove();
  // Removes the devices of all runs, also of one that is under way now. How many they were at most.
  boost::asio::awaitable<size_t> remove_all();

  size_t size() const { return keys_.size(); }
  size_t made() const { return made_; }
  std::string id(size_t device) const { return id_of(slot_, device); }
  // The identity, with its keys.
  device identity(size_t device) const;
  // What the first device says of them all; a write of it must keep this.
  std::string first_reason() const { return reason_of(keys_.size()); }
  // Of whose id this is; none if it is not of this run.
  std::optional<size_t> device_of(std::string_view id) const;

 private:
  static std::string reason_of(size_t count);
  static std::string id_of(size_t slot, size_t device);
  boost::asio::awaitable<void> take_slot(size_t count);
  boost::asio::awaitable<void> create_one(size_t device, service_client& client);
  boost::asio::awaitable<void> remove_devices(size_t slot, size_t count);
  boost::asio::awaitable<std::optional<size_t>> count_of(size_t slot);

  std::deque<service_client>& clients_;
  size_t slot_ = 0;  // 0: none.
  size_t made_ = 0;
  struct Keys {
    std::string primary, secondary;
  };
  std::vector<Keys> keys_;  // By device; empty while it is not made.
};

}  // namespace linarite::cli
