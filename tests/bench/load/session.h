// What all scenarios share: the loop, the TLS context, the hub's key, and how a run ends early.
#pragma once

#include <fmt/format.h>

#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/random.h"
#include "load/options.h"
#include "net/asio_loop.h"
#include "net/client.h"
#include "wire/connection_string.h"

namespace linarite::load {

// A figure from a run in which something failed would be worth nothing: ends the program with
// status 1.
[[noreturn]] void give_up(const std::string& why);

class Session {
 public:
  explicit Session(const Options& options);

  const Options& options() const { return options_; }
  net::AsioLoop& loop() { return loop_; }
  Instant now() const { return clock_.now(); }
  double now_s() const;  // The same in seconds.

  // Opens a connection to the server and hands it to `opened`; gives up when it fails. Loop only.
  void connect(uint16_t port,
               std::move_only_function<std::unique_ptr<net::StreamHandler>(net::Stream&)> opened);
  // The same for a device: to the MQTT port, or through a WebSocket if options say so.
  void connect_device(
      std::move_only_function<std::unique_ptr<net::StreamHandler>(net::Stream&)> opened);
  // Runs `task` on the loop and returns when it has run. What follows runs the loop, too: call none
  // of the three from the loop.
  void on_loop(const std::function<void()>& task);
  // Runs the loop until `done`; gives up after `limit_s`, naming `what`.
  void run_until(const std::function<bool()>& done, double limit_s, std::string_view what);
  void run_for(double seconds);

  // Devices have numbers; ids and keys follow from them, so that nothing has to be kept.
  static std::string device_id(size_t device);
  static std::string device_key(size_t device);
  std::string device_token(size_t device) const;
  // The name that tokens are made for.
  const std::string& host_name() const;
  const std::string& policy_name() const { return policy_.policy; }
  // For REST and AMQP, valid for a day.
  std::string policy_token() const;

 private:
  std::string token(const std::string& audience, const std::string& key,
                    const std::string& policy) const;

  const Options options_;
  SystemClock clock_;
  net::AsioLoop loop_;
  const std::shared_ptr<Random> random_ = std::make_shared<SystemRandom>();
  std::shared_ptr<net::TlsClientContext> tls_;  // Null: plain TCP.
  wire::ConnectionString policy_;
};

}  // namespace linarite::load
