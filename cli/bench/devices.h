// The devices of a benchmark, connected: they receive, and complete what they have received.
#pragma once

#include <linarite/device_client.h>

#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <deque>
#include <functional>
#include <optional>
#include <string_view>

#include "cli/device_access.h"
#include "cli/latencies.h"

namespace linarite::cli {

class Devices {
 public:
  using Access = std::function<Outcome<DeviceAccess>(size_t device)>;
  using OnMessage =
      std::function<void(size_t device, std::string_view body, bool marked_as_repeated)>;

  // All on the executor's one thread. `access` says how a device connects.
  Devices(boost::asio::any_io_executor executor, const Clock& clock, Access access);
  ~Devices();
  Devices(const Devices&) = delete;
  Devices& operator=(const Devices&) = delete;

  // Connects until there are `count`, some at a time, or `stopped` turns true. Throws
  // linarite::exception.
  boost::asio::awaitable<void> grow_to(size_t count, size_t at_a_time,
                                       std::function<bool()> stopped);
  // Who is told of what is received; nobody at first.
  void on_message(OnMessage callback) { on_message_ = std::move(callback); }
  device_client& client(size_t device) { return *clients_.at(device); }
  size_t size() const { return clients_.size(); }
  // Of those that have connected: whose connection is there now.
  size_t connected() const;
  // How long each took until it could receive.
  const Latencies& connect_times() const { return connect_times_; }
  // Says goodbye to the hub; they are gone when the executor has nothing more to do.
  void close();

 private:
  boost::asio::awaitable<void> connect(size_t device);
  void receive(size_t device);

  const boost::asio::any_io_executor executor_;
  const Clock& clock_;
  const Access access_;
  OnMessage on_message_;
  std::deque<std::optional<device_client>> clients_;
  Latencies connect_times_;
};

}  // namespace linarite::cli
