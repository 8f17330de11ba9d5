// How many connections the program holds, in all and for each peer address, and how many bytes
// they hold that their peers have not taken. One budget is shared by all listeners.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "net/descriptor.h"

namespace linarite::net {

struct ConnectionLimits {
  size_t total_max = 0;        // Never 0 in a budget: see descriptors_for_connections().
  size_t per_address_max = 0;  // 0: no limit. An IPv6 peer is counted by its /64.
  // Unsent bytes of all connections together; 0: no limit. Beyond it nothing is accepted, and a
  // connection that holds more than an equal share is cut when it next writes. So they never hold
  // more than twice as much, and what a single write adds.
  size_t unsent_bytes_max = 0;
};

// Sets the soft limit of open files to the hard one, and returns it.
size_t raise_descriptor_limit();
// What is left for connections of `descriptor_limit` after the share of the store, logs and
// listeners.
size_t descriptors_for_connections(size_t descriptor_limit);

// Any thread.
class ConnectionBudget : public std::enable_shared_from_this<ConnectionBudget> {
 public:
  enum class Verdict { kTaken, kFull, kAddressFull };

  static std::shared_ptr<ConnectionBudget> create(ConnectionLimits limits);

  // No place is left, or too much is unsent.
  bool full() const;
  size_t taken() const;
  // With kTaken, `place` gives the place back when it is destroyed.
  Verdict take(const std::string& address, std::shared_ptr<void>& place);
  // Calls `on_release` once, on whatever thread, when the next place is given back.
  void call_at_release(std::function<void()> on_release);

  // A connection holds `now` unsent bytes instead of `before`. False: it is to be cut.
  bool hold_unsent(size_t before, size_t now);
  size_t unsent_bytes() const { return unsent_bytes_; }
  uint64_t cut_for_unsent() const { return cut_; }

 private:
  struct Place;
  explicit ConnectionBudget(ConnectionLimits limits) : limits_(limits) {}
  void give_back(const std::string& key);

  const ConnectionLimits limits_;
  mutable std::mutex mutex_;
  // Guarded by mutex_.
  size_t taken_ = 0;
  std::unordered_map<std::string, size_t> by_address_;
  std::vector<std::function<void()>> waiting_;

  std::atomic<size_t> unsent_bytes_{0};
  std::atomic<size_t> unsent_holders_{0};
  std::atomic<uint64_t> cut_{0};
};

}  // namespace linarite::net
