// Accepts connections on one port and spreads them over the loops.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/logging.h"
#include "net/connection_budget.h"
#include "net/loop_group.h"
#include "net/stream.h"
#include "net/tls_context.h"

namespace linarite::net {

struct ListenerOptions {
  std::string name;                    // For logs and messages: "mqtt".
  std::vector<std::string> addresses;  // Numeric. "::1" is left out where the machine has no IPv6.
  uint16_t port = 0;                   // 0: a free one, the same for all addresses.
  std::shared_ptr<const TlsEndpoint> tls;  // Null: plain TCP, only on loopback addresses.
  // Handshakes under way on one loop. The next one ends the oldest: real ones take milliseconds, so
  // whoever opens connections and stays silent displaces only others of the same kind.
  size_t handshakes_per_loop_max = 2048;
  Duration handshake_limit = std::chrono::seconds(10);
  Duration close_limit = std::chrono::seconds(5);
  Duration stall_limit = std::chrono::seconds(60);
  // Whether one more connection of this address (address_key()) is taken now; else it is closed
  // before its handshake. May be empty. Called on loop 0.
  std::function<bool(std::string_view address)> admits{};
};

struct ListenerCounts {
  uint64_t accepted = 0;
  uint64_t opened = 0;              // Handshake complete.
  uint64_t handshakes_failed = 0;   // By the peer, by time, or displaced.
  uint64_t refused_by_address = 0;  // Over the budget, or the rate, of their address.
  uint64_t pauses = 0;  // Times that accepting stopped for want of descriptors or budget.
};

// To be destroyed before its LoopGroup.
class Listener {
 public:
  static constexpr size_t kAcceptsPerTurn = 16;
  static constexpr int kBacklog = 4096;
  // How long accepting rests when the machine has no descriptor or memory for one more socket. A
  // connection of ours that ends brings it back earlier.
  static constexpr Duration kRest = std::chrono::milliseconds(200);

  // Binds and listens; peers queue up in the kernel until start(). The message of a failure is one
  // sentence that says what to do. `loops`, `budget` and `log` must outlive the listener's streams.
  static Result<std::unique_ptr<Listener>> open(LoopGroup& loops, ListenerOptions options,
                                                std::shared_ptr<ConnectionBudget> budget,
                                                StreamAcceptor acceptor, Logger& log);
  ~Listener();

  // Begins to accept. Any thread, once.
  void start();
  // Closes the listening sockets; streams go on. Any thread.
  void stop_accepting();

  uint16_t port() const;
  // "127.0.0.1:8883", one for each address.
  std::vector<std::string> bound() const;
  ListenerCounts counts() const;

 private:
  class Acceptor;
  struct Shared;
  explicit Listener(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}
  std::shared_ptr<Shared> shared_;
};

}  // namespace linarite::net
