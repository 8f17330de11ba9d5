// The threads on which connections live.
//
// A client has no thread of its own: all clients of one network share its threads, one by default,
// and ten thousand of them fit one thread. Nothing of the application ever runs there but token
// providers and log sinks, so no handler of the application can hold up a keep-alive.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>

#include <linarite/message.h>

namespace linarite {
namespace sdk {
class Network;
}
inline namespace v1 {

// Where the SDK takes the time from. Any thread calls it; both must never go backwards by
// themselves.
class LINARITE_API time_source {
 public:
  virtual ~time_source();
  virtual std::chrono::microseconds monotonic() const = 0;  // From any fixed moment.
  virtual wall_time wall() const = 0;                       // UTC.
};

// How many threads, and from where they take time and randomness.
struct network_options {
  size_t threads = 1;
  // Null: the machine's clocks. Else time stands still for timers until run_due_timers().
  std::shared_ptr<const time_source> clock{};
  // Fills its argument with random bytes; any thread. Empty: the kernel's generator.
  std::function<void(std::span<std::byte>)> random{};
};

// A handle; copies mean the same threads, which end when the last handle and client are gone. Any
// thread.
class LINARITE_API network {
 public:
  explicit network(const network_options& options = {});
  // For other ways to connect than sockets: test hubs.
  explicit network(std::shared_ptr<sdk::Network> implementation);
  // The process's own: made when first asked for, gone with its last client.
  static network shared();

  // With a clock of one's own, after it moved: runs what has become due, and waits for it. Not from
  // a token provider or log sink.
  void run_due_timers() const;

  const std::shared_ptr<sdk::Network>& implementation() const { return implementation_; }

 private:
  std::shared_ptr<sdk::Network> implementation_;
};

}  // namespace v1
}  // namespace linarite
