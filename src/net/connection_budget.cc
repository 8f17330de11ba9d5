#include "net/connection_budget.h"

#include <sys/resource.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "net/socket_address.h"

namespace linarite::net {
namespace {

// Files of the store (RocksDB keeps up to 512 open), logs, listeners, loops, and outgoing
// connections.
constexpr size_t kReservedDescriptors = 768;

}  // namespace

size_t raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  if (limit.rlim_cur < limit.rlim_max) {
    rlimit raised = limit;
    raised.rlim_cur = raised.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
  }
  return static_cast<size_t>(limit.rlim_cur);
}

size_t descriptors_for_connections(size_t descriptor_limit) {
  const size_t reserved = std::min(kReservedDescriptors, descriptor_limit / 2);
  return std::max<size_t>(descriptor_limit - reserved, 1);
}

struct ConnectionBudget::Place {
  Place(std::shared_ptr<ConnectionBudget> owner, std::string address)
      : budget(std::move(owner)), key(std::move(address)) {}
  ~Place() { budget->give_back(key); }

  std::shared_ptr<ConnectionBudget> budget;
  std::string key;
};

std::shared_ptr<ConnectionBudget> ConnectionBudget::create(ConnectionLimits limits) {
  CHECK(limits.total_max > 0);
  return std::shared_ptr<ConnectionBudget>(new ConnectionBudget(limits));
}

bool ConnectionBudget::hold_unsent(size_t before, size_t now) {
  if (limits_.unsent_bytes_max == 0) return true;
  if (before == 0 && now > 0) ++unsent_holders_;
  if (before > 0 && now == 0) --unsent_holders_;
  const size_t all = unsent_bytes_ += now - before;  // Modulo 2^64, where it falls.
  if (now <= before || all <= limits_.unsent_bytes_max) return true;
  const size_t share = limits_.unsent_bytes_max / std::max<size_t>(unsent_holders_, 1);
  if (now <= share) return true;
  ++cut_;
  return false;
}

bool ConnectionBudget::full() const {
  if (limits_.unsent_bytes_max > 0 && unsent_bytes_ > limits_.unsent_bytes_max) return true;
  const std::lock_guard lock(mutex_);
  return taken_ >= limits_.total_max;
}

size_t ConnectionBudget::taken() const {
  const std::lock_guard lock(mutex_);
  return taken_;
}

ConnectionBudget::Verdict ConnectionBudget::take(const std::string& address,
                                                 std::shared_ptr<void>& place) {
  std::string key = limits_.per_address_max > 0 ? address_key(address) : std::string();
  {
    const std::lock_guard lock(mutex_);
    if (taken_ >= limits_.total_max) return Verdict::kFull;
    if (limits_.per_address_max > 0) {
      size_t& count = by_address_[key];
      if (count >= limits_.per_address_max) return Verdict::kAddressFull;
      ++count;
    }
    ++taken_;
  }
  place = std::make_shared<Place>(shared_from_this(), std::move(key));
  return Verdict::kTaken;
}

void ConnectionBudget::give_back(const std::string& key) {
  std::vector<std::function<void()>> waiting;
  {
    const std::lock_guard lock(mutex_);
    --taken_;
    if (limits_.per_address_max > 0) {
      const auto found = by_address_.find(key);
      if (--found->second == 0) by_address_.erase(found);
    }
    waiting.swap(waiting_);
  }
  for (const auto& call : waiting) call();
}

void ConnectionBudget::call_at_release(std::function<void()> on_release) {
  const std::lock_guard lock(mutex_);
  waiting_.push_back(std::move(on_release));
}

}  // namespace linarite::net
