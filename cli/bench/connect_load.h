// Devices that connect and leave.
#pragma once

#include <linarite/device_client.h>

#include <deque>
#include <optional>
#include <vector>

#include "cli/bench/devices.h"
#include "cli/bench/load.h"

namespace linarite::cli {

// An operation: a new client connects (TCP, TLS, CONNECT, SUBSCRIBE), is timed, and says goodbye.
class ConnectLoad final : public Load {
 public:
  // As of Devices; `devices` of them take turns.
  ConnectLoad(const Clock& clock, Options options, boost::asio::any_io_executor executor,
              Devices::Access access, size_t devices);

 private:
  bool begin(uint64_t number, Instant due) override;
  void connected(size_t device, Instant due, const linarite::error& why);

  const boost::asio::any_io_executor executor_;
  const Devices::Access access_;
  std::vector<std::optional<device_client>> clients_;
  std::deque<size_t> away_;  // Devices that are not connected, the first to come first.
};

}  // namespace linarite::cli
