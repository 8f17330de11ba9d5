// What clients live on: loops, a clock, randomness, and a way to connect.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <tuple>

#include "base/loop.h"
#include "base/random.h"
#include "net/client.h"
#include "sdk/dial_lines.h"

namespace linarite::sdk {

// An interface because sockets, the tests' scripted peers and in-process hubs implement it. A
// session keeps a loop, not the network: the network ends with the last client.
class Network {
 public:
  using Opened = std::move_only_function<std::unique_ptr<net::StreamHandler>(net::Stream&)>;
  using Failed = std::move_only_function<void(Error)>;

  virtual ~Network() = default;

  // The loop for one more client. It stays valid for whoever holds it; after the network has ended
  // it runs nothing more. Any thread.
  virtual std::shared_ptr<Loop> choose_loop() = 0;
  // Before connect(): calls `start` when it is this client's turn to dial the server, which is at
  // once where nobody has to wait. The turn lasts until the place is destroyed. On the loop's
  // thread.
  virtual void wait_to_dial(Loop& /*loop*/, const std::string& /*server*/, DialLines::Start start) {
    start(nullptr);
  }
  // As net::connect(). On the loop's thread.
  virtual void connect(Loop& loop, net::ConnectOptions options, Opened opened, Failed failed) = 0;
  // The context for these options, shared by all that ask for the same. Any thread.
  virtual Result<std::shared_ptr<net::TlsClientContext>> tls(
      const net::TlsClientOptions& options) = 0;
  // Any thread. A connection may hold it longer than the network lives.
  virtual std::shared_ptr<Random> random() = 0;
  // After the clock was moved by hand; waits.
  virtual void run_due_timers() = 0;
  // A network that no thread runs does so now, on the caller's, until done() or until `wait` is
  // over (nothing: as long as it takes), and returns true. Others return false: their threads run.
  virtual bool run_until(const std::function<bool()>& /*done*/, std::optional<Duration> /*wait*/) {
    return false;
  }
};

// Runs `task` on the loop and returns when it has run.
void run_and_wait(Loop& loop, Task task);

// A session that is destroyed on its loop, whoever lets go of it last: what is under way there
// looks whether it is still alive.
template <class Session>
std::shared_ptr<Session> owned_by_loop(std::unique_ptr<Session> session) {
  const std::shared_ptr<Loop> loop = session->loop();
  return {session.release(),
          [loop](Session* last) { loop->post([owned = std::unique_ptr<Session>(last)] {}); }};
}

// TLS contexts by what they were made from: ten thousand clients with one CA hold it once.
class TlsContexts {
 public:
  Result<std::shared_ptr<net::TlsClientContext>> get(const net::TlsClientOptions& options);

 private:
  using Key = std::tuple<std::string, std::string, std::string>;  // Roots, chain, key.
  std::mutex mutex_;
  std::map<Key, std::weak_ptr<net::TlsClientContext>> made_;
};

}  // namespace linarite::sdk
