// A network without sockets and threads, that runs only when told. Its time stands still until it
// is moved, and its maker is the other end of every connection. linarite/testing/in_process_hub.h
// stands on it; with a peer of one's own it is a place to try a client against any answer.
//
// Threads: it and every client on it are used on the one thread that made it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <linarite/network.h>

namespace linarite {
namespace sdk {
class ManualNetwork;
class ManualStream;
}  // namespace sdk
inline namespace v1 {

// The far end of one connection, owned by the connection. Called from manual_network::run_one(),
// close() and the destructors of clients; it must call none of these.
class LINARITE_API connection_peer {
 public:
  virtual ~connection_peer();
  virtual void on_bytes(
      std::string_view bytes) = 0;  // From the client; the view ends with the call.
  // The client ended it, in an orderly way or not. The last call.
  virtual void on_closed(bool orderly) = 0;
};

// What the far end does to the client's end: a handle. Each call takes effect at a later run_one(),
// in the order of the calls; after the end of the connection they do nothing.
class LINARITE_API client_end {
 public:
  explicit client_end(std::weak_ptr<sdk::ManualStream> stream) noexcept;
  void deliver(std::string_view bytes) const;
  void end(bool orderly) const;  // Goodbye, or a reset.

 private:
  std::weak_ptr<sdk::ManualStream> stream_;
};

// Whom a client wants to reach.
struct connect_request {
  std::string host;
  std::uint16_t port = 0;
  std::string server_name;  // What a certificate would have to say. There is none, and no TLS.
};
// Answers a client that connects: with the far end, or with none and the reason in `refusal`.
using connect_function = std::function<std::unique_ptr<connection_peer>(
    const connect_request&, client_end, std::string& refusal)>;

// Of a manual network.
struct manual_network_options {
  wall_time start{};
  // Fills its argument with random bytes. Empty: the kernel's generator.
  std::function<void(std::span<std::byte>)> random{};
  connect_function connect{};  // Empty: whoever connects is refused.
  // What a blocking client does instead of waiting: to bring things forward, time included, until
  // done() or until `wait` has passed (nothing: as long as it takes). Empty: no time passes.
  std::function<void(const std::function<bool()>& done,
                     std::optional<std::chrono::microseconds> wait)>
      run_until{};
};

class manual_network {
 public:
  LINARITE_API explicit manual_network(manual_network_options options);
  // Its clients run no more, and who connects is refused.
  LINARITE_API ~manual_network();
  manual_network(const manual_network&) = delete;
  manual_network& operator=(const manual_network&) = delete;

  // What clients are given, in client_options::network.
  LINARITE_API network handle() const;

  // Runs one task or due timer of the clients; false if there was none.
  LINARITE_API bool run_one();
  // How far the next timer is; zero if it is due. Nothing if none is set.
  LINARITE_API std::optional<std::chrono::microseconds> next_timer() const;
  // Moves both clocks, and runs nothing.
  LINARITE_API void advance(std::chrono::microseconds by);
  LINARITE_API wall_time now() const;

 private:
  std::shared_ptr<sdk::ManualNetwork> implementation_;
};

}  // namespace v1
}  // namespace linarite
